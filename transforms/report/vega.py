"""Draws charts: reads Vega-Lite specifications as a JSON list from standard input, writes their SVGs as another.

A program of its own, for the engine takes a hundred megabytes, and gives them back only when it ends.
"""

from __future__ import annotations

import json
import sys
from typing import Final

import vl_convert

# Of Vega-Lite: what `charts/` is written in.
_VERSION: Final = "6.4"


def main() -> None:
    """Draw what standard input lists; no specification may load anything."""
    specifications = json.load(sys.stdin)
    drawn = [vl_convert.vegalite_to_svg(one, vl_version=_VERSION, allowed_base_urls=[]) for one in specifications]
    json.dump(drawn, sys.stdout)


if __name__ == "__main__":
    main()
