"""Run unittest modules, or all of a package's, and print each test's outcome as JSON.

``python suite.py [--everything] NAME [NAME ...]``: a name is a module, a package, or one test; "-"
before the full name of a test leaves that out. ``--everything`` puts all of ours around pyipv8's
tests, and prints what was done besides, under the name "everything".
"""

from __future__ import annotations

import contextlib
import importlib
import json
import pkgutil
import sys
import unittest
from typing import Any, ContextManager, Iterator

from sodium import stand_in_for_libsodium

EVERYTHING = "--everything"


def modules(name: str) -> Iterator[str]:
    """The test modules below the package *name*, or *name* itself."""
    try:
        package = importlib.import_module(name)
    except ImportError:  # Module.Class.test
        yield name
        return
    if not hasattr(package, "__path__"):
        yield name
        return
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if module.name.rpartition(".")[2].startswith("test_"):
            yield module.name


def tests(suite: Any) -> Iterator[unittest.TestCase]:
    """The tests of a suite, and of those in it."""
    if isinstance(suite, unittest.TestCase):
        yield suite
        return
    for part in suite:
        yield from tests(part)


class Outcomes(unittest.TextTestResult):
    """Remembers what became of each test."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.outcomes: dict[str, str] = {}

    def stopTest(self, test: unittest.TestCase) -> None:
        self.outcomes.setdefault(test.id(), "passed")
        super().stopTest(test)

    def addError(self, test, err):
        self.outcomes[test.id()] = "failed"
        super().addError(test, err)

    def addFailure(self, test, err):
        self.outcomes[test.id()] = "failed"
        super().addFailure(test, err)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.outcomes[test.id()] = "failed"
        super().addSubTest(test, subtest, err)

    def addSkip(self, test, reason):
        self.outcomes[test.id()] = "skipped"
        super().addSkip(test, reason)


def _do_without_curve25519() -> None:
    """Make keys of the other kind, for pyipv8 before 3.2.1 where there is no libsodium."""
    from ipv8.keyvault.crypto import ECCrypto

    stock = ECCrypto.generate_key
    ECCrypto.generate_key = lambda crypto, level: stock(
        crypto, "very-low" if level == "curve25519" else level
    )


def main(names: list[str]) -> None:
    if any(name.startswith("ipv8.") for name in names):
        try:
            importlib.import_module("ipv8.keyvault.crypto")
        except Exception:  # of libsodium that is not there: OSError, ImportError, ...
            stand_in_for_libsodium()
            _do_without_curve25519()
    around: ContextManager[None] = contextlib.nullcontext()
    if EVERYTHING in names:
        import everything

        around = everything.put_around()
    left_out = {name[1:] for name in names if name.startswith("-")}
    wanted = [name for name in names if not name.startswith("-")]
    with around:
        if any(name.startswith("ipv8.") for name in names):
            from ipv8.test.base import TestBase

            TestBase.MAX_TEST_TIME = 120  # its watchdog kills the process of a slow machine
        loader = unittest.defaultTestLoader
        found = loader.loadTestsFromNames([module for name in wanted for module in modules(name)])
    suite = unittest.TestSuite(test for test in tests(found) if test.id() not in left_out)
    result: Any = unittest.TextTestRunner(stream=sys.stderr, resultclass=Outcomes).run(suite)
    done = {"everything": everything.counts} if EVERYTHING in names else {}
    print(json.dumps({**result.outcomes, **done}))


if __name__ == "__main__":
    main(sys.argv[1:])
