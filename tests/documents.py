"""The documents, and the blocks of code in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "tests/winlab/README.md",
]

FENCED = re.compile(r"^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.S | re.M)
INDENTED = re.compile(r"(?:^    \S.*\n)+", re.M)
# A command of Windows' prompt, or of a shell; what has no prompt is what the command prints.
COMMAND = re.compile(r"^(?P<prompt>[$>]) (?P<command>.*)$")
COMMENT = re.compile(r"\s{2,}# .*$")
ASSIGNMENT = re.compile(r"^\w+=\S+$")


class Block(NamedTuple):
    """A block of code."""

    document: Path
    line: int
    kind: str  # what stands behind the fence, "indented" for one without a fence
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT).as_posix()}:{self.line}"

    @property
    def file(self) -> str:
        """The file that it says it is, for its document's other programs to import; else ""."""
        named = re.match(r"# (\w+\.py)\n", self.text)
        return named[1] if named else ""

    def commands(self) -> list[list[str]]:
        """The commands of a block, each in words, without `sudo` and the variables before it."""
        text = self.text.replace("\\\n", " ")
        lines = text.splitlines()
        if self.kind != "indented":
            lines = [found["command"] for line in lines if (found := COMMAND.match(line))]
        return [_words(COMMENT.sub("", line)) for line in lines]


def _words(command: str) -> list[str]:
    words = shlex.split(command)
    while words and (words[0] == "sudo" or (len(words) > 1 and ASSIGNMENT.match(words[0]))):
        del words[0]
    return words


def blocks(document: Path) -> list[Block]:
    """Every block of code of a document."""
    text = document.read_text("utf-8")
    found = []
    for match in FENCED.finditer(text):
        found.append(_block(document, text, match, match["kind"], match["text"]))
    # With the fenced blocks out of the way, at the same lines.
    rest = FENCED.sub(lambda match: "\n" * match[0].count("\n"), text)
    for match in INDENTED.finditer(rest):
        before = rest[: match.start()].rstrip("\n").rpartition("\n")[2]
        if not re.match(r" *([-*]|\d+\.) |  ", before):  # else a paragraph of a list's item
            found.append(_block(document, rest, match, "indented", match[0].replace("    ", "", 1)))
    return found


def _block(document: Path, text: str, match: re.Match[str], kind: str, code: str) -> Block:
    return Block(document, text[: match.start()].count("\n") + 1, kind, code)


def all_blocks() -> list[Block]:
    """Every block of code of every document."""
    return [block for document in DOCUMENTS for block in blocks(document)]
