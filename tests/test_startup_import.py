"""The program's import of asyncio, as the startup hook waits for it: every way to import it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .startup_hook import output


@pytest.mark.parametrize("statement", ["import asyncio.events", "from asyncio import run"])
def test_every_form_of_import_is_seen(statement: str) -> None:
    assert output(f'hook("1"); {statement}; print(installed())') == "True\n"


def test_looking_for_asyncio_without_importing_it_does_not_use_the_hook_up() -> None:
    code = """
hook("1")
import importlib.util
spec = importlib.util.find_spec("asyncio")
print("asyncio" in sys.modules, spec.origin.endswith("__init__.py"), waiting())
print(spec.loader.get_filename("asyncio") == spec.origin)
import asyncio
print(installed(), waiting())
"""
    assert output(code) == "False True 1\nTrue\nTrue 0\n"


def test_what_was_found_of_asyncio_can_be_copied() -> None:
    code = """
hook("1")
import copy, importlib.util
spec = copy.deepcopy(importlib.util.find_spec("asyncio"))
print(spec.loader.get_filename("asyncio") == spec.origin)
import asyncio
print(installed(), waiting())
"""
    assert output(code) == "True\nTrue 0\n"


def test_asyncio_shows_no_trace_of_the_hook() -> None:
    show = """
import asyncio
print(type(asyncio.__loader__), type(asyncio.__spec__.loader), asyncio.__spec__._initializing)
asyncio.new_event_loop().close()
print([cls.__init__.__code__.co_filename for cls in (asyncio.BaseEventLoop, asyncio.Queue)])
names = [getattr(f, '__name__', type(f).__name__) for f in sys.meta_path]
print([name for name in names if name != "ImportFinder"])  # which waits for IPv8
"""
    assert output('hook("1")' + show) == output("hook(None)" + show)


def test_a_reload_of_asyncio_goes_well_and_repairs_nothing_anew() -> None:
    code = """
hook("1")
import asyncio, importlib, tribler_udp_fix
before = tribler_udp_fix.status().as_dict()
importlib.reload(asyncio)
print(tribler_udp_fix.status().as_dict() == before, waiting(), gates())
"""
    assert output(code) == "True 0 0\n"


def test_an_asyncio_that_fails_to_import_raises_its_own_error_and_is_waited_for_again(
    tmp_path: Path,
) -> None:
    (tmp_path / "asyncio.py").write_text("raise RuntimeError('no asyncio today')\n")
    code = f"""
hook("1")
sys.path.insert(0, {str(tmp_path)!r})
try:
    import asyncio
except RuntimeError as exc:
    print(exc, waiting(), installed(), "asyncio" in sys.modules)
sys.path.pop(0)
import asyncio
print(gates(), installed())
"""
    assert output(code) == "no asyncio today 1 False False\n3 True\n"


def test_an_asyncio_that_cannot_be_found_is_the_import_systems_own_error() -> None:
    code = """
hook("1")
sys.path = []
try:
    import asyncio
except ModuleNotFoundError as exc:
    print(exc, exc.name)
"""
    assert output(code) == "No module named 'asyncio' asyncio\n"


def test_asyncio_from_a_zip_is_repaired(tmp_path: Path) -> None:
    code = f"""
import asyncio, os, zipfile
with zipfile.ZipFile({str(tmp_path / "lib.zip")!r}, "w") as archive:
    for name in os.listdir(os.path.dirname(asyncio.__file__)):
        if name.endswith(".py"):
            archive.write(os.path.join(os.path.dirname(asyncio.__file__), name), "asyncio/" + name)
for name in [name for name in sys.modules if name.partition(".")[0] == "asyncio"]:
    del sys.modules[name]
hook("1")
sys.path.insert(0, {str(tmp_path / "lib.zip")!r})
import asyncio
print(type(asyncio.__loader__).__name__, installed(), waiting())
"""
    assert output(code) == "zipimporter True 0\n"


@pytest.mark.skipif(
    sys.version_info >= (3, 15), reason="the import system asks for exec_module from 3.15 on"
)
def test_a_loader_without_exec_module_is_seen_as_one_and_asyncio_is_repaired() -> None:
    code = """
import importlib.machinery, importlib.util, types, warnings
warnings.simplefilter("ignore", ImportWarning)
class Legacy:
    def load_module(self, name):
        del sys.meta_path[sys.meta_path.index(finder)]
        spec = importlib.machinery.PathFinder.find_spec(name)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "asyncio":
            return importlib.machinery.ModuleSpec(name, Legacy(), is_package=True)
finder = Finder()
sys.meta_path.insert(0, finder)
hook("1")
print(hasattr(importlib.util.find_spec("asyncio").loader, "exec_module"))
import asyncio
print(installed(), waiting())
"""
    assert output(code) == "False\nTrue 0\n"


def test_a_lazy_loader_gets_its_asyncio_repaired_when_it_loads() -> None:
    code = """
hook("1")
import importlib.util
spec = importlib.util.find_spec("asyncio")
spec.loader = importlib.util.LazyLoader(spec.loader)
asyncio = sys.modules["asyncio"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(asyncio)
print(installed(), waiting())
asyncio.run
print(installed(), waiting())
"""
    assert output(code) == "False 1\nTrue 0\n"


def test_a_private_copy_is_not_taken_for_the_programs_import(tmp_path: Path) -> None:
    (tmp_path / "asyncio.py").write_text("COPY = True\n")
    code = f"""
hook("1")
import importlib.util
sys.path.insert(0, {str(tmp_path)!r})
spec = importlib.util.find_spec("asyncio")
copy = importlib.util.module_from_spec(spec)
spec.loader.exec_module(copy)
print(copy.COPY, installed(), waiting(), "asyncio" in sys.modules)
del sys.path[0]
sys.path_importer_cache.clear()
import asyncio
print(installed(), waiting())
"""
    assert output(code) == "True False 1 False\nTrue 0\n"


def test_a_finder_that_searches_all_finders_finds_asyncio_through_the_hook() -> None:
    code = """
import importlib.util
class Searching:  # as wrapt's finder for post-import hooks does
    searching = False
    def find_spec(self, name, path=None, target=None):
        if name != "asyncio" or self.searching:
            return None
        self.searching = True
        try:
            return importlib.util.find_spec(name)
        finally:
            self.searching = False
{}
import asyncio
print(installed(), waiting(), type(asyncio.__loader__).__name__)
"""
    before = 'sys.meta_path.insert(0, Searching()); hook("1")'
    after = 'hook("1"); sys.meta_path.insert(0, Searching())'
    for order in (before, after):
        assert output(code.format(order)) == "True 0 SourceFileLoader\n"


def test_a_finder_that_imports_asyncio_makes_no_other_import_miss_a_finder() -> None:
    """In place, leaving sys.meta_path would shift it under the import that is under way."""
    code = """
import importlib.machinery
hook("1")
class Importing:
    def find_spec(self, name, path=None, target=None):
        if name == "probe":
            import asyncio
class Next(importlib.machinery.BuiltinImporter):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, cls) if name == "probe" else None
    create_module = exec_module = staticmethod(lambda spec: None)
sys.meta_path[1:1] = [Importing(), Next]
import probe
print(installed(), waiting())
"""
    assert output(code) == "True 0\n"


def test_a_finder_in_front_of_the_hook_is_asked_for_asyncio_once() -> None:
    code = """
hook("1")
class Asked:
    def find_spec(self, name, path=None, target=None):
        if name == "asyncio":
            print("asked")
sys.meta_path.insert(0, Asked())
import asyncio
print(installed(), waiting())
"""
    assert output(code) == "asked\nTrue 0\n"


def test_threads_that_import_asyncio_at_once_all_get_it_repaired() -> None:
    code = """
import threading
hook("1")
seen, barrier = [], threading.Barrier(8)
def program():
    barrier.wait()
    import asyncio
    asyncio.run(asyncio.sleep(0))
    seen.append("tribler_udp_fix._install" in sys.modules and waiting() == gates() == 0)
threads = [threading.Thread(target=program) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(seen == [True] * 8)
"""
    assert output(code) == "True\n"
