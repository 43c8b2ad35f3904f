"""Looking for secrets in whatever a program leaves: bytes as they lie there, and as text of tables and archives."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import duckdb
import pyarrow.parquet as pq


@dataclass
class Search:
    """What is looked for, where it was found, and how many files were looked through."""

    needles: list[bytes] = field(default_factory=list)
    files: int = 0
    found: list[str] = field(default_factory=list)
    _known: set[object] = field(default_factory=set)

    def learn(self, secret: str) -> None:
        """Look for a text, as it is and in what encodings make of it."""
        plain = secret.encode()
        encoded = {plain, quote(secret, safe="").encode(), plain.hex().encode(), secret.encode("utf-16-le")}
        for before in range(3):
            # Of base64 that part which does not hang on what stands before and after.
            text = base64.b64encode(b"x" * before + plain).rstrip(b"=")
            inside = text[4 if before else 0 : len(text) - (len(text) % 4 and 1)]
            encoded |= {inside, inside.translate(bytes.maketrans(b"+/", b"-_"))}
        self.needles += encoded
        # Nobody looked for this one yet.
        self._known.clear()

    def text(self, where: str, data: bytes) -> None:
        """Look through bytes, upper and lower case alike where that does not matter."""
        lower = data.lower()
        self.found += [where for needle in self.needles if needle in data or needle.lower() == needle in lower]

    def folder(self, folder: Path, after: str = "") -> None:
        """Look through all files of a folder that are new or other than they were, and through their names."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()):
            where, now = f"{after}: {path}", path.stat()
            if self._is_new(path):
                self.text(f"{where} (its name)", str(path.relative_to(folder)).encode())
            # Links of one file hold the same.
            if self._is_new((now.st_ino, now.st_size, now.st_mtime_ns)):
                self.files += 1
                data = path.read_bytes()
                self.text(where, data)
                for part in _unpacked(path, data):
                    self.text(f"{where} (unpacked)", part)

    def _is_new(self, mark: object) -> bool:
        is_new = mark not in self._known
        self._known.add(mark)
        return is_new


def _unpacked(path: Path, data: bytes) -> Iterator[bytes]:
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    if path.suffix == ".parquet":
        yield str(pq.read_table(path).to_pylist()).encode()
    if path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as con:
            tables = con.execute("select schema_name, table_name from duckdb_tables()").fetchall()
            for schema, table in tables:
                yield str(con.execute(f'from "{schema}"."{table}"').fetchall()).encode()
