"""The package as pip installs it: built, installed, fired and removed, on each Python found."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Iterator

import pytest

pytestmark = pytest.mark.apart  # they take minutes

ROOT = Path(__file__).resolve().parent.parent

# The whole of the startup hook. What runs at every start of the interpreter is read here first.
PTH = (
    b'import os; os.environ.get("TRIBLER_UDP_FIX", "").strip().lower() '
    b'not in ("", "0", "false", "no", "off") and '
    b'__import__("tribler_udp_fix._startup", None, None, ["main"]).main()\n'
)

RUNNING = "{}.{}".format(*sys.version_info)

HOOK_STATE = """
import sys
ours = [name for name in sys.modules if name.partition(".")[0] in ("tribler_udp_fix", "wrapt")]
if not ours:
    print("nothing imported")
else:
    print("asyncio" in sys.modules, "wrapt" in sys.modules, end=" ")
    import asyncio
    import tribler_udp_fix
    print(tribler_udp_fix.status().installed)
"""
NOTHING = "nothing imported\n"
REPAIRED_WITH_ASYNCIO = "False False True\n"


def _version(python: str) -> str | None:
    code = "import sys; print('{}.{}'.format(*sys.version_info))"
    try:
        result = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30)
    except OSError:
        return None
    return result.stdout.strip() if result.returncode == 0 else None  # a shim of pyenv may refuse


def _pythons() -> dict[str, str]:
    """Return the interpreters found, by version: the running one, pyenv's, and those on PATH."""
    found = {RUNNING: sys.executable}
    candidates = []
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    for minor in range(8, 16):
        versions = sorted(Path(pyenv, "versions").glob(f"3.{minor}.*/bin/python"))
        candidates += [(f"3.{minor}", str(python)) for python in reversed(versions)]
        on_path = shutil.which(f"python3.{minor}")
        candidates += [(f"3.{minor}", on_path)] if on_path else []
    for version, python in candidates:
        if version not in found and _version(python) == version:
            found[version] = python
    return dict(sorted(found.items(), key=lambda item: int(item[0].partition(".")[2])))


class Venv:
    """A fresh virtual environment with what the package needs, and the wheel and sdist it built."""

    def __init__(self, python: str, folder: Path) -> None:
        self._folder = folder
        self.run([python, "-m", "venv", str(folder / "venv")])
        self.scripts = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
        self.python = str(self.scripts / "python")
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        self.site_packages = Path(self.run([self.python, "-c", code]).strip())
        # What setup.cfg asks for comes from the index once; after this nothing else may.
        self.pip("install", "--quiet", "setuptools>=64", "wheel", "wrapt>=1.16", "rich>=13")
        self.source = folder / "source"
        _copy_source(self.source)
        self.sdist = self._build("sdist")
        self.wheel = self._build("wheel")
        shutil.rmtree(self.source / "build", ignore_errors=True)

    def run(self, command: list[str], **variables: str) -> str:
        """Return what *command* wrote, having asserted that it succeeded."""
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "TRIBLER_UDP_FIX"))
        }
        result = subprocess.run(
            command,
            cwd=str(self._folder),
            env={**environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=300,
        )
        assert result.returncode == 0, result.stdout
        return result.stdout

    def pip(self, *arguments: str) -> str:
        return self.run([self.python, "-m", "pip", "--disable-pip-version-check", *arguments])

    def _build(self, kind: str) -> Path:
        pattern = {"sdist": "*.tar.gz", "wheel": "*.whl"}[kind]
        if "RELEASE_DIST" in os.environ:  # the very files that are to be released
            (given,) = (ROOT / os.environ["RELEASE_DIST"]).glob(pattern)
            return given
        code = f"import os, setuptools.build_meta as b; os.chdir('source'); b.build_{kind}('..')"
        self.run([self.python, "-c", code])
        (built,) = self._folder.glob(pattern)
        return built

    def metadata(self, url: str, ref: str = "") -> str:
        """Return the metadata that a build makes which is told the project's address."""
        code = (
            "import os, setuptools.build_meta as b; os.chdir('source'); "
            "b.prepare_metadata_for_build_wheel('..')"
        )
        self.run([self.python, "-c", code], PROJECT_URL=url, PROJECT_REF=ref)
        (folder,) = self._folder.glob("*.dist-info")
        text = (folder / "METADATA").read_text("utf-8")
        shutil.rmtree(str(folder))
        return text

    def install(self, kind: str) -> None:
        source = {
            "wheel": [str(self.wheel)],
            "sdist": [str(self.sdist)],
            "editable": ["--editable", str(self.source)],
        }[kind]
        self.pip("install", "--quiet", "--no-index", "--no-build-isolation", *source)

    def uninstall(self) -> None:
        self.pip("uninstall", "--quiet", "--yes", "tribler_udp_fix")

    def hook_state(self, value: str | None, *options: str) -> str:
        """Return what the hook did in a new interpreter with the variable set to *value*."""
        variables = {} if value is None else {"TRIBLER_UDP_FIX": value}
        return self.run([self.python, *options, "-c", HOOK_STATE], **variables)

    def files(self) -> set[str]:
        """Return every file in site-packages and among the scripts, caches left out."""
        return {
            str(path)
            for folder in (self.site_packages, self.scripts)
            for path in folder.rglob("*")
            if "__pycache__" not in path.parts
        }


def _copy_source(folder: Path) -> None:
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(str(path), str(folder))
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("tribler_udp_fix", "docs"):
        shutil.copytree(str(ROOT / name), str(folder / name), ignore=ignored)
    lab = folder / "tests" / "winlab"
    lab.mkdir(parents=True)
    shutil.copy(str(ROOT / "tests" / "winlab" / "README.md"), str(lab))


PYTHONS = _pythons()
AT_ONCE = 3  # environments that are made; most of the time is pip's wait for the index
# Where an sdist and an editable install are tried too: with 3.8 its last setuptools, 75.3.4, and
# with the running Python that of today.
BOTH_SETUPTOOLS = {next(iter(PYTHONS)), RUNNING}


@pytest.fixture(scope="module")
def venvs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Venv]]]:
    """An environment for each Python that a selected test asks for, made a few at a time."""
    wanted = {
        item.callspec.params["venv"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "venv" in getattr(item, "fixturenames", ())
    }
    folders = {version: tmp_path_factory.mktemp(f"python{version}-") for version in wanted}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {v: pool.submit(Venv, PYTHONS[v], folders[v]) for v in PYTHONS if v in wanted}
    for folder in folders.values():
        shutil.rmtree(str(folder), ignore_errors=True)


@pytest.fixture(scope="module", params=PYTHONS, ids=lambda version: f"python{version}")
def venv(request: pytest.FixtureRequest, venvs: dict[str, Future[Venv]]) -> Venv:
    return venvs[request.param].result()


@pytest.fixture(scope="module")
def installed(venv: Venv) -> Iterator[Venv]:
    """The environment with the wheel in it."""
    venv.install("wheel")
    yield venv
    venv.uninstall()


def test_the_wheel_holds_the_startup_hook_byte_for_byte_and_nothing_unexpected(venv: Venv) -> None:
    with zipfile.ZipFile(str(venv.wheel)) as wheel:
        assert wheel.read("tribler_udp_fix.pth") == PTH
        names = {name.partition("/")[0] for name in wheel.namelist()}
        (record,) = [name for name in wheel.namelist() if name.endswith("/RECORD")]
        assert "\ntribler_udp_fix.pth,sha256=" in "\n" + wheel.read(record).decode()
        assert "tribler_udp_fix/py.typed" in wheel.namelist()
    assert names == {"tribler_udp_fix.pth", "tribler_udp_fix", "tribler_udp_fix-0.1.0.dist-info"}


def test_the_sdist_holds_all_that_its_build_needs(venv: Venv) -> None:
    with tarfile.open(str(venv.sdist)) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
        hook = sdist.extractfile("tribler_udp_fix-0.1.0/tribler_udp_fix.pth")
        assert hook is not None
        assert hook.read() == PTH
    assert {"_build_hooks.py", "LICENSE", "pyproject.toml", "setup.cfg"} <= names


LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
NAMED = re.compile(r"(?<![\w./])(?:docs/[\w-]+\.\w+|tests/winlab/README\.md|CHANGELOG\.md)")


def test_the_page_that_an_index_shows_leads_nowhere_in_vain(venv: Venv) -> None:
    page = venv.metadata("")
    assert [target for target in LINK.findall(page) if "://" not in target] == []
    with tarfile.open(str(venv.sdist)) as sdist:
        held = {name.partition("/")[2] for name in sdist.getnames()}
    named = set(NAMED.findall(page))
    assert {"docs/heard.svg", "docs/examples.md", "tests/winlab/README.md"} <= named <= held


def test_where_the_projects_address_is_known_the_page_links_and_shows_the_picture(
    venv: Venv,
) -> None:
    page = venv.metadata("https://example.org/project", "v1")
    targets = LINK.findall(page)
    assert all("://" in target for target in targets)
    ours = [target for target in targets if target.startswith("https://example.org/project/")]
    assert "https://example.org/project/raw/v1/docs/heard.svg" in ours
    for target in ours:
        _, _, path = target.replace("/raw/", "/blob/").partition("/blob/v1/")
        assert (ROOT / path.partition("#")[0]).exists(), target
    assert "\nProject-URL: Issues, https://example.org/project/issues\n" in page


@pytest.mark.parametrize(
    ("venv", "kind"),
    [
        pytest.param(version, kind, id=f"python{version}-{kind}")
        for version in PYTHONS
        for kind in ("wheel", "sdist", "editable")
        if kind == "wheel" or version in BOTH_SETUPTOOLS
    ],
    indirect=["venv"],
)
def test_the_hook_is_installed_fires_and_is_removed_whole(venv: Venv, kind: str) -> None:
    before = venv.files()
    venv.install(kind)
    try:
        assert (venv.site_packages / "tribler_udp_fix.pth").read_bytes() == PTH
        assert any(path.stem == "tribler-udp-fix" for path in venv.scripts.iterdir())
        assert venv.hook_state(None) == NOTHING
        assert venv.hook_state("off") == NOTHING
        assert venv.hook_state("1") == REPAIRED_WITH_ASYNCIO
    finally:
        venv.uninstall()
    assert venv.files() == before
    assert venv.hook_state("1") == NOTHING


def test_the_hook_runs_isolated_and_without_python_variables_but_not_without_site(
    installed: Venv,
) -> None:
    assert installed.hook_state("1", "-I") == REPAIRED_WITH_ASYNCIO
    assert installed.hook_state("1", "-E") == REPAIRED_WITH_ASYNCIO
    assert installed.hook_state("1", "-S") == NOTHING


def test_a_child_of_a_program_inherits_the_variable_and_the_repairs(installed: Venv) -> None:
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOOK_STATE!r}])"
    assert installed.run([installed.python, "-c", code], TRIBLER_UDP_FIX="on") == (
        REPAIRED_WITH_ASYNCIO
    )


def test_the_hook_deleted_by_hand_is_gone_and_the_package_works_on(installed: Venv) -> None:
    hook = installed.site_packages / "tribler_udp_fix.pth"
    hook.unlink()
    try:
        assert installed.hook_state("1") == NOTHING
        code = "import tribler_udp_fix; print(tribler_udp_fix.install().installed)"
        assert installed.run([installed.python, "-c", code]) == "True\n"
    finally:
        hook.write_bytes(PTH)


@pytest.mark.parametrize("page", ["README.md", "docs/startup-hook.md"])
def test_the_hook_is_quoted_whole_where_the_reader_meets_it(page: str) -> None:
    assert PTH.decode().strip() in (ROOT / page).read_text("utf-8").splitlines()
