"""A Markdown page whose generated blocks can be made again."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

# A maker gets the page up to its block and returns the block's Markdown.
Maker = Callable[[str], str]

_BLOCK: Final = re.compile(
    r"(?P<head><!-- generated: (?P<name>[a-z ]+) -->\n)(?P<body>.*?)(?P<foot><!-- end -->)", re.DOTALL
)
_FENCE: Final = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
# What no two runs share: how long something took, what it takes of the disk, and how many requests its slices came to.
_VOLATILE: Final = re.compile(r"\b\d+\.\d+ s\b|\b[\d.]+ [kMG]?B\b|(?<=^requests  )[\d,]+", re.MULTILINE)


def regenerate(page: str, makers: Mapping[str, Maker]) -> str:
    """Make every generated block again, in order; one that differs in volatile parts alone stays as it is.

    Raises:
        KeyError: a block names no maker.
    """

    def made(block: re.Match[str]) -> str:
        body = makers[block["name"]](page[: block.start()]).strip() + "\n"
        is_same = settled(body) == settled(block["body"])
        return block["head"] + (block["body"] if is_same else body) + block["foot"]

    return _BLOCK.sub(made, page)


def settled(text: str) -> str:
    """The text without what no two runs share."""
    return _VOLATILE.sub("#", text)


def fences(page: str, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return [fence["text"] for fence in _FENCE.finditer(page) if fence["language"] == language]


def fenced(language: str, text: str) -> str:
    """The text as a fenced block, without spaces at the ends of its lines."""
    lines = "\n".join(line.rstrip() for line in text.strip("\n").splitlines())
    return f"```{language}\n{lines}\n```"
