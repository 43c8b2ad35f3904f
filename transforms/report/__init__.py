"""The report: one page of HTML, made of the published tables, that asks nothing of any network.

`window/` holds queries that say which days the page tells of, `queries/` those whose rows it shows, `page.html` and
`style.css` how, and `charts/` its pictures. They are drawn here: who opens the page loads and runs nothing.
"""

from __future__ import annotations

from transforms.report.page import render

__all__ = ["render"]
