"""The settings: what they refuse, and how the environment gives them."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tribler_udp_fix import Settings

ROOT = Path(__file__).resolve().parent.parent


def read(environ: dict[str, str]) -> tuple[Settings, list[str]]:
    """Return the settings of *environ* and the warnings."""
    warnings: list[str] = []
    return Settings.from_environ(environ, warnings.append), warnings


def test_the_defaults_are_a_thousand_errors_a_second_and_icmp_errors_that_speak() -> None:
    settings = Settings()
    assert settings.error_budget == 1000
    assert settings.prevent_icmp_errors is False


def test_the_fast_path_is_the_default_and_can_be_left() -> None:
    assert Settings().fast_path is True
    assert read({"TRIBLER_UDP_FIX_FAST_PATH": "0"}) == (Settings(fast_path=False), [])


def test_settings_cannot_be_changed_after_they_were_made() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().error_budget = 5  # type: ignore[misc]


@pytest.mark.parametrize("value", [1, 1_000_000])
def test_an_error_budget_at_its_limits_is_taken(value: int) -> None:
    assert Settings(error_budget=value).error_budget == value


@pytest.mark.parametrize(
    ("setting", "value", "error", "allowed"),
    [
        ("error_budget", 0, ValueError, "a whole number from 1 to 1,000,000"),
        ("error_budget", 1_000_001, ValueError, "a whole number from 1 to 1,000,000"),
        ("error_budget", 2.5, TypeError, "a whole number from 1 to 1,000,000"),
        ("error_budget", "10", TypeError, "a whole number from 1 to 1,000,000"),
        ("error_budget", True, TypeError, "a whole number from 1 to 1,000,000"),
        ("prevent_icmp_errors", 1, TypeError, "True or False"),
        ("prevent_icmp_errors", "yes", TypeError, "True or False"),
        ("prevent_icmp_errors", None, TypeError, "True or False"),
        ("fast_path", 0, TypeError, "True or False"),
        ("loop", "uvloop", ValueError, "keep, proactor or selector ("),
        ("loop", None, TypeError, "keep, proactor or selector ("),
        ("probe_after", 0, ValueError, "a number from 0.1 to 3,600 ("),
        ("probe_after", "10", TypeError, "a number from 0.1 to 3,600 ("),
        ("probe_timeout", float("nan"), ValueError, "a number from 0.05 to 60 ("),
        ("jitter", -0.1, ValueError, "a number from 0 to 1 ("),
        ("jitter", True, TypeError, "a number from 0 to 1 ("),
        ("retry_cap", float("inf"), ValueError, "a number from 1 to 3,600 ("),
        pytest.param("tick", 10**400, ValueError, "a number from 0.05 to 10 (", id="tick-huge"),
        ("max_socket_age", 59.9, ValueError, "a number from 60 to 31,536,000, or 0 ("),
        ("gap_queue", 0.5, TypeError, "a whole number from 0 to 100,000 ("),
        ("allow_port_change", True, TypeError, "never, at once, or after N failures, N a whole"),
        ("allow_port_change", "after 0 failures", ValueError, "never, at once, or after N"),
        ("allow_port_change", "after many failures", ValueError, "never, at once, or after N"),
        ("bind_interface", "a\0b", ValueError, "the name of a network adapter, or nothing"),
    ],
)
def test_a_bad_value_is_refused_naming_setting_value_and_what_is_allowed(
    setting: str, value: Any, error: type[Exception], allowed: str
) -> None:
    with pytest.raises(error) as caught:
        Settings(**{setting: value})
    assert str(caught.value).startswith(f"{setting}={value!r}: allowed is {allowed}")


def test_a_number_that_python_makes_no_text_of_is_refused_as_any_other() -> None:
    with pytest.raises(ValueError, match=r"error_budget=(int\(…\)|10*): allowed is a whole number"):
        Settings(error_budget=10**5000)


def test_an_environment_without_our_names_gives_the_defaults() -> None:
    assert read({"PATH": "/bin", "TRIBLER_UDP_FIX": "1"}) == (Settings(), [])


def test_every_setting_can_be_given_by_the_environment() -> None:
    given: dict[str, tuple[str, Any]] = {
        "error_budget": (" 250 ", 250),
        "prevent_icmp_errors": ("1", True),
        "fast_path": ("0", False),
        "loop": (" Proactor", "proactor"),
        "watchdog": ("off", False),
        "watch": ("ALL", "all"),
        "probe_after": ("2.5", 2.5),
        "probe_timeout": ("0.5", 0.5),
        "probe_misses": ("5", 5),
        "jitter": ("0", 0.0),
        "tick": ("1", 1.0),
        "tracker_sockets": ("0", False),
        "rebinds_per_hour": ("0", 0),
        "retry_cap": ("1e2", 100.0),
        "max_socket_age": ("3600", 3600.0),
        "allow_port_change": (" At  once", "at once"),
        "rebind_rust": ("TRUE", True),
        "bind_interface": (" Local Area Connection 2 ", "Local Area Connection 2"),
        "no_peer_minutes": ("0", 0.0),
        "gap_queue": ("10", 10),
        "gap_queue_age": ("2", 2.0),
        "peer_monitor": (" On", "on"),
        "drop_gone_peers": ("1", True),
        "count_refused_pings": ("1", True),
        "dht_pings": ("OFF", "off"),
    }
    assert set(given) == {field.name for field in dataclasses.fields(Settings)}
    environ = {f"TRIBLER_UDP_FIX_{name.upper()}": text for name, (text, _) in given.items()}
    values = {name: value for name, (_, value) in given.items()}
    assert read(environ) == (Settings(**values), [])
    for name, value in values.items():
        assert value != getattr(Settings(), name)


def test_the_port_change_that_was_a_switch_can_still_be_one() -> None:
    for text, value in {"1": "at once", "off": "never"}.items():
        settings, warned = read({"TRIBLER_UDP_FIX_ALLOW_PORT_CHANGE": text})
        assert (settings.allow_port_change, warned) == (value, [])


@pytest.mark.parametrize("name", ["ERROR_BUDGET", "PREVENT_ICMP_ERRORS", "FAST_PATH"])
@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_variable_counts_as_unset(name: str, text: str) -> None:
    assert read({f"TRIBLER_UDP_FIX_{name}": text}) == (Settings(), [])


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, text) for text in ("1", "TRUE", "yes", " On")]
    + [(False, text) for text in ("0", "False", "no", "off")],
)
def test_a_switch_takes_the_words_of_the_hooks_own_variable(text: str, value: bool) -> None:
    settings, warnings = read({"TRIBLER_UDP_FIX_PREVENT_ICMP_ERRORS": text})
    assert (settings.prevent_icmp_errors, warnings) == (value, [])


@pytest.mark.parametrize(
    ("name", "text", "allowed", "default"),
    [
        ("ERROR_BUDGET", "0", "a whole number from 1 to 1,000,000", "1000"),
        ("ERROR_BUDGET", "-1", "a whole number from 1 to 1,000,000", "1000"),
        ("ERROR_BUDGET", "1e3", "a whole number from 1 to 1,000,000", "1000"),
        ("ERROR_BUDGET", "lots", "a whole number from 1 to 1,000,000", "1000"),
        ("ERROR_BUDGET", "9" * 5000, "a whole number from 1 to 1,000,000", "1000"),
        ("LOOP", "iocp", "keep, proactor or selector (", "keep"),
        ("PREVENT_ICMP_ERRORS", "perhaps", "1 or 0 (", "0"),
        ("FAST_PATH", "fast", "1 or 0 (", "1"),
        ("PEER_MONITOR", "maybe", "auto, on or off, or 1 or 0 (", "auto"),
        ("ALLOW_PORT_CHANGE", "3", "never, at once, or after N failures, N", "after 30 failures"),
    ],
)
def test_a_bad_value_in_the_environment_is_one_warning_and_keeps_the_default(
    name: str, text: str, allowed: str, default: str
) -> None:
    settings, warnings = read({f"TRIBLER_UDP_FIX_{name}": text})
    assert settings == Settings()
    assert len(warnings) == 1
    assert warnings[0].startswith(f"TRIBLER_UDP_FIX_{name}={text!r}: allowed is {allowed}")
    assert warnings[0].endswith(f"The default, {default}, is kept.")


@pytest.mark.parametrize("text", ["none", "Off", "0", "no", " FALSE "])
def test_no_adapter_has_more_than_one_word_in_the_environment(text: str) -> None:
    assert read({"TRIBLER_UDP_FIX_BIND_INTERFACE": text}) == (Settings(), [])


@pytest.mark.parametrize("name", ["peer_monitor", "dht_pings"])
@pytest.mark.parametrize(
    ("value", "text"),
    [("on", text) for text in ("1", "TRUE", "yes", "on")]
    + [("off", text) for text in ("0", "False", "no", "off")]
    + [("auto", "Auto")],
)
def test_what_is_on_off_or_auto_takes_the_words_of_a_switch(
    name: str, text: str, value: str
) -> None:
    settings, warnings = read({f"TRIBLER_UDP_FIX_{name.upper()}": text})
    assert (getattr(settings, name), warnings) == (value, [])
    given: dict[str, Any] = {name: "1"}
    with pytest.raises((TypeError, ValueError), match="allowed is auto, on or off \\("):
        Settings(**given)


def test_a_bad_value_does_not_cost_the_good_ones() -> None:
    settings, warnings = read(
        {"TRIBLER_UDP_FIX_ERROR_BUDGET": "x", "TRIBLER_UDP_FIX_PREVENT_ICMP_ERRORS": "on"}
    )
    assert settings == Settings(prevent_icmp_errors=True)
    assert len(warnings) == 1


def test_an_unknown_name_is_one_warning_with_the_nearest_setting() -> None:
    settings, warnings = read({"TRIBLER_UDP_FIX_EROR_BUGET": "5"})
    assert settings == Settings()
    nearest = "the nearest is TRIBLER_UDP_FIX_ERROR_BUDGET"
    assert warnings == [f"TRIBLER_UDP_FIX_EROR_BUGET is not a setting; {nearest}. It is ignored."]


def test_a_bad_value_is_told_on_stderr_once_a_process() -> None:
    code = "\n".join(
        [
            "import os, tribler_udp_fix",
            "for _ in range(3):",
            "    print(tribler_udp_fix.Settings.from_environ(os.environ).error_budget)",
        ]
    )
    environ = {k: v for k, v in os.environ.items() if not k.startswith("TRIBLER_UDP_FIX")}
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**environ, "PYTHONPATH": str(ROOT), "TRIBLER_UDP_FIX_ERROR_BUDGET": "lots"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert result.stdout == "1000\n1000\n1000\n"
    assert result.stderr == (
        "tribler_udp_fix: TRIBLER_UDP_FIX_ERROR_BUDGET='lots': allowed is a whole number from 1 to "
        "1,000,000 (receive errors a second, per endpoint, that are handled without delay). "
        "The default, 1000, is kept.\n"
    )
