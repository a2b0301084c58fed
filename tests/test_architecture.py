"""Who may import whom within the package: docs/architecture.md tells what each room is for."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Iterator

PACKAGE = "tribler_udp_fix"
ROOT = Path(__file__).parent.parent / PACKAGE

# The rooms, from the ground up: each may import those before it, and nothing behind it. What stands
# in one row does not know of each other. Late imports and those for types count like all others.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("_switch", "_arguments"),
    ("_settings", "_faults"),
    ("_imports",),
    ("_patching",),
    ("_asyncio", "_trials"),
    ("_ipv8", "_pool"),
    ("_watchdog",),
    ("_peers",),
    ("_requests",),
    ("_tribler/_names",),  # by which the installation knows Tribler, and nothing else of it
    ("_status",),
    ("_install",),
    ("_tribler", "_metrics", "testing"),
    ("metrics", "_startup"),
    ("cli",),
    ("__init__", "__main__"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(
    file.relative_to(ROOT).with_suffix("").as_posix().replace("/__init__", "")
    for file in ROOT.rglob("*.py")
)


def room_of(module: str) -> str:
    return module if module in FLOOR else module.partition("/")[0]


def imports_of(module: str) -> Iterator[str]:
    """The modules of the package that this one imports; the package itself, by name, is no room.

    Its public names are loaded when they are used: whoever imports it imports nothing by that.
    """
    file = ROOT / f"{module}.py"
    tree = ast.parse((file if file.exists() else ROOT / module / "__init__.py").read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            path = "/".join(name.split(".")[1:]) if name.startswith(PACKAGE + ".") else ""
            while path and path not in MODULES:
                path = path.rpartition("/")[0]
            if path:
                yield path


def test_every_module_has_a_room() -> None:
    assert [module for module in MODULES if room_of(module) not in FLOOR] == []
    assert [room for room in FLOOR if not any(room_of(m) == room for m in MODULES)] == []


def test_imports_run_one_way() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module in MODULES
        for imported in imports_of(module)
        if room_of(imported) != room_of(module)
        and FLOOR[room_of(imported)] >= FLOOR[room_of(module)]
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    imports = {module: set(imports_of(module)) - {module} for module in MODULES}
    while True:
        # Take away who imports nobody that is left: in a circle nobody is the first.
        free = {module for module, imported in imports.items() if not imported & set(imports)}
        if not free:
            break
        imports = {module: rest for module, rest in imports.items() if module not in free}
    assert imports == {}
