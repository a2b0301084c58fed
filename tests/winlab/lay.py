"""Lays the lab: everything that is missing or out of date, and nothing else."""

from __future__ import annotations

import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Callable, Mapping, NamedTuple, Sequence

from . import (
    disk,
    downloads,
    lock,
    network,
    overlays,
    packages,
    places,
    prefix,
    program_tests,
    suite,
    tools,
    venv,
)
from .prefix import Prefix
from .progress import Progress
from .pythons import WindowsPython

NETWORKS = ("loopback", "router")
LAYOUT = 1  # counts up when the way a Python is laid changes
AT_ONCE = 3  # steps; most of them wait for the network or for Wine


class Step(NamedTuple):
    """One thing to lay."""

    name: str
    ready: Callable[[], bool]
    work: Callable[[], object]
    needs: Callable[[], Sequence[disk.Need]] = tuple


def _megabytes(count: int) -> Callable[[], Sequence[disk.Need]]:
    """What a step adds to the checkout's `.winlab`."""
    return lambda: (disk.Need(places.LAB, count),)


def lay(pythons: Sequence[WindowsPython], net: str = "loopback") -> Prefix:
    """Lay these Pythons and give back the prefix, its wineserver running, to start them in."""
    require()
    _lay(_stages(pythons, net))
    ready = Prefix(_namespaces(net)[0], prefix.shim())
    ready.start()
    return ready


def require() -> None:
    """Raise LabError on a machine, or as a user, that cannot have the lab."""
    tools.require_linux()
    tools.require_root()


def lay_venv(pythons: Sequence[WindowsPython] = ()) -> None:
    """Lay the virtual environment that `test` and `demo` run in, with the project in it.

    And what is missing of these Pythons, in the same go.
    """
    project = Step(
        "the project and the tests' tools", venv.project_ready, venv.lay_project, _megabytes(62)
    )
    if not pythons:
        signs = {} if sys.platform == "win32" or venv.ready() else tools.VENV_SIGNS
        _lay([[_packages(signs)], [_tools()], [project]])
        return
    require()
    stages = _stages(pythons, NETWORKS[0])
    stages[-1].append(project)
    _lay(stages)


def down() -> None:
    """Stop the lab's wineservers, and every program with them, and remove its namespaces."""
    require()
    for name in places.NAMES:
        for net in NETWORKS:
            _stop_servers(net, name)
            for namespace in _namespaces(net, name):
                namespace.remove()


def is_laid(python: WindowsPython) -> bool:
    """Whether this Python is there, with its packages of today; the project aside."""
    stamp = python.folder / "laid.stamp"
    return stamp.exists() and stamp.read_text() == _recipe(python)


# Of a Python with its packages, in megabytes; 3.12 has Qt, and other programs that are tried on it.
_SIZES = {"3.12": 230}


def _stages(pythons: Sequence[WindowsPython], net: str) -> list[list[Step]]:
    source = packages.source_hash()
    built = sorted({python.base for python in pythons})
    overlaid = [python for python in pythons if python.overlay]
    fetched = [python for python in overlaid if overlays.needs_npm(python)]
    signs = {**tools.SIGNS, **tools.NPM_SIGNS} if fetched else tools.SIGNS
    return [
        # First: without python3-venv there is no virtual environment.
        [_packages(signs)],
        [_tools()],
        [
            Step("Wine", prefix.template_ready, prefix.lay_template, _megabytes(700)),
            *(
                Step(
                    str(python),
                    partial(is_laid, python),
                    partial(_lay_python, python),
                    _megabytes(_SIZES.get(python.minor, 65)),
                )
                for python in built
            ),
            *(
                Step(
                    f"CPython's tests of {minor}",
                    partial(suite.ready, minor),
                    partial(suite.lay, minor),
                    _megabytes(35),
                )
                for minor in sorted({p.minor for p in pythons if suite.has_tests(p)})
            ),
            *(
                Step(
                    "the programs' own tests",
                    program_tests.ready,
                    program_tests.lay,
                    _megabytes(2),
                )
                for _ in filter(program_tests.has_tests, built)
            ),
            Step("ICMP shim", prefix.shim_ready, prefix.lay_shim),
            Step(
                "the project's wheel",
                partial(packages.wheel_ready, source),
                partial(packages.build_wheel, source),
            ),
            Step(f"network ({net})", partial(_network_ready, net), partial(_lay_network, net)),
        ],
        [
            Step("DLL", prefix.dll_ready, prefix.lay_dll),
            *(
                Step(
                    str(python),
                    partial(is_laid, python),
                    partial(_lay_python, python),
                    _megabytes(65),
                )
                for python in overlaid
            ),
        ],
        [
            *(
                Step(
                    f"the project in {python.tag}",
                    partial(_has_project, python, source),
                    partial(packages.install_project, python, source),
                )
                for python in pythons
            ),
        ],
    ]


def _tools() -> Step:
    return Step("tools to build with", venv.ready, venv.lay, _megabytes(30))


def _packages(signs: Mapping[str, str]) -> Step:
    return Step(
        "Debian packages",
        lambda: not tools.missing(signs),
        partial(tools.lay, signs),
        partial(tools.needs, signs),
    )


def _missing(stages: list[list[Step]]) -> list[list[Step]]:
    missing = [[step for step in stage if not step.ready()] for stage in stages]
    return [stage for stage in missing if stage]


def _lay(stages: list[list[Step]]) -> None:
    if _missing(stages):
        with lock.held(places.LAB / "lock"):
            _work(_missing(stages))


def _work(missing: list[list[Step]]) -> None:
    needs = [need for stage in missing for step in stage for need in step.needs()]
    disk.require(needs)
    if size := disk.told(needs):
        print(f"winlab: laying what is missing, once: {size}", file=sys.stderr, flush=True)
    failed = threading.Event()

    def work(step: Step) -> None:
        if failed.is_set():
            return  # the first failure is the one to tell
        with progress.step(step.name):
            try:
                step.work()
            except BaseException:  # it goes on
                failed.set()
                raise

    with Progress(sum(map(len, missing))) as progress:
        for stage in missing:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                for done in [pool.submit(work, step) for step in stage]:
                    done.result()


def _recipe(python: WindowsPython) -> str:
    parts = [b"%d" % LAYOUT, python.sha256.encode(), python.packages.read_bytes()]
    if python.overlay:
        parts.append(overlays.recipe(python))
    return places.digest(*parts)


def _lay_python(python: WindowsPython) -> None:
    new, old = (places.PYTHONS / (python.tag + suffix) for suffix in (".new", ".old"))
    for folder in (new, old):
        shutil.rmtree(folder, ignore_errors=True)
    if python.overlay:
        overlays.lay(python, new)
    else:
        downloads.unpack(python, downloads.fetch(python), new)
        packages.install_locked(python, new / "Lib" / "site-packages")
    (new / "laid.stamp").write_text(_recipe(python))
    if python.folder.exists():
        python.folder.rename(old)
    new.rename(python.folder)
    shutil.rmtree(old, ignore_errors=True)


def _has_project(python: WindowsPython, source: str) -> bool:
    return is_laid(python) and packages.project_ready(python, source)


def _namespaces(net: str, name: str = places.NAME) -> tuple[network.Namespace, ...]:
    return network.routed(name) if net == "router" else (network.Namespace(name),)


def _stop_servers(net: str, name: str = places.NAME) -> None:
    for shim in places.SHIMS.glob("*.so"):
        Prefix(_namespaces(net, name)[0], shim).stop()


def _network_stamp(net: str) -> tuple[Path, str]:
    inodes = [str(namespace.inode) for namespace in _namespaces(net)]
    return places.LAB / f"{places.NAME}-{net}.stamp", " ".join(inodes)


def _network_ready(net: str) -> bool:
    # The stamp tells namespaces that were set up to the end from those of an interrupted try.
    stamp, inodes = _network_stamp(net)
    return stamp.exists() and stamp.read_text() == inodes


def _lay_network(net: str) -> None:
    _stop_servers(net)  # one that is left over runs in a namespace that has lost its name
    if net == "router":
        network.make_routed(places.NAME)
    else:
        network.make_loopback(places.NAME)
    stamp, inodes = _network_stamp(net)
    stamp.write_text(inodes)
