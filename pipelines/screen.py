"""How the commands print: a terminal gets colours and its own width, a file or a pipe gets plain lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Final, TextIO, cast

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


@contextmanager
def heard_or_not() -> Iterator[None]:
    """Let no command fail because what it says cannot be written: what it did is done, and its exit code tells that.

    Readers that left, as `head` does, are passed over in silence; of a stdout that is full a sentence goes to stderr.
    """
    out, err = _Unfailing(sys.stdout), _Unfailing(sys.stderr)
    with redirect_stdout(cast("TextIO", out)), redirect_stderr(cast("TextIO", err)):
        try:
            yield
        finally:
            out.flush()
            err.flush()


class _Unfailing:
    """A stream of which the rest goes nowhere once it cannot be written."""

    def __init__(self, stream: TextIO | None) -> None:
        # None where the caller has closed it: the next file to be opened would get its number, and all that is said.
        self._stream = stream or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or not; a letter that the stream's encoding lacks is written as its number."""
        try:
            return self._stream.write(text)
        except UnicodeEncodeError as error:
            return self.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        """Flush, or not."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        # What is still buffered goes there too: Python would stumble over it at the end.
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            print(f"stdout cannot be written ({error.strerror}): the exit code tells how it went.", file=sys.stderr)
