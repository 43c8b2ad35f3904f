"""Many calls at once, and nothing left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sources.runai.workers import LOOK_AHEAD, Workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(4)
    yield workers
    workers.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("runai")]


def test_every_item_is_called_once(workers: Workers) -> None:
    assert sorted(workers.map(lambda number: number * 2, range(100))) == [number * 2 for number in range(100)]


def test_results_come_in_order_of_completion(workers: Workers) -> None:
    release = threading.Event()

    def call(number: int) -> int:
        if number == 0:
            assert release.wait(10)
        return number

    results = workers.map(call, range(4))
    assert {next(results) for _ in range(3)} == {1, 2, 3}
    release.set()
    assert list(results) == [0]


def test_a_slow_reader_holds_the_calls_back(workers: Workers) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = workers.map(lambda number: number, items())
    for _ in range(10):
        next(results)
    assert len(taken) <= 10 + LOOK_AHEAD * 4
    results.close()  # type: ignore[attr-defined]


def test_no_more_threads_than_asked_for(workers: Workers) -> None:
    names: set[str] = set()
    lock = threading.Lock()

    def call(_number: int) -> None:
        with lock:
            names.add(threading.current_thread().name)

    list(workers.map(call, range(200)))
    assert len(names) <= 4


def test_an_error_is_raised_and_the_rest_is_dropped(workers: Workers) -> None:
    called: list[int] = []
    release = threading.Event()

    def call(number: int) -> None:
        called.append(number)
        if number == 0:
            raise OSError("broken")
        release.wait(10)

    with pytest.raises(OSError, match="broken"):
        list(workers.map(call, range(1000)))
    release.set()
    assert len(called) <= 1 + LOOK_AHEAD * 4


def test_no_call_begins_after_an_error_even_before_it_is_read() -> None:
    go, release, too_late = (threading.Event() for _ in range(3))

    def call(number: int) -> int:
        if number == 1:
            assert go.wait(10)
            raise OSError("broken")
        if number == 2:
            assert release.wait(10)
        if number == 3:
            too_late.set()
        return number

    workers = Workers(2)
    results = workers.map(call, range(9))
    assert next(results) == 0
    go.set()
    assert not too_late.wait(0.2)
    with pytest.raises(OSError, match="broken"):
        next(results)
    release.set()
    workers.close()


def test_an_error_of_the_items_is_raised_too(workers: Workers) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("no more pages")

    with pytest.raises(OSError, match="no more pages"):
        list(workers.map(lambda number: number, items()))


def test_a_reader_that_leaves_early_waits_for_nobody(workers: Workers) -> None:
    release = threading.Event()

    def call(number: int) -> int:
        if number:
            assert release.wait(10)
        return number

    results = workers.map(call, range(50))
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert not release.is_set()
    release.set()


def test_calls_may_map_themselves(workers: Workers) -> None:
    sums = workers.map(lambda number: sum(workers.map(lambda other: other, range(number))), range(20))
    assert sorted(sums) == sorted(sum(range(number)) for number in range(20))
