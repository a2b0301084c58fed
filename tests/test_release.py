"""What is released: the wheel and the sdist as the workflow builds them, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import tribler_udp_fix

if sys.platform == "win32":
    pytest.skip("releases are built on Linux", allow_module_level=True)

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / ".github" / "release"
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"
GIVEN = "RELEASE_DIST"  # a folder with a wheel and an sdist: these are tried, as in the workflow

METADATA = f"tribler_udp_fix-{tribler_udp_fix.__version__}.dist-info"
IN_METADATA = (
    "METADATA",
    "RECORD",
    "WHEEL",
    "entry_points.txt",
    "licenses/LICENSE",
    "top_level.txt",
)


def git(*words: str, folder: Path = ROOT) -> bytes:
    """What git says. In a container the checkout may belong to another user."""
    who = ("-c", "safe.directory=*", "-c", "user.name=n", "-c", "user.email=e@example.org")
    return subprocess.run(
        ["git", *who, *words], cwd=folder, capture_output=True, timeout=60, check=True
    ).stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both."""
    if GIVEN in os.environ:
        return ROOT / os.environ[GIVEN]
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([RELEASE / "build", folder, sys.executable], timeout=300, check=True)
    return folder


@pytest.fixture(scope="module")
def committed() -> dict[str, bytes]:
    """Every file of the package, and the startup hook, as they are in the last commit."""
    archive = git("archive", "HEAD", "tribler_udp_fix", "tribler_udp_fix.pth")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member))}


def test_the_wheel_holds_what_is_committed_byte_for_byte_and_nothing_else(
    dist: Path, committed: dict[str, bytes]
) -> None:
    (path,) = dist.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        found = {name: wheel.read(name) for name in names}
    assert len(names) == len(found)
    metadata = {name: found.pop(name) for name in list(found) if name.startswith(METADATA)}
    assert sorted(found) == sorted(committed)
    assert found == committed
    assert sorted(metadata) == sorted(f"{METADATA}/{name}" for name in IN_METADATA)
    assert metadata[f"{METADATA}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    recorded = {}
    for line in metadata.pop(f"{METADATA}/RECORD").decode().splitlines():
        name, digest, size = line.rsplit(",", 2)
        recorded[name] = (digest, size)
    assert recorded.pop(f"{METADATA}/RECORD") == ("", "")
    assert recorded == {
        name: (f"sha256={digest_of(content)}", str(len(content)))
        for name, content in {**found, **metadata}.items()
    }


def digest_of(content: bytes) -> str:
    """The SHA-256 as RECORD writes it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def test_the_sdist_holds_the_package_as_it_is_committed(
    dist: Path, committed: dict[str, bytes]
) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        found = {
            member.name.partition("/")[2]: file.read()
            for member in sdist
            if (file := sdist.extractfile(member))
        }
    package = {name: found[name] for name in found if name.startswith("tribler_udp_fix/")}
    assert package == {name: committed[name] for name in committed if "/" in name}
    assert found["tribler_udp_fix.pth"] == committed["tribler_udp_fix.pth"]
    assert found["_build_hooks.py"] == git("show", "HEAD:_build_hooks.py")


# ---- the gate, over a repository of its own

CI_PASSED = "echo 1"
CI_DID_NOT = "echo 0"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of a project with a main of two commits, and a branch besides."""
    origin, folder = tmp_path / "origin", tmp_path / "clone"
    (origin / "tribler_udp_fix").mkdir(parents=True)
    git("init", "--quiet", "--initial-branch=main", folder=origin)
    commit(origin, "1.0.0")
    git("branch", "aside", folder=origin)
    commit(origin, "1.1.0")
    git("checkout", "--quiet", "aside", folder=origin)
    commit(origin, "1.2.0")
    git("tag", "v1.2.0", folder=origin)
    git("tag", "--annotate", "--message=1.1.0", "v1.1.0", "main", folder=origin)
    git("tag", "v1.1.1", "main", folder=origin)
    git("clone", "--quiet", str(origin), str(folder), folder=tmp_path)
    return folder


def commit(folder: Path, version: str) -> None:
    (folder / "tribler_udp_fix" / "__init__.py").write_text(f'__version__ = "{version}"\n')
    git("add", ".", folder=folder)
    git("commit", "--quiet", f"--message={version}", folder=folder)


def gate(clone: Path, tag: str, runs: str) -> tuple[int, str]:
    """The gate's exit status and what it says, with a ``gh`` that knows so many runs."""
    gh = clone.parent / "bin" / "gh"
    gh.parent.mkdir()
    gh.write_text(f'#!/bin/sh\necho "$@" > "{clone.parent}/asked"\n{runs}\n')
    gh.chmod(0o755)
    done = subprocess.run(
        [RELEASE / "gate", tag],
        cwd=clone,
        env={
            **os.environ,
            "PATH": f"{gh.parent}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_REPOSITORY": "o/r",
        },
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    return done.returncode, done.stderr


def test_a_tag_on_main_whose_ci_passed_is_let_through(clone: Path) -> None:
    assert gate(clone, "v1.1.0", CI_PASSED) == (0, "")
    asked = (clone.parent / "asked").read_text()
    sha = git("rev-parse", "v1.1.0^{commit}", folder=clone).decode().strip()
    assert f"repos/o/r/actions/workflows/ci.yml/runs -f head_sha={sha} -f branch=main" in asked
    assert "-f status=success" in asked


@pytest.mark.parametrize(
    ("tag", "runs", "reason"),
    [
        ("v1.2.0", CI_PASSED, "is not on main"),
        ("v1.1.0", CI_DID_NOT, "CI has not passed on main"),
        ("v1.1.1", CI_PASSED, "the version there is 1.1.0"),
    ],
)
def test_any_other_tag_is_refused_with_the_reason(
    clone: Path, tag: str, runs: str, reason: str
) -> None:
    status, said = gate(clone, tag, runs)
    assert status == 1
    assert said.startswith(f"no release of {tag}: ")
    assert reason in said


def test_no_run_that_cannot_be_read_lets_a_tag_through(clone: Path) -> None:
    status, _ = gate(clone, "v1.1.0", "echo 'HTTP 403' >&2; exit 1")
    assert status != 0


# ---- the workflow


def jobs() -> dict[str, str]:
    """Each job's text."""
    text = WORKFLOW.read_text().partition("\njobs:\n")[2]
    parts = re.split(r"^  ([a-z-]+):\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def needs(name: str) -> set[str]:
    """The jobs that must have succeeded before this one, and theirs."""
    found = re.search(r"^    needs: (.*)$", jobs()[name], flags=re.MULTILINE)
    direct = set(re.findall(r"[a-z-]+", found[1])) if found else set()
    return direct.union(*(needs(each) for each in direct))


@pytest.mark.parametrize("job", ["publish", "release-page"])
def test_nothing_is_published_that_was_not_let_through_built_and_tested(job: str) -> None:
    assert {"gate", "build", "setup", "test-packages", "test-windows"} <= needs(job)


def test_every_job_after_the_build_takes_its_files_by_their_checksums() -> None:
    for name, text in jobs().items():
        if name not in ("gate", "build"):
            assert text.index("download-artifact") < text.index("sha256sum --check --strict"), name


def test_every_action_is_pinned_by_its_commit() -> None:
    for workflow in WORKFLOW.parent.glob("*.yml"):
        for used in re.findall(r"uses: (.*)", workflow.read_text()):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", used), used
