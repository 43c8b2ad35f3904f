"""Time zones to report in: names of the IANA database, as DuckDB knows them."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

import duckdb

from transforms.errors import UnknownTimeZone

UTC: Final = "UTC"


def check(name: str) -> None:
    """Raise UnknownTimeZone unless days can be cut in the time zone of this name, spelled just so."""
    if name == UTC:
        return
    with duckdb.connect() as con:
        known = [zone for (zone,) in con.execute("select name from pg_timezone_names()").fetchall()]
    if name in known:
        return
    by_lower_case = {zone.lower(): zone for zone in known}
    close = get_close_matches(name.lower(), by_lower_case, n=1)
    like = by_lower_case[close[0]] if close else "Europe/Berlin"
    raise UnknownTimeZone(f"unknown time zone {name!r}: give a name of the IANA database, such as {like}")
