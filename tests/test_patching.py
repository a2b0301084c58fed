"""Patches: known shapes only, all or nothing, restored by identity."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from tribler_udp_fix._patching._patches import (
    Exported,
    Inherited,
    OneOf,
    Patch,
    Shape,
    apply_all,
    first_mismatch,
)


class Target:
    def method(self, size, flags=0):
        return self.helper(size), flags

    def helper(self, size):
        return size

    async def wait(self):
        return self.helper(0)

    attribute = 3


class Heir(Target):
    """Inherits everything."""


def doubled(wrapped, instance, args, kwargs):
    size, flags = wrapped(*args, **kwargs)
    return size * 2, flags


def module(name: str, **names: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(names)
    return made


def area(width, height):
    return width * height


HOME = module("home", area=area)
PACKAGE = module("package", area=area)
OTHER = module("other", area=lambda width, height: 0)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (Shape(Target, "method", ["self", "size", "flags"], ["helper"]), None),
        (Shape(Target, "method", ["self", "size"]), "Target.method takes (self, size, flags)"),
        (
            Shape(Target, "method", ["self", "size", "flags"], ["_cache", "helper"]),
            "Target.method does not use _cache",
        ),
        (Shape(Target, "gone", ["self"]), "Target.gone is not there"),
        (Shape(Target, "attribute", ["self"]), "Target.attribute is a int, not a function"),
        (Shape(Heir, "method", ["self", "size", "flags"]), "Heir.method is not there"),
        (Shape(Target, "wait", ["self"], coroutine=True), None),
        (Shape(Target, "wait", ["self"]), "Target.wait is a coroutine function"),
        (
            Shape(Target, "helper", ["self", "size"], coroutine=True),
            "Target.helper is not a coroutine function",
        ),
        (
            OneOf((Shape(Target, "helper", ["self"]), Shape(Target, "helper", ["self", "size"]))),
            None,
        ),
        (
            OneOf((Shape(Target, "wait", ["self"]), Shape(Target, "wait", ["self", "size"]))),
            "Target.wait takes (self)",
        ),
        (Inherited(Heir, "method", Target), None),
        (Inherited(Target, "method", object), "Target.method is Target's"),
        (Inherited(Heir, "gone", Target), "Heir.gone is not there"),
        (Shape(HOME, "area", ["width", "height"]), None),
        (Shape(HOME, "area", ["width"]), "home.area takes (width, height)"),
        (Exported(PACKAGE, "area", HOME), None),
        (Exported(OTHER, "area", HOME), "other.area is not home's"),
        (Exported(OTHER, "gone", HOME), "other.gone is not home's"),
    ],
)
def test_a_shape_says_what_it_does_not_know(shape, reason):
    assert first_mismatch([shape]) == reason


def test_a_patched_function_keeps_the_shape_of_what_it_wraps():
    shape = Shape(Target, "method", ["self", "size", "flags"], ["helper"])
    patch = Patch(Target, "method", doubled)
    patch.apply()
    try:
        assert first_mismatch([shape]) is None
    finally:
        patch.restore()


def test_a_patch_applies_and_restores_by_identity():
    original = vars(Target)["method"]
    patch = Patch(Target, "method", doubled)
    for _ in range(2):
        patch.apply()
        patch.apply()
        assert Target().method(2) == (4, 0)
        assert patch.restore() is None
        assert vars(Target)["method"] is original
    assert patch.restore() is None


def test_an_inherited_method_is_replaced_for_the_heir_alone_and_inherited_again_after():
    before, parents = dict(vars(Heir)), dict(vars(Target))
    patch = Patch(Heir, "method", doubled)
    for _ in range(2):
        patch.apply()
        patch.apply()
        assert (Heir().method(2), Target().method(2)) == ((4, 0), (2, 0))
        assert patch.restore() is None
        assert {name: id(value) for name, value in vars(Heir).items()} == {
            name: id(value) for name, value in before.items()
        }
    assert all(vars(Target)[name] is value for name, value in parents.items())


def test_under_somebody_elses_wrapper_a_patch_is_off_and_on_again():
    original = vars(Target)["method"]
    patch = Patch(Target, "method", doubled)
    patch.apply()
    ours = Target.method
    theirs = lambda self, *args: ours.__get__(self)(*args)  # noqa: E731
    try:
        setattr(Target, "method", theirs)  # noqa: B010 - mypy forbids the assignment
        assert patch.restore() == "Target.method was wrapped again by another package"
        assert Target.method is theirs
        assert Target().method(2) == (2, 0)
        patch.apply()
        assert Target.method is theirs
        assert Target().method(2) == (4, 0)
    finally:
        setattr(Target, "method", original)  # noqa: B010
    assert patch.restore() is None
    assert vars(Target)["method"] is original


def squared(wrapped, instance, args, kwargs):
    assert instance is None
    return wrapped(*args, **kwargs) ** 2


def test_a_function_is_replaced_in_its_module_and_where_it_is_handed_out():
    before = dict(vars(HOME)), dict(vars(PACKAGE))
    patch = Patch(HOME, "area", squared, (PACKAGE,))
    for _ in range(2):
        patch.apply()
        patch.apply()
        assert vars(PACKAGE)["area"](2, height=3) == 36
        assert vars(HOME)["area"] is vars(PACKAGE)["area"]  # as when the package is reloaded
        assert first_mismatch([Exported(PACKAGE, "area", HOME)]) is None
        assert patch.restore() is None
        assert vars(HOME)["area"] is area
        assert (vars(HOME), vars(PACKAGE)) == before


def test_under_somebody_elses_wrapper_in_one_module_a_function_stays_switched_off_in_all():
    patch = Patch(HOME, "area", squared, (PACKAGE,))
    patch.apply()
    ours = vars(PACKAGE)["area"]
    setattr(PACKAGE, "area", lambda *args: ours(*args))  # noqa: B010
    assert patch.restore() == "package.area was wrapped again by another package"
    assert vars(HOME)["area"] is ours
    assert vars(PACKAGE)["area"](2, 3) == 6
    setattr(PACKAGE, "area", ours)  # noqa: B010
    assert patch.restore() is None
    assert vars(HOME)["area"] is vars(PACKAGE)["area"] is area


def test_when_one_patch_fails_those_before_it_are_taken_back():
    original = vars(Target)["method"]
    with pytest.raises(AttributeError):
        apply_all([Patch(Target, "method", doubled), Patch(Target, "gone", doubled)])
    assert vars(Target)["method"] is original
