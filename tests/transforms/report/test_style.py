"""The colours of the page can be told apart, by day and by night: contrasts of WCAG 2.1, level AA."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from transforms.database import HERE

STYLE = (Path(HERE) / "report" / "style.css").read_text(encoding="utf-8")
CHARTS = [path.read_text(encoding="utf-8") for path in (Path(HERE) / "report" / "charts").glob("*.json")]
# The third, of forced colours, names the system's.
LIGHT, DARK, _ = (
    dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
)
TEXTS = [("ink", "paper"), ("ink", "panel"), ("soft", "paper"), ("soft", "panel")]
TEXTS += [("shade-ink", f"shade{step}") for step in range(4)] + [("shade-ink-deep", f"shade{step}") for step in (4, 5)]
SHAPES = [(name, "paper") for name in ("used", "idle", "unknown", "focus")]


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_texts_and_shapes_stand_out(theme: dict[str, str]) -> None:
    faint = {pair: contrast(theme[pair[0]], theme[pair[1]]) for pair in TEXTS}
    assert {pair: ratio for pair, ratio in faint.items() if ratio < 4.5} == {}
    faint = {pair: contrast(theme[pair[0]], theme[pair[1]]) for pair in SHAPES}
    assert {pair: ratio for pair, ratio in faint.items() if ratio < 3} == {}


def test_both_themes_name_the_same_colours() -> None:
    assert LIGHT.keys() == DARK.keys()
    # What nobody knows is hatched, so that it can be told from the others without any colour.
    assert ".unknown { background: repeating-linear-gradient(" in STYLE


def test_charts_name_only_colours_of_the_style() -> None:
    named = {name for chart in CHARTS for name in re.findall(r"var\(--([a-z0-9-]+)\)", chart)}
    assert {"used", "idle", "shade5"} < named <= LIGHT.keys()
    assert not [chart for chart in CHARTS if re.search(r"#[0-9a-f]{3,8}\b", chart)]
