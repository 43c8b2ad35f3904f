"""A page as a test reads it: what it points to, its words, and the numbers of its tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

# These end by themselves.
VOID = {"meta", "link", "br", "hr", "img", "input"}
# Whatever may point to somewhere else.
POINTERS = {"src", "href", "srcset", "action", "data", "poster", "background", "cite", "formaction", "xlink:href"}


@dataclass
class Cell:
    """A header or data cell: its text, and the exact number where it tells one."""

    text: str = ""
    value: str | None = None


@dataclass
class Page(HTMLParser):
    """Parses at once; raises AssertionError where tags do not match."""

    html: str
    open_tags: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    pointers: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    headings: list[int] = field(default_factory=list)
    tables: dict[str, list[list[Cell]]] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    glance: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._table: list[list[Cell]] = []
        self._label = ""
        self.feed(self.html)
        self.close()
        assert self.open_tags == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in said.items()]
        self.pointers += [value for name, value in said.items() if name in POINTERS]
        if tag not in VOID:
            self.open_tags.append(tag)
        if "id" in said:
            self.ids.append(said["id"])
        if tag in {"h1", "h2", "h3", "h4"}:
            self.headings.append(int(tag[1]))
        if tag == "data":
            self._read_number(said["value"])
        self._read_table(tag, said)

    def _read_table(self, tag: str, said: dict[str, str]) -> None:
        if said.get("role") == "region":
            self._label = said["aria-label"]
        if tag == "table":
            self._table = self.tables[self._label] = []
        if tag == "tr":
            self._table.append([])
        if tag in {"th", "td"}:
            self._table[-1].append(Cell())

    def _read_number(self, value: str) -> None:
        if self.ids[-1] == "glance":
            self.glance.append(value)
        if self._in_cell():
            self._table[-1][-1].value = value

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if self._in_cell():
            cell = self._table[-1][-1]
            cell.text = f"{cell.text}{data}"

    def rows(self, label: str) -> dict[str, list[Cell]]:
        """The rows of a table without its header, by what stands in their first cell."""
        return {row[0].text.strip(): row[1:] for row in self.tables[label][1:]}

    def numbers(self, label: str) -> dict[str, list[float | None]]:
        """The same as exact numbers, None for a dash."""
        return {name: [told(cell) for cell in cells] for name, cells in self.rows(label).items()}

    def _in_cell(self) -> bool:
        return "td" in self.open_tags or "th" in self.open_tags


def told(cell: Cell) -> float | None:
    assert cell.value is not None or cell.text.startswith("–"), cell
    return None if cell.value is None else float(cell.value)
