"""What the plugin relies on in Tribler, read from Tribler's sources: none of them is run for it.

    python -m tests.tribler_contract CLONE

compares every release of Tribler 7.13 to 8.4 in a clone of its repository with what the plugin
knows, and with the stand-ins of the tests. It needs Python 3.12 or later, as Tribler 8 does.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Callable, Iterator, Sequence

from tribler_udp_fix._patching._patches import first_mismatch
from tribler_udp_fix._tribler import _names
from tribler_udp_fix._tribler._names import TARGETS
from tribler_udp_fix._tribler._repairs import repair_of

Read = Callable[[str], "str | None"]  # the source of a path below Tribler's src, None for none

STAND_INS = Path(__file__).parent / "windows" / "stand_in"
TARGETS_OF = {
    "7": (_names.START_CORE, _names.REST_MANAGER_7, _names.TRACKERS_7),
    "8": (_names.SESSION, _names.TRACKERS),
}
_MODULES = sorted({value for value in vars(_names).values() if str(value).startswith("tribler.")})


def mismatches(read: Read, version: str) -> dict[str, str | None]:
    """By target, why the plugin would leave it alone, or None where it would patch it."""
    loaded = {name: module for name in _MODULES for module in [_module(read, name)] if module}
    kept = {name: sys.modules.get(name) for name in _MODULES}
    for name in _MODULES:
        sys.modules.pop(name, None)
    sys.modules.update(loaded)
    try:
        return {name: _mismatch(name) for name in TARGETS_OF[version]}
    finally:
        for name, module in kept.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def _mismatch(target: str) -> str | None:
    name, _ = TARGETS[target]
    if getattr(sys.modules.get(target), name, None) is None:
        return f"there is no {name} in {target}"
    try:
        return first_mismatch(repair_of(target).shapes)
    except LookupError as exc:
        return str(exc)


def inventions(stand_in: Path, read: Read) -> list[str]:
    """What the stand-in has that Tribler has not, or with other parameters; empty where it is true.

    A constructor's parameters are the stand-in's own affair, and so is what begins with "_".
    """
    found = []
    for path in sorted(stand_in.rglob("*.py")):
        relative = path.relative_to(stand_in).as_posix()
        source = read(relative)
        theirs = dict(_functions(ast.parse(source))) if source is not None else {}
        for name, parameters in _functions(ast.parse(path.read_text(encoding="utf-8"))):
            if "._" in f".{name}" and not name.endswith(".__init__"):
                continue
            if name not in theirs:
                found.append(f"{relative}: {name}")
            elif parameters != theirs[name] and not name.endswith(".__init__"):
                found.append(f"{relative}: {name}({', '.join(parameters)})")
    return found


def _functions(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """The functions of a module and of its classes, each with its parameters."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield f"{node.name}.{method.name}", _parameters(method)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, _parameters(node)


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]


def _module(read: Read, name: str) -> ModuleType | None:
    """A module with the functions of Tribler's, and none of its imports, bases and decorators."""
    path = name.replace(".", "/")
    source = read(f"{path}.py") or read(f"{path}/__init__.py")
    if source is None:
        return None
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if isinstance(node, _DEFINITIONS)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            node.bases, node.keywords, node.decorator_list = [], [], []
            node.body = [part for part in node.body if isinstance(part, _DEFINITIONS)]
            node.body = node.body or [ast.Pass()]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.decorator_list, node.returns = [], None
            node.args.defaults = [ast.Constant(None) for _ in node.args.defaults]
            node.args.kw_defaults = [ast.Constant(None) for _ in node.args.kw_defaults]
        elif isinstance(node, ast.arg):
            node.annotation = None
    module = ModuleType(name)
    exec(compile(ast.fix_missing_locations(tree), path, "exec"), module.__dict__)
    return module


_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def folder_reader(folder: Path) -> Read:
    """Read from an unpacked wheel, or a stand-in."""

    def read(path: str) -> str | None:
        file = folder / path
        return file.read_text(encoding="utf-8") if file.exists() else None

    return read


def tag_reader(clone: str, tag: str) -> Read:
    """Read from a tag of a clone of Tribler's repository."""

    def read(path: str) -> str | None:
        command = ["git", "-C", clone, "show", f"{tag}:src/{path}"]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        return done.stdout if done.returncode == 0 else None

    return read


def main(arguments: Sequence[str]) -> int:
    """Print a line for each release; returns 1 where one is not known."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.tribler_contract",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("clone", metavar="CLONE", help="the folder of a clone, with its tags")
    clone: str = parser.parse_args(arguments).clone
    tags = subprocess.run(
        ["git", "-C", clone, "tag", "--list", "--sort=version:refname"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout.split()
    bad = 0
    for tag in tags:
        if not re.fullmatch(r"v(7\.1[34]|8\.[0-4])\.\d+", tag):
            continue
        version, read = tag[1], tag_reader(clone, tag)
        why = [reason for reason in mismatches(read, version).values() if reason]
        why += [f"stand-in: {name}" for name in inventions(STAND_INS / f"version{version}", read)]
        bad += bool(why)
        print(f"{tag}: {'; '.join(why) or 'known'}")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
