"""Tests of the dlt source."""

from __future__ import annotations
