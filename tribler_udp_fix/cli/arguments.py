"""A parser that answers a wrong argument with what is allowed there, and the nearest match."""

from __future__ import annotations

import argparse
import difflib
import re
from typing import Any, Iterable, NoReturn, Sequence


class Parser(argparse.ArgumentParser):
    """Each command's parser refuses by itself, with its own usage, what it does not know."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does it, but what is not known is an error here and not at the top."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(self.unknown(unknown[0]))
        return parsed, unknown

    def unknown(self, word: str) -> str:
        """What is wrong with a word that has no place here."""
        options = [name for action in self._actions for name in action.option_strings]
        if word.startswith("-"):
            name = word.partition("=")[0]
            return f"there is no option {name!r}: {allowed(name, options)}"
        places = [str(action.metavar) for action in self._actions if not action.option_strings]
        told = f"it takes {' and '.join(places)}" if places else "it takes options only"
        return f"{word!r} is one word too many: {told}, and allowed are {', '.join(options)}"

    def error(self, message: str) -> NoReturn:
        """End with the usage, and the message with what can be said beside it."""
        # "expected one argument", "are required": the option's help says which.
        if match := re.match(r"argument (\S+): expected", message):
            message += "".join(self._helps(match[1]))
        elif message.endswith(tuple(self._choices())):
            message += "".join(f": allowed are {told}" for told in self._choices().values())
        super().error(message)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            reason = f"{value!r} is not allowed: {allowed(str(value), action.choices, repr)}"
            raise argparse.ArgumentError(action, reason)

    def _helps(self, name: str) -> Sequence[str]:
        return [
            f": {action.metavar}, {action.help}"
            for action in self._actions
            if action.option_strings and name == "/".join(action.option_strings)
        ]

    def _choices(self) -> dict[str, str]:
        return {
            str(action.metavar): ", ".join(map(repr, action.choices))
            for action in self._actions
            if action.choices is not None and not action.option_strings
        }


def allowed(word: str, words: Iterable[str], write: Any = str) -> str:
    """What is allowed instead of a wrong word: first what it was meant to be, if that is near."""
    known = list(words)
    told = f"llowed are {', '.join(map(write, known))}"
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}? A{told}" if close else f"a{told}"
