"""The pytest bridge: tests/windows as items of the outer pytest, run inside the Windows Pythons."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("on Windows there is no bridge: the tests run natively", allow_module_level=True)

from .bridge_project import CONFTEST, Project, counts, project
from .lab_command import processes
from .winlab import places
from .winlab.pythons import PYTHONS

pytest_plugins = ["pytester"]
__all__ = ["project"]


def test_each_test_is_an_item_for_each_windows_python(project: Project) -> None:
    project.run("def test_it(): pass", "--collect-only")
    result = project.pytester.runpytest_subprocess("--collect-only", "-q")
    ids = [line for line in result.outlines if "::" in line]
    assert ids == [f"windows/test_it.py::test_it[{python.tag}]" for python in PYTHONS]


def test_a_test_runs_in_the_windows_python_that_its_name_says(project: Project) -> None:
    source = """
import os, sys
def test_it():
    assert (sys.platform, sys.version_info[:2], os.environ["WINLAB"]) == ("win32", (3, 8), "1")
"""
    result = project.run(source, python="3.8")
    assert counts(result) == {"passed": 1}
    result.stdout.fnmatch_lines(["PASSED windows/test_it.py::test_it?cp38?"])


def test_a_test_imports_the_project_that_pip_installed_in_the_windows_python(
    project: Project,
) -> None:
    source = """
import importlib.metadata, os, tribler_udp_fix
def test_it():
    folder = os.path.dirname(os.path.dirname(tribler_udp_fix.__file__))
    assert os.path.basename(folder) == "site-packages"
    assert os.path.exists(os.path.join(folder, "tribler_udp_fix.pth"))
    files = importlib.metadata.files("tribler_udp_fix")
    assert "tribler_udp_fix.pth" in [str(file) for file in files]
"""
    assert counts(project.run(source)) == {"passed": 1}


def test_a_failure_shows_its_traceback_and_output_outside(project: Project) -> None:
    source = """
import subprocess, sys
def test_it():
    print("said before")
    subprocess.run([sys.executable, "-c", "print('a child said')"])
    assert sum([1, 2]) == 4
"""
    result = project.run(source)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*_ test_it?cp312? _*",
            ">       assert sum([[]1, 2[]]) == 4",
            "E       assert 3 == 4",
            "windows/test_it.py:6: AssertionError",
            "*Captured stdout call*",
            "said before",
            "a child said",
        ]
    )


def test_each_outcome_is_the_outer_items_outcome(project: Project) -> None:
    source = """
import pytest
@pytest.fixture
def broken():
    raise ValueError("in set-up")
@pytest.fixture
def untidy():
    yield
    raise ValueError("in teardown")
def test_passes(): pass
def test_fails(): assert False
def test_skips(): pytest.skip("for a reason")
@pytest.mark.xfail(reason="known")
def test_is_expected_to_fail(): assert False
@pytest.mark.xfail(strict=True)
def test_passes_against_expectation(): pass
def test_breaks_in_set_up(broken): pass
def test_breaks_in_teardown(untidy): pass
@pytest.mark.parametrize("number", [1, 2])
class TestMethods:
    def test_is_small(self, number): assert number < 2
"""
    result = project.run(source)
    assert counts(result) == {"passed": 3, "failed": 3, "skipped": 1, "xfailed": 1, "errors": 2}
    text = result.stdout.str()
    assert "SKIPPED [1] windows/test_it.py:12: for a reason" in text
    assert "ERROR windows/test_it.py::test_breaks_in_set_up[cp312] - ValueError: in set-up" in text
    assert "ERROR windows/test_it.py::test_breaks_in_teardown[cp312]" in text
    assert "FAILED windows/test_it.py::TestMethods::test_is_small[2-cp312]" in text


def test_a_crash_fails_its_test_and_those_that_did_not_run(project: Project) -> None:
    source = """
import os
def test_before(): pass
def test_crash(): os._exit(3)
def test_after(): pass
"""
    result = project.run(source)
    assert counts(result) == {"passed": 1, "failed": 2}
    result.stdout.fnmatch_lines(
        [
            "Windows Python 3.12.9 crashed: exit status 3, in this test",
            "not run: Windows Python 3.12.9 crashed: * in windows/test_it.py::test_crash",
        ]
    )


def test_an_access_violation_shows_where_it_happened(project: Project) -> None:
    source = """
import faulthandler
def test_crash(): faulthandler._read_null()
"""
    result = project.run(source)
    assert counts(result) == {"failed": 1}
    result.stdout.fnmatch_lines(
        [
            "Windows Python 3.12.9 crashed: exit status *, in this test",
            "*Windows fatal exception: access violation",
            "*test_it.py*, line 3 in test_crash",
        ]
    )


def test_a_hang_fails_its_test_and_ends_the_windows_python(project: Project) -> None:
    mark = f"left-behind-{os.getpid()}"
    source = f"""
import subprocess, sys, time
def test_hang():
    child = [sys.executable, "-c", "print(1, flush=True); import time; time.sleep(99)", "{mark}"]
    with subprocess.Popen(child, stdout=subprocess.PIPE) as started:
        assert started.stdout.readline()
        time.sleep(99)
"""
    result = project.run(source, "--windows-timeout", "5")
    assert counts(result) == {"failed": 1}
    result.stdout.fnmatch_lines(
        [
            "Windows Python 3.12.9 hung: nothing for 5 s, in this test",
            "*test_it.py*, line 7 in test_hang",
        ]
    )
    assert not processes(mark)


def test_a_test_that_the_windows_python_does_not_have_fails(project: Project) -> None:
    source = """
import sys
if sys.platform != "win32":
    def test_here_alone(): pass
def test_everywhere(): pass
"""
    result = project.run(source)
    assert counts(result) == {"passed": 1, "failed": 1}
    result.stdout.fnmatch_lines(["not run: Windows Python 3.12.9 collected no such test *"])


def test_a_test_that_the_windows_python_alone_has_is_an_error(project: Project) -> None:
    source = """
import sys
if sys.platform == "win32":
    def test_there_alone(): pass
def test_everywhere(): pass
"""
    result = project.run(source)
    assert counts(result) == {"passed": 1, "errors": 1}
    result.stdout.fnmatch_lines(["*does not collect*windows/test_it.py::test_there_alone"])


def test_a_file_that_the_windows_python_cannot_import_fails_with_the_reason(
    project: Project,
) -> None:
    source = """
import sys
if sys.platform == "win32":
    import no_such_module
def test_it(): pass
"""
    result = project.run(source)
    assert counts(result) == {"failed": 1}
    result.stdout.fnmatch_lines(["*No module named 'no_such_module'"])


def test_a_crash_when_the_tests_are_done_is_an_error_of_the_last_one(project: Project) -> None:
    source = """
import atexit, os
def test_before(): pass
def test_last(): atexit.register(os._exit, 3)
"""
    result = project.run(source)
    assert counts(result) == {"passed": 2, "errors": 1}
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_last?cp312?*",
            "after its tests, Windows Python 3.12.9 crashed: exit status 3",
        ]
    )


def test_a_pytest_that_cannot_start_fails_every_test_with_its_words(project: Project) -> None:
    project.pytester.makeconftest(CONFTEST + "assert sys.platform != 'win32', 'not for Windows'")
    result = project.run("def test_one(): pass\ndef test_two(): pass")
    assert counts(result) == {"failed": 2}
    result.stdout.fnmatch_lines(
        ["not run: pytest in Windows Python 3.12.9 ended with exit status 4", "*not for Windows*"]
    )


def test_pytests_selections_work_as_ever(project: Project) -> None:
    source = """
import pytest
@pytest.mark.slow
def test_one(): pass
def test_two(): assert False
def test_three(): pass
"""
    assert counts(project.run(source, "-k", "three")) == {"passed": 1, "deselected": 2}
    assert counts(project.run(source, "-m", "slow")) == {"passed": 1, "deselected": 2}
    result = project.run(source, "windows/test_it.py::test_three[cp312]")
    assert counts(result) == {"passed": 1}


def test_a_test_marked_alone_runs_when_no_other_windows_python_does(
    project: Project, tmp_path: Path
) -> None:
    source = f"""
import pathlib, pytest, time
log = pathlib.Path({places.windows_path(tmp_path / "log")!r})
def note(*words):
    with log.open("a") as file:
        print(*words, file=file)
@pytest.mark.alone
def test_alone():
    note("alone"), time.sleep(0.5), note("end")
def test_with_others():
    note("other")
    end = time.monotonic() + 60
    while log.read_text().count("other") < 3:  # they are there side by side
        assert time.monotonic() < end
        time.sleep(0.1)
"""
    options = ("--windows-python", "3.12", "--windows-python", "3.13")
    assert counts(project.run(source, *options, python="3.11")) == {"passed": 6}
    words = (tmp_path / "log").read_text().split()
    assert words == ["other"] * 3 + ["alone", "end"] * 3


def test_a_test_marked_apart_runs_beside_in_another_pytest_with_a_wine_of_its_own(
    project: Project,
) -> None:
    source = f"""
import pytest, sys
from tests.winlab import places
@pytest.mark.apart
def test_apart():
    assert places.NAME == {places.NAMES[1]!r}
def test_here():
    assert places.NAME == {places.NAMES[0]!r}
@pytest.mark.apart
def test_fails():
    assert sys.platform == "win32"
"""
    project.pytester.makepyfile(test_linux=source)
    result = project.run("def test_it(): pass")
    assert counts(result) == {"passed": 3, "failed": 1}
    result.stdout.fnmatch_lines(["test_linux.py:*: AssertionError"])
    # By themselves they are as all others, for whoever looks for what is wrong with one.
    alone = project.pytester.runpytest_subprocess("test_linux.py", "-k", "test_fails")
    assert counts(alone) == {"failed": 1, "deselected": 2}


def test_x_stops_at_the_first_failure(project: Project) -> None:
    source = """
import time
def test_one(): assert False
def test_two(): time.sleep(60)
"""
    result = project.run(source, "-x")
    assert counts(result) == {"failed": 1}
    assert result.duration < 30


def test_last_failed_runs_what_failed(project: Project) -> None:
    source = """
def test_one(): pass
def test_two(): assert False
"""
    assert counts(project.run(source)) == {"passed": 1, "failed": 1}
    assert counts(project.run(source, "--lf")) == {"failed": 1}


def test_an_unknown_python_is_refused_with_the_allowed_ones(project: Project) -> None:
    result = project.run("def test_it(): pass", python="3.7")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--windows-python: no Windows Python '3.7'*: choose from 3.8, *"])


def test_without_the_lab_each_item_is_an_error_with_one_line(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    result = project.run("def test_one(): pass\ndef test_two(): pass")
    assert counts(result) == {"errors": 2}
    result.stdout.fnmatch_lines(["no Windows lab: this machine lacks *"])


def test_the_tests_of_the_machine_itself_run_first_and_untouched(project: Project) -> None:
    source = "import sys\ndef test_here(): assert sys.platform == 'linux'"
    project.pytester.makepyfile(test_here=source)
    result = project.run("def test_it(): pass")
    assert counts(result) == {"passed": 2}
    result.stdout.fnmatch_lines(["PASSED test_here.py::test_here", "PASSED windows/test_it.py::*"])
