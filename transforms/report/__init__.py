"""The report: one page of HTML, made of the published tables, that asks nothing of any network.

`window/` holds queries that say which days the page tells of, `queries/` those whose rows it shows, `page.html` and
`style.css` how. Charts are HTML and CSS: no library is loaded, no script runs, and they print and reflow as text does.
"""

from __future__ import annotations

from transforms.report.page import render

__all__ = ["render"]
