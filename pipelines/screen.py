"""How the commands print: a terminal gets colours and its own width, a file or a pipe gets plain lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console, RenderableType
from rich.text import Text

from pipelines.logs import harmless

_PLAIN_WIDTH: Final = 100


def show(*parts: RenderableType) -> None:
    """Print the parts on stdout. Texts are not broken, so that commands and paths can be copied."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    with console.capture() as captured:
        for part in parts:
            console.print(part, soft_wrap=isinstance(part, Text))
    # Tables pad their last column: nobody wants that in a log.
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def facts(rows: Sequence[tuple[str | Text, str | Text]], style: str = "bold") -> Text:
    """Rows of a name and what is to be said of it, in two columns."""
    width = max((len(name) for name, _ in rows), default=0)
    lines = []
    for name, text in rows:
        line = Text(name, style) if isinstance(name, str) else name.copy()
        line.pad_right(width + 2 - len(name))
        lines.append(line.append(harmless(text) if isinstance(text, str) else text))
    return Text("\n").join(lines)


def near(path: Path) -> Path:
    """The path as seen from the working directory, where it lies below it."""
    here = Path(os.path.abspath("."))  # noqa: PTH100 - as typed: links are not resolved
    return path.relative_to(here) if path.is_relative_to(here) else path
