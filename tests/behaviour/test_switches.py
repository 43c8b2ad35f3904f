from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.status import read_status
from pipelines.summary import warnings_of
from simulator import Switches
from tests.behaviour.scene import scene
from tests.behaviour.truth import differences, offered

# Every plausible answer to what is not known of the API, under which the copy must be perfect all the same.
UNKNOWN: dict[str, Switches] = {
    "plain lists include deleted pods": Switches(plain_list_has_deleted=True),
    "next is null": Switches(next_at_end="null"),
    "next is zero": Switches(next_at_end="zero"),
    "ties reversed": Switches(ties="reversed"),
    "ties shuffled": Switches(ties="shuffled"),
    "deletion leaves updatedAt": Switches(deletion_is_update=False),
    "allocation survives completion": Switches(keeps_allocation=True),
    "whole seconds": Switches(fraction_digits=0),
    "microseconds": Switches(fraction_digits=6),
    "a space for T": Switches(timestamp_style="space"),
    "zeros trimmed": Switches(trims_zeros=True, fraction_digits=6),
    "nulls left out": Switches(omits_nulls=True),
    "unknown fields": Switches(unknown_fields=0.5),
    "numbers as text": Switches(numbers_as_text=1.0),
    "text as numbers": Switches(text_as_numbers=1.0),
    "odd quantities": Switches(odd_quantities=0.5),
    "opaque tokens": Switches(token_style="opaque"),
    "short tokens": Switches(token_lifetime=1.0),
    "slow": Switches(latency=0.02, jitter=0.02),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_the_copy_is_perfect_however_the_api_behaves(tmp_path: Path, name: str) -> None:
    with scene(tmp_path / "data", switches=UNKNOWN[name]) as made:
        made.run()
        made.advance(hours=20)
        result = made.run()
        assert differences(made.pods(), offered(made.world, made.clock.now())) == []
        assert result.reading.counts_agree
        assert result.reading.rejects == 0


def test_deleted_pods_without_an_instant_of_deletion_are_deleted(tmp_path: Path) -> None:
    with scene(tmp_path / "data", switches=Switches(shows_deleted_at=False, plain_list_has_deleted=True)) as made:
        made.run()
        made.advance(hours=20)
        made.run()
        pods = made.pods()
        truth = offered(made.world, made.clock.now())
        assert {pod_id for pod_id in truth if pods[pod_id]["is_deleted"]} == {
            pod_id for pod_id, pod in truth.items() if pod.deleted_at is not None
        }


def test_what_cannot_be_read_is_rejected_and_told_and_the_rest_is_loaded(tmp_path: Path) -> None:
    with scene(tmp_path / "data", switches=Switches(broken_rows=0.1)) as made:
        result = made.run()
        reading = result.reading
        assert reading.rejects > 0
        assert made.rows("runs")[0]["rejects"] == reading.rejects
        made.simulator.switches = replace(made.simulator.switches, broken_rows=0.0)
        made.run(full_refresh=True)
        assert differences(made.pods(), offered(made.world, made.clock.now())) == []


@pytest.mark.parametrize("destination", ["duckdb", "filesystem"])
def test_what_cannot_be_read_is_kept_once_and_told_by_every_run_that_meets_it(tmp_path: Path, destination: str) -> None:
    with scene(tmp_path / "data", destination, switches=Switches(broken_rows=0.3)) as made:
        first = made.run().reading
        assert first.rejects == first.rejects_new > 0
        for full_refresh in (False, True):
            result = made.run(full_refresh=full_refresh)
            assert (result.reading.rejects > 0, result.reading.rejects_new) == (True, 0)
            assert any("could not be read" in warning for warning in warnings_of(result))
        assert read_status(made.data_dir, made.clock.now()).rejects == first.rejects


def test_a_pod_that_one_answer_shows_twice_adds_nothing_to_later_runs(tmp_path: Path) -> None:
    with scene(tmp_path / "data", switches=Switches(twins=0.5)) as made:
        first = made.run().reading
        assert first.rejects_new > 0
        published = made.published()
        again = made.run().reading
        assert (again.pods_changed, again.rejects > 0, again.rejects_new) == (0, True, 0)
        assert made.published() == published
        assert differences(made.pods(), offered(made.world, made.clock.now())) == []


def test_unknown_fields_are_kept_and_told(tmp_path: Path) -> None:
    with scene(tmp_path / "data", switches=Switches(unknown_fields=1.0)) as made:
        reading = made.run().reading
        assert sum(reading.unknown_fields.values()) > 0
        assert all(row["extra"] for row in made.rows("pods"))


def test_unknown_phases_are_kept(tmp_path: Path) -> None:
    with scene(tmp_path / "data", switches=Switches(unknown_phases=1.0)) as made:
        made.run()
        known = {"Pending", "Running", "Succeeded", "Failed", "Unknown"}
        assert {row["phase"] for row in made.rows("pods")} - known


def test_nulls_and_absences_wherever_the_contract_allows_lose_no_pod(tmp_path: Path) -> None:
    with scene(tmp_path / "data", switches=Switches(nulls=0.5, absences=0.5)) as made:
        made.run()
        made.advance(hours=20)
        result = made.run()
        assert made.pods().keys() >= offered(made.world, made.clock.now()).keys()
        assert result.reading.rejects == 0
