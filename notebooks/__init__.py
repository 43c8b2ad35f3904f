"""Notebooks over the published tables, for marimo: their cells tell the story, `frames` and `charts` do the work."""
