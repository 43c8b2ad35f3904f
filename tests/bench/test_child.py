"""A contestant is measured alone, without anything of the caller's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.child import clean_environment, run


def test_what_a_process_says_last_is_kept_with_its_time_and_its_own_memory(tmp_path: Path) -> None:
    code = (
        "import json, time; b = bytearray(64_000_000); time.sleep(0.2); print('noise'); print(json.dumps({'pods': 3}))"
    )
    measured = run(["-c", code], tmp_path)
    assert measured.said == {"pods": 3}
    assert measured.seconds >= max(0.2, measured.cpu_seconds)
    assert measured.peak_mb >= 64


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 3:\nno such pod"):
        run(["-c", "print('no such pod'); raise SystemExit(3)"], tmp_path)


def test_configuration_and_proxies_stay_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__RUNAI__TOKEN", "theirs")
    monkeypatch.setenv("https_proxy", "http://proxy.example")
    environment = clean_environment(tmp_path, {"SOURCES__RUNAI__BASE_URL": "http://127.0.0.1"})
    assert {"SOURCES__RUNAI__TOKEN", "https_proxy"}.isdisjoint(environment)
    assert environment["SOURCES__RUNAI__BASE_URL"] == "http://127.0.0.1"
    assert environment["DLT_DATA_DIR"] == str(tmp_path)
