"""What the command line may ask for, and what is refused in one sentence."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from pipelines.settings import Settings, UsageError, parse_instant, parse_metrics, prepare
from transforms import Layout


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        # Without a zone it is UTC, whatever the machine's own zone (the tests run in another one).
        ("2026-01-02T03:04:05.5", datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)),
        ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
        (" 20260102 ", datetime(2026, 1, 2, tzinfo=UTC)),
    ],
)
def test_instants_are_read_as_utc(text: str, expected: datetime) -> None:
    instant = parse_instant("--since", text)
    assert instant == expected
    assert instant.utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026-02-30", "", "1699999999", "0001-01-01T00:00+14:00"])
def test_malformed_dates_are_named_with_their_option(text: str) -> None:
    with pytest.raises(UsageError, match=r"--since .* is not a date"):
        parse_instant("--since", text)


def test_the_future_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--until .* lies in the future"):
        parse_instant("--until", (datetime.now(UTC) + timedelta(hours=1)).isoformat())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (None, "basic"),
        (["all"], "all"),
        (["None"], "none"),
        (["GPU_UTILIZATION,cpu_usage_cores"], ("GPU_UTILIZATION", "CPU_USAGE_CORES")),
        (["GPU_UTILIZATION", " CPU_USAGE_CORES ,GPU_UTILIZATION"], ("GPU_UTILIZATION", "CPU_USAGE_CORES")),
    ],
)
def test_metrics_are_a_set_or_types(words: list[str] | None, expected: object) -> None:
    assert parse_metrics(words) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["GPU_UTILISATION"], "'GPU_UTILISATION'; .* such as GPU_UTILIZATION"),
        (["basic,all"], "unknown metric type 'BASIC'"),
        ([" , "], "no metric type given"),
    ],
)
def test_unknown_metrics_are_refused_with_advice(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_metrics(words)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"destination": "bigquery"}, "unknown destination 'bigquery': choose one of duckdb, filesystem"),
        ({"resolution": 0}, "--resolution 0 is too small"),
        ({"concurrency": 0}, "--concurrency 0 is too small"),
        (
            {"since": datetime(2026, 1, 2, tzinfo=UTC), "until": datetime(2026, 1, 1, tzinfo=UTC)},
            "--since 2026-01-02T00:00:00Z must be earlier than --until 2026-01-01T00:00:00Z",
        ),
        (
            {"since": datetime(2026, 1, 1, tzinfo=UTC), "until": datetime(2026, 1, 1, tzinfo=UTC)},
            "must be earlier than",
        ),
    ],
)
def test_what_cannot_be_done_is_one_sentence(settings: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Settings(**settings)  # type: ignore[arg-type]


def test_the_data_dir_is_absolute_wherever_it_is_named_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings(data_dir=Path("here")).state_dir == tmp_path / "here" / "state"
    assert Settings(data_dir=Path("here")).state_dir == Layout(tmp_path / "here").state


def test_arguments_are_json_and_instants_are_utc() -> None:
    since = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    arguments = Settings(since=since, metrics=("CPU_USAGE_CORES",)).arguments()
    assert json.loads(json.dumps(arguments)) == arguments
    assert arguments["since"] == "2026-01-01T00:00:00Z"
    assert arguments["metrics"] == ["CPU_USAGE_CORES"]


@pytest.mark.parametrize("name", ["it's", "a%20b", "a[1]", "a?b", "a*b", "a\\b", "a\nb", "a\udce4b"])
def test_a_path_that_means_something_else_is_refused_before_anything_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="which stands for something else in a path"):
        prepare(Settings(data_dir=tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_other_names_are_as_good_as_any(tmp_path: Path) -> None:
    for name in ("my data", "größe", 'a"b', "a#b;c&d{e}", "名前", "a\u3000b"):
        prepare(Settings(data_dir=tmp_path / name))


def test_a_copy_that_followed_the_link_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "published").mkdir()
    with pytest.raises(UsageError, match="published is a directory, where the program keeps a link: move it away"):
        prepare(Settings(data_dir=tmp_path))


def test_a_home_that_there_is_not_is_told_of() -> None:
    with pytest.raises(UsageError, match="--data-dir ~nobody-here/data: there is no such user's home"):
        Settings(data_dir=Path("~nobody-here/data"))
