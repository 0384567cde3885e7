"""The commands in the code blocks of the documents, split into words."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from doc_pages import Block

SHELL = {"", "sh", "bash"}  # languages of blocks that may hold commands


def program(line: str) -> str:
    """The first word of a command, without assignments and folder; x for `python -m x`."""
    words = split(line)[0]
    if words[1:2] == ["-m"] and words[0].startswith("python") and len(words) > 2:
        return words[2]
    return words[0] if words else ""


def split(line: str) -> list[list[str]]:
    """The words of each simple command in a line, without comments, prompts, assignments,
    redirections and folders of programs."""
    lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="&|;>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    found: list[list[str]] = [[]]
    try:
        words = iter(list(lexer))
    except ValueError:
        return [["?"]]
    for word in words:
        if set(word) <= set("&|;"):
            found.append([])
        elif set(word) == {">"}:
            next(words, None)
        elif found[-1] or not re.fullmatch(r"[A-Z_]+=.*", word):
            found[-1].append(word if found[-1] else Path(word).name)
    return [f for f in map(plain, found) if f] or [[""]]


def plain(words: list[str]) -> list[str]:
    """A command inside a shell loop, without the loop's keywords."""
    if words[:1] in (["for"], ["done"], ["…"]):
        return []
    return words[1:] if words[:1] == ["do"] else words


@dataclass(frozen=True)
class Command:
    where: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.where} {' '.join(self.words)}"


def commands(block: Block) -> Iterator[Command]:
    for line in block.text.replace("\\\n", " ").splitlines():
        for words in split(line):
            if words != [""]:
                yield Command(str(block), tuple(words))
