"""The startup hook, in child interpreters that run the line of tribler_udp_fix.pth."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tribler_udp_fix import _startup

ROOT = Path(__file__).resolve().parent.parent
HOOK = (ROOT / "tribler_udp_fix.pth").read_text("ascii")

# The variable is set in the child, not for it: an installed .pth must not run before ours.
PRELUDE = f"""\
import os, sys
def hook(value=None):
    if value is not None:
        os.environ["TRIBLER_UDP_FIX"] = value
    exec({HOOK!r}, {{}})
def ours():
    return sorted(n for n in sys.modules if n.partition(".")[0] in ("tribler_udp_fix", "wrapt"))
def waiting():
    return sum(type(finder).__name__ == "AsyncioFinder" for finder in sys.meta_path)
def installed():
    return "tribler_udp_fix._install" in sys.modules
"""


def run(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the prelude and *code* in a new interpreter, the variable unset."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TRIBLER_UDP_FIX")}
    environ["PYTHONPATH"] = str(ROOT)
    return subprocess.run(
        [sys.executable, *options, "-c", PRELUDE + code],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def output(code: str, *options: str) -> str:
    """Return what *code* prints, having asserted that nothing went wrong."""
    result = run(code, *options)
    assert result.stderr == ""
    assert result.returncode == 0
    return result.stdout


def test_the_line_in_the_pth_names_the_off_values_of_the_hook() -> None:
    assert repr(_startup.OFF_VALUES).replace("'", '"') in HOOK


@pytest.mark.parametrize("value", [None, "", "0", "false", "no", "off", " Off ", "FALSE"])
def test_an_off_value_imports_nothing(value: str | None) -> None:
    assert output(f"hook({value!r}); print(ours(), waiting())") == "[] 0\n"


@pytest.mark.parametrize("value", ["1", "true", "yes", "on", " On\t", "TRUE"])
def test_an_on_value_repairs_asyncio_when_the_program_imports_it_and_not_before(value: str) -> None:
    code = f"""
hook({value!r})
print("asyncio" in sys.modules, ours(), waiting())
import json
print("asyncio" in sys.modules, installed())
import asyncio
print(installed(), waiting())
"""
    assert output(code).splitlines() == [
        "False ['tribler_udp_fix', 'tribler_udp_fix._startup'] 1",
        "False False",
        "True 0",
    ]


def test_the_hook_imports_nothing_but_its_own_two_modules() -> None:
    code = """
before = set(sys.modules)
hook("1")
print(*sorted(set(sys.modules) - before))
"""
    assert output(code) == "tribler_udp_fix tribler_udp_fix._startup\n"


def test_the_repairs_get_the_settings_of_the_environment() -> None:
    code = """
os.environ["TRIBLER_UDP_FIX_ERROR_BUDGET"] = "77"
hook("1")
import asyncio, tribler_udp_fix
print(tribler_udp_fix.status().settings.error_budget)
"""
    assert output(code) == "77\n"


def test_another_value_is_one_warning_that_names_what_is_allowed_and_off() -> None:
    result = run('hook("maybe"); hook("maybe"); import asyncio; print(waiting(), installed())')
    assert result.returncode == 0
    assert result.stdout == "0 False\n"
    assert result.stderr == (
        "tribler_udp_fix: TRIBLER_UDP_FIX='maybe': allowed are 1, true, yes, on (on) and "
        "0, false, no, off or nothing (off). The repairs stay off.\n"
    )


def test_the_hook_run_twice_waits_once() -> None:
    assert output('hook("1"); hook("1"); print(waiting())') == "1\n"
    assert output('hook("1"); import asyncio; hook("1"); print(waiting())') == "0\n"


def test_a_program_that_runs_the_hook_off_may_run_it_on_later() -> None:
    assert output('hook("0"); hook("?"[1:]); hook("1"); print(waiting())') == "1\n"


def test_asyncio_that_is_imported_already_is_repaired_at_once() -> None:
    assert output('import asyncio; hook("1"); print(installed(), waiting())') == "True 0\n"


def test_asyncio_that_the_program_forbids_is_not_imported() -> None:
    code = """
sys.modules["asyncio"] = None
hook("1")
try:
    import asyncio
except ImportError:
    print("forbidden", installed())
"""
    assert output(code) == "forbidden False\n"


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


def test_asyncio_shows_no_trace_of_the_hook() -> None:
    show = """
import asyncio
print(type(asyncio.__loader__), type(asyncio.__spec__.loader), asyncio.__spec__._initializing)
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
print(tribler_udp_fix.status().as_dict() == before, waiting())
"""
    assert output(code) == "True 0\n"


def test_an_asyncio_that_fails_to_import_raises_its_own_error_and_the_hook_leaves(
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
"""
    assert output(code) == "no asyncio today 0 False False\n"


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


def test_an_asyncio_that_is_not_pythons_is_one_line_and_the_program_goes_on(
    tmp_path: Path,
) -> None:
    (tmp_path / "asyncio.py").write_text("MINE = True\n")
    code = f"""
sys.modules["tribler_udp_fix._install"] = None
hook("1")
sys.path.insert(0, {str(tmp_path)!r})
import asyncio
print(asyncio.MINE)
"""
    result = run(code)
    assert (result.returncode, result.stdout) == (0, "True\n")
    assert result.stderr.count("\n") == 1


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
    seen.append("tribler_udp_fix._install" in sys.modules and waiting() == 0)
threads = [threading.Thread(target=program) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(seen == [True] * 8)
"""
    assert output(code) == "True\n"


def test_a_failure_inside_the_hook_is_one_line_with_the_way_to_switch_it_off() -> None:
    code = """
sys.modules["tribler_udp_fix._install"] = None
hook("1")
import asyncio
print(asyncio.run(asyncio.sleep(0, "the program goes on")))
"""
    result = run(code)
    assert (result.returncode, result.stdout) == (0, "the program goes on\n")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("tribler_udp_fix: the repairs are not on (ModuleNotFoundError:")
    assert result.stderr.endswith("To switch this off, set TRIBLER_UDP_FIX=0.\n")


def test_a_package_that_was_removed_meanwhile_does_not_cost_the_program_its_asyncio() -> None:
    code = """
hook("1")
sys.modules["tribler_udp_fix._asyncio_import"] = None
import importlib.util, asyncio
print(asyncio.run(asyncio.sleep(0, "the program goes on")), waiting())
"""
    result = run(code)
    assert (result.returncode, result.stdout) == (0, "the program goes on 0\n")
    assert result.stderr.count("\n") == 1
    assert result.stderr.endswith("To switch this off, set TRIBLER_UDP_FIX=0.\n")


def test_a_sys_meta_path_that_takes_no_finder_is_one_line_and_the_program_goes_on() -> None:
    code = """
import tribler_udp_fix._startup
finders, sys.meta_path = sys.meta_path, tuple(sys.meta_path)
hook("1")
sys.meta_path = finders
print("the program goes on")
"""
    result = run(code)
    assert (result.returncode, result.stdout) == (0, "the program goes on\n")
    assert result.stderr.count("\n") == 1
    assert "set TRIBLER_UDP_FIX=0" in result.stderr


@pytest.mark.parametrize("stderr", ["None", "open(os.devnull)", "type('Broken', (), {})()"])
def test_a_program_without_a_usable_stderr_goes_on(stderr: str) -> None:
    code = f"""
sys.stderr = {stderr}
sys.modules["tribler_udp_fix._install"] = None
hook("maybe"); hook("1")
import asyncio
sys.stderr = sys.__stderr__
print("the program goes on")
"""
    assert output(code) == "the program goes on\n"
