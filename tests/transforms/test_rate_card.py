"""Rate cards: what they say, and what cannot work, named by file and line."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.readme.page import fences
from transforms import BadRateCard, RateCard
from transforms.database import HERE
from transforms.rate_card import Rate

EXAMPLE = HERE / "rate_card.example.csv"
LAST = "memory,,GiB-Hours,0.0042,EUR,2026-01-01,\n"


def test_a_line_is_a_price() -> None:
    rates = RateCard.load(EXAMPLE).rates
    days = (date(2026, 1, 1), date(2026, 7, 1))
    assert rates[1] == Rate(3, "gpu", "h100", Decimal("3.90"), "EUR", *days)
    assert rates[-1] == Rate(6, "memory", None, Decimal("0.0042"), "EUR", days[0], None)


def test_the_readme_shows_the_example() -> None:
    page = (HERE.parent / "README.md").read_text(encoding="utf-8")
    assert fences(page, "csv") == [EXAMPLE.read_text(encoding="utf-8")]


def test_what_a_spreadsheet_writes_is_read(tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    text = (
        '\ufeffprice,resource,unit,node_pool,currency,valid_to,valid_from\r\n2,gpu,GPU-Hours,"a, b",USD,,\r\n,,,,,,\r\n'
    )
    mine.write_text(text, encoding="utf-8", newline="")
    assert RateCard.load(mine).rates == (Rate(2, "gpu", "a, b", Decimal(2), "USD", None, None),)


@pytest.mark.parametrize(
    ("find", "put", "said"),
    [
        ("node_pool,", "pool,", "line 1 has no column node_pool: the columns must be resource,node_pool,unit"),
        ("valid_to\n", "valid_to,note\n", "line 1 has 'note', which means nothing: the columns must be"),
        ("node_pool,", "unit,", "line 1 has no column node_pool"),
        ("valid_to\n", "valid_to,unit\n", "line 1 has more than one column unit"),
        (LAST, "memory,,GiB-Hours,0.0042\n", "line 6 has 4 values: give one for each of resource, node_pool"),
        (LAST, "disk,,GiB-Hours,1,EUR,,\n", "line 6: unknown resource 'disk': give one of gpu, cpu, memory"),
        ("GiB-Hours", "GB-Hours", "line 6: unknown unit 'GB-Hours': give the price of memory per GiB-Hours"),
        ("GiB-Hours", "GPU-Hours", "line 6: unknown unit 'GPU-Hours': give the price of memory per GiB-Hours"),
        ("0.0042", "free", "line 6: price 'free' is no number: give one such as 2.75"),
        ("0.0042", "-1", "line 6: price '-1' is no number"),
        ("0.0042", "nan", "line 6: price 'nan' is no number"),
        ("0.0042", '"0,0042"', "line 6: price '0,0042' is no number"),
        ("0.0042", "0.0000000001", "line 6: price '0.0000000001' is no number"),
        ("0.0042,EUR", "0.0042,EURO", "line 6: unknown currency 'EURO': give a code of ISO 4217, such as EUR"),
        ("0.0042,EUR", "0.0042,USD", "line 6: USD after EUR in line 2: give all prices in one currency"),
        (LAST, LAST.replace("2026", "26"), "line 6: valid_from '26-01-01' is no day: give one such as 2026-07-01"),
        (LAST, LAST[:-1] + "2026-01-01\n", "line 6: valid_to 2026-01-01 is not after valid_from 2026-01-01"),
        ("EUR,2026-07-01", "EUR,2026-06-30", "line 4: gpu in the node pool h100 has a price already in line 3"),
        ("EUR,2026-07-01", "EUR,", "line 3: gpu in the node pool h100 has a price already in line 4"),
        (LAST, LAST + LAST, "line 7: memory has a price already in line 6: end one where the other begins"),
        (LAST, 'memory,"', "line 6 is no CSV: "),
    ],
)
def test_a_rate_card_that_cannot_work_is_named(tmp_path: Path, find: str, put: str, said: str) -> None:
    text, mine = EXAMPLE.read_text(encoding="utf-8"), tmp_path / "mine.csv"
    assert find in text
    mine.write_text(text.replace(find, put, 1), encoding="utf-8")
    with pytest.raises(BadRateCard, match=re.escape(f"{mine} {said}")):
        RateCard.load(mine)


def test_a_rate_card_that_is_not_there_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadRateCard, match=r"nowhere\.csv cannot be read"):
        RateCard.load(tmp_path / "nowhere.csv")
    mine = tmp_path / "mine.csv"
    mine.write_text(EXAMPLE.read_text(encoding="utf-8").splitlines()[0], encoding="utf-8")
    with pytest.raises(BadRateCard, match=r"mine\.csv has no price: add a line, or leave rate_card out"):
        RateCard.load(mine)
    mine.write_text("", encoding="utf-8")
    with pytest.raises(BadRateCard, match="line 1 has no column resource"):
        RateCard.load(mine)
