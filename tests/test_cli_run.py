"""``tribler-udp-fix run``: a program runs as Python itself would run it, with the plugin on."""

from __future__ import annotations

import json
import os
import py_compile
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What a program can tell of how it was started.
WITNESS = """\
import json, os, sys
main = sys.modules["__main__"]
print(json.dumps({
    "argv": sys.argv, "path0": sys.path[0], "name": __name__, "file": __file__,
    "package": __package__, "spec": getattr(__spec__, "name", None),
    "loader": type(__loader__).__name__ if isinstance(__loader__, object) else None,
    "is main": main.__dict__ is globals(), "input": sys.stdin.read(),
}))
"""

PROGRAM_ARGUMENTS = ["--help", "-m", "x", "--", "-q", ""]


def environ(**variables: str) -> dict[str, str]:
    """This process's variables without the plugin's own; the package is found in the checkout."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TRIBLER_UDP_FIX")}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


def python(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run this Python with a line of input."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env=environ(),
        input="hello",
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program with the plugin on."""
    return python("-m", "tribler_udp_fix", "run", "-q", *words, cwd=cwd)


def write(path: Path, text: str) -> Path:
    """Write a program and name it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def make(kind: str, folder: Path) -> list[str]:
    """Lay a program of a kind and return the words that name it to Python."""
    if kind == "script":
        write(folder / "scripts" / "program.py", WITNESS)
        return [os.path.join("scripts", "program.py")]
    if kind == "compiled script":
        source = write(folder / "program.py", WITNESS)
        py_compile.compile(str(source), cfile=str(folder / "program.pyc"), doraise=True)
        return ["program.pyc"]
    if kind == "folder":
        write(folder / "program" / "__main__.py", WITNESS)
        return ["program"]
    if kind == "zip file":
        with zipfile.ZipFile(folder / "program.pyz", "w") as archive:
            archive.writestr("__main__.py", WITNESS)
        return ["program.pyz"]
    if kind == "module":
        write(folder / "program.py", WITNESS)
        return ["-m", "program"]
    write(folder / "package" / "__init__.py", "")
    write(folder / "package" / "__main__.py", WITNESS)
    return ["-m", "package"]


@pytest.mark.parametrize(
    "kind", ["script", "compiled script", "folder", "zip file", "module", "package"]
)
def test_a_program_sees_what_it_sees_under_python(kind: str, tmp_path: Path) -> None:
    words = make(kind, tmp_path)
    expected = python(*words, *PROGRAM_ARGUMENTS, cwd=tmp_path)
    actual = run(*words, *PROGRAM_ARGUMENTS, cwd=tmp_path)
    assert expected.returncode == 0
    assert json.loads(actual.stdout) == json.loads(expected.stdout)
    assert (actual.returncode, actual.stderr) == (0, expected.stderr)


@pytest.mark.parametrize("words", [["--", "program.py"], ["--", "-m", "program"], ["-mprogram"]])
def test_two_dashes_may_come_before_the_program(words: list[str], tmp_path: Path) -> None:
    write(tmp_path / "program.py", "import sys; print(sys.argv[1:])")
    assert run(*words, "-q", cwd=tmp_path).stdout.strip() == "['-q']"


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit(7)",
        "import sys; sys.exit('bad luck')",
        "import sys; sys.exit()",
        "import atexit; atexit.register(print, 'good-bye')",
        "import threading as t\nx = 'late'\nt.Timer(0.2, lambda: print(x)).start()",
        "def fail():\n    raise ValueError('bad luck')\nfail()",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('bad luck')",
        "import sys; sys.excepthook = lambda *_: print('hooked'); 1 / 0",
        "x = = 1",
        "raise KeyboardInterrupt",
        "from __future__ import annotations\nx: nothing = 1",
        "import os; os.write(1, b'raw'); os._exit(3)",
        "class Thing: pass\nimport pickle; print(pickle.loads(pickle.dumps(Thing())).__class__)",
    ],
)
def test_a_program_ends_as_it_does_under_python(code: str, tmp_path: Path) -> None:
    write(tmp_path / "program.py", code)
    expected = python("program.py", cwd=tmp_path)
    actual = run("program.py", cwd=tmp_path)
    assert actual.returncode == expected.returncode
    assert actual.stdout == expected.stdout
    assert actual.stderr == expected.stderr


@pytest.mark.parametrize(
    "words", [["no_such_program.py"], ["-m", "no_such_program"], ["empty_folder"]]
)
def test_a_program_that_is_not_there_is_one_line_and_status_2(
    words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "empty_folder").mkdir()
    result = run(*words, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert words[-1] in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_module_that_fails_while_it_is_imported_is_not_called_missing(tmp_path: Path) -> None:
    write(tmp_path / "package" / "__init__.py", "import no_such_dependency")
    write(tmp_path / "package" / "__main__.py", "")
    result = run("-m", "package", cwd=tmp_path)
    assert result.returncode == 1
    assert "no_such_dependency" in result.stderr


def test_the_plugin_is_on_before_the_program_imports_asyncio(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "print('asyncio' in sys.modules, 'wrapt' in sys.modules)\n"
        "import asyncio, tribler_udp_fix\n"
        "print(tribler_udp_fix.status().installed)"
    )
    write(tmp_path / "program.py", code)
    assert run("program.py", cwd=tmp_path).stdout.split() == ["False", "False", "True"]


def test_child_pythons_inherit_the_switch(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "code = 'import os; print(os.environ[\"TRIBLER_UDP_FIX\"])'\n"
        "subprocess.run([sys.executable, '-c', code], check=True)"
    )
    write(tmp_path / "program.py", code)
    assert run("program.py", cwd=tmp_path).stdout.strip() == "1"


def test_multiprocessing_finds_the_programs_functions(tmp_path: Path) -> None:
    code = (
        "import multiprocessing\n"
        "def double(x):\n    return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    multiprocessing.set_start_method('spawn')\n"
        "    with multiprocessing.Pool(1) as pool:\n"
        "        print(pool.map(double, [21]))"
    )
    write(tmp_path / "program.py", code)
    assert run("program.py", cwd=tmp_path).stdout.strip() == "[42]"


def test_a_source_tree_says_once_that_child_pythons_stay_without_the_plugin(tmp_path: Path) -> None:
    write(tmp_path / "program.py", "print('ran')")
    # The Python that runs this test may have the .pth: let it look where none is.
    code = (
        "import site, sys\n"
        "site.getsitepackages, site.ENABLE_USER_SITE = (lambda: [sys.argv[1]]), False\n"
        "from tribler_udp_fix.cli import main; sys.exit(main(sys.argv[2:]))"
    )
    words = ["-c", code, str(tmp_path), "run"]
    told = python(*words, "program.py", cwd=tmp_path)
    quiet = python(*words, "--quiet", "program.py", cwd=tmp_path)
    write(tmp_path / "tribler_udp_fix.pth", "")
    installed = python(*words, "program.py", cwd=tmp_path)
    assert told.stdout == quiet.stdout == "ran\n"
    assert "child Pythons will run without the plugin" in told.stderr
    assert len(told.stderr.splitlines()) == 1
    assert quiet.stderr == installed.stderr == ""
