"""What a GPU-hour, a core-hour and a GiB-hour cost: a CSV of the user's, such as `rate_card.example.csv`."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Final

from transforms.errors import BadRateCard
from transforms.sql import literal

UNITS: Final = {"gpu": "GPU-Hours", "cpu": "Core-Hours", "memory": "GiB-Hours"}
"""What a price may be asked for, and the unit that it is per; the `SkuId` and `PricingUnit` of `focus_usage`."""
COLUMNS: Final = ("resource", "node_pool", "unit", "price", "currency", "valid_from", "valid_to")
TABLE: Final = """
-- Prices, each from a day on and until before another, in one node pool or, where that is null, in all others.
create table rate_card (
    resource varchar, node_pool varchar, price decimal(18, 9), currency varchar, valid_from date, valid_to date
);
"""
# Nine digits before the point and nine after it: more would not fit the table.
_PRICE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
# ISO 4217, without funds, metals and codes for testing: the FOCUS specification bills in currencies of nations.
_CURRENCIES = frozenset(json.loads(Path(__file__).with_name("currencies.json").read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Rate:
    """What a unit of a resource costs from one day on and until before another; None is for ever.

    `node_pool` is None in a price for every pool that has none of its own.
    """

    line: int
    resource: str
    node_pool: str | None
    price: Decimal
    currency: str
    valid_from: date | None
    valid_to: date | None

    @property
    def concerns(self) -> str:
        """What it is the price of, in words."""
        return self.resource if self.node_pool is None else f"{self.resource} in the node pool {self.node_pool}"


@dataclass(frozen=True)
class RateCard:
    """The prices of one file, in one currency; without any, nothing has a price."""

    rates: tuple[Rate, ...] = ()

    @classmethod
    def load(cls, path: Path) -> RateCard:
        """Read and check a file. BadRateCard that names file, line and what to do where something is wrong."""
        try:
            # Spreadsheets put a mark before the first column.
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise BadRateCard(f"{path} cannot be read: {error}") from error
        rates = tuple(_rates(path, text.splitlines()))
        if not rates:
            raise BadRateCard(f"{path} has no price: add a line, or leave rate_card out")
        _one_currency(path, rates)
        _no_overlap(path, rates)
        return cls(rates)

    def statements(self) -> str:
        """Return the statements that put all of it into the table of `TABLE`."""
        return "".join(
            f"insert into rate_card values ({literal(rate.resource)}, {_or_null(rate.node_pool)}, {rate.price:f},"
            f" {literal(rate.currency)}, {literal(rate.valid_from or '-infinity')},"
            f" {literal(rate.valid_to or 'infinity')});"
            for rate in self.rates
        )


def _rates(path: Path, lines: Iterable[str]) -> Iterator[Rate]:
    reader = csv.reader(lines, strict=True, skipinitialspace=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _same_columns(f"{path} line 1", header)
        for cells in reader:
            values = [cell.strip() for cell in cells]
            place = f"{path} line {reader.line_num}"
            if any(values):
                if len(values) != len(header):
                    raise BadRateCard(f"{place} has {len(values)} values: give one for each of {', '.join(header)}")
                yield _rate(place, reader.line_num, dict(zip(header, values, strict=True)))
    except csv.Error as error:
        raise BadRateCard(f"{path} line {reader.line_num} is no CSV: {error}") from error


def _same_columns(place: str, header: list[str]) -> None:
    for name in COLUMNS:
        if header.count(name) != 1:
            often = "no column" if name not in header else "more than one column"
            raise BadRateCard(f"{place} has {often} {name}: the columns must be {','.join(COLUMNS)}")
    if unknown := [name for name in header if name not in COLUMNS]:
        raise BadRateCard(f"{place} has {unknown[0]!r}, which means nothing: the columns must be {','.join(COLUMNS)}")


def _rate(place: str, line: int, said: Mapping[str, str]) -> Rate:
    resource, unit, price, currency = (said[name] for name in ("resource", "unit", "price", "currency"))
    if resource not in UNITS:
        raise BadRateCard(f"{place}: unknown resource {resource!r}: give one of {', '.join(UNITS)}")
    if unit != UNITS[resource]:
        raise BadRateCard(f"{place}: unknown unit {unit!r}: give the price of {resource} per {UNITS[resource]}")
    if not _PRICE.fullmatch(price):
        raise BadRateCard(
            f"{place}: price {price!r} is no number: give one such as 2.75, from 0, with up to 9 decimals"
        )
    if currency not in _CURRENCIES:
        raise BadRateCard(f"{place}: unknown currency {currency!r}: give a code of ISO 4217, such as EUR")
    since, until = (_day(place, name, said[name]) for name in ("valid_from", "valid_to"))
    if since and until and since >= until:
        raise BadRateCard(f"{place}: valid_to {until} is not after valid_from {since}: give the first day without it")
    return Rate(line, resource, said["node_pool"] or None, Decimal(price), currency, since, until)


def _day(place: str, name: str, said: str) -> date | None:
    if not said:
        return None
    try:
        return date.fromisoformat(said)
    except ValueError as error:
        raise BadRateCard(f"{place}: {name} {said!r} is no day: give one such as 2026-07-01, or nothing") from error


def _one_currency(path: Path, rates: tuple[Rate, ...]) -> None:
    """One account is billed in one currency, says the FOCUS specification, and costs in two cannot be added up."""
    first = rates[0]
    for rate in rates:
        if rate.currency != first.currency:
            raise BadRateCard(
                f"{path} line {rate.line}: {rate.currency} after {first.currency} in line {first.line}:"
                " give all prices in one currency"
            )


def _no_overlap(path: Path, rates: tuple[Rate, ...]) -> None:
    in_order = sorted(rates, key=lambda rate: (rate.concerns, rate.valid_from or date.min))
    for former, latter in pairwise(in_order):
        begins = latter.valid_from or date.min
        if former.concerns == latter.concerns and begins < (former.valid_to or date.max):
            raise BadRateCard(
                f"{path} line {latter.line}: {latter.concerns} has a price already in line {former.line}:"
                " end one where the other begins, valid_to is the first day without it"
            )


def _or_null(text: str | None) -> str:
    return "null" if text is None else literal(text)
