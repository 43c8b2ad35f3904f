"""Ten thousand payloads that nobody would send, through the front door: none is lost, and nothing falls over.

Each ends as a row that holds every field of it, or as a reject with its raw text; a second run changes nothing; tables
are rebuilt the same, and no text becomes part of the report's HTML.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest import mock
from urllib.parse import quote
from uuid import UUID

import duckdb
from hypothesis import HealthCheck, Phase, given, seed, settings

from bench.rounds import Goal
from sources.runai.json_body import parse_json
from sources.runai.reading.cluster_pods import FIELDS
from sources.runai.reading.fields import as_json
from sources.runai.reading.observations import LONGEST_REJECT
from sources.runai.reading.payload import why_unreadable
from tests.behaviour.scene import OBSERVED, PUBLISHED
from tests.pipelines.stub import Answer, stub
from tests.sources.reading.rows import plain_row
from tests.transforms.report.page import Page
from tests.trust.apart import apart
from tests.trust.bodies import plainly
from tests.trust.door import Door
from tests.trust.hostile import Strategy, cluster_pods, lengthened, metrics, pods, text_of

PAYLOADS: Final = 10_000
BODIES: Final = 500
NOW: Final = datetime(2026, 1, 5, 7, tzinfo=UTC)
_LISTS: Final = "/api/v1/workloads/pods"
CLUSTER_LIST: Final = "/v1/k8s/clusters/c/pods"
OF_CLUSTER: Final = 500
POD: Final = (
    b'{"id": "p", "workloadId": "w", "clusterId": "c", "createdAt": "2026-01-05T01:00:00Z", "k8sPhase": "Running"}'
)
LARGEST: Final[Answer] = (200, {"count": str(2**63 - 1)})
_PAGES_OF: Final = 400
"""Of a list of fewer than 500 there is one page, whatever the instants in it."""


@dataclass
class Account:
    """What became of payloads: how many there were, which were lost, and what went wrong otherwise."""

    payloads: int = 0
    rows: int = 0
    rejects: int = 0
    samples: int = 0
    distributions: int = 0
    lost: int = 0
    misread: int = 0
    crashes: int = 0
    changes: int = 0

    def add(self, other: Account) -> None:
        """Count what became of others, too."""
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def goals(self) -> list[Goal]:
        """The figures, each against none."""
        wanted = {
            "crashes": self.crashes,
            "lost payloads": self.lost,
            "answers with a sample lost, doubled or not told": self.misread,
            "changes by a second run": self.changes,
        }
        found = [
            Goal(f"hostile payloads: {what}", str(number), "0", is_met=number == 0) for what, number in wanted.items()
        ]
        told = f"{self.payloads:,}: {self.rows:,} rows, {self.rejects:,} rejects"
        read = f"{self.samples:,} samples, {self.distributions:,} distributions"
        return [
            Goal("hostile payloads read", told, f">= {PAYLOADS:,}", is_met=self.payloads >= PAYLOADS),
            Goal("of hostile metrics read", read, "some of each", is_met=bool(self.samples and self.distributions)),
            *found,
        ]


def drawn(strategy: Strategy, count: int, number: int) -> list[bytes]:
    """So many texts of a strategy, by seed; in one of fifty any string field holds a megabyte."""
    texts: list[bytes] = []
    # Not the strategy's: what is drawn resembles what was drawn before, and a page holds no hundred of them.
    rng = Random(number)

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def draw(value: Any) -> None:
        own = _own(value, len(texts))
        texts.append(text_of(own if rng.randrange(50) else lengthened(own, rng)))

    draw()
    return texts


def _own(value: Any, place: int) -> Any:
    """The pod under an id that no other has, all but one in twenty; what is drawn resembles what was drawn before."""
    if not isinstance(value, dict) or not isinstance(value.get("id"), str) or not value["id"] or place % 20 == 0:
        return value
    try:
        return value | {"id": str(UUID(int=UUID(value["id"]).int ^ place))}
    except ValueError:
        return value | {"id": f"{value['id']} {place}"}


def pages(payloads: Sequence[bytes]) -> list[list[bytes]]:
    """Deal payloads to pages, those of one id to one page: twice in an answer is hostile, in two it is a change."""
    alike: defaultdict[Any, list[bytes]] = defaultdict(list)
    for place, payload in enumerate(payloads):
        value = parse_json(payload)
        mark = value.get("id") if isinstance(value, dict) else None
        # What has no id that could be read is like nothing else.
        alike[mark if isinstance(mark, str) else place].append(payload)
    dealt: list[list[bytes]] = [[]]
    for group in alike.values():
        if dealt[-1] and len(dealt[-1]) + len(group) > _PAGES_OF:
            dealt.append([])
        dealt[-1] += group
    return dealt


def played(
    folder: Path,
    plain: Sequence[bytes],
    deleted: Sequence[bytes],
    bodies: Sequence[bytes],
    *,
    of_cluster: Sequence[bytes] = (),
    count: Answer = (403, {}),
) -> Account:
    """Copy two pages, and a cluster's deprecated list, into a fresh data directory, twice: what became of them."""
    account = Account(payloads=len(plain) + len(deleted) + len(of_cluster))
    lists = [b'{"pods": [' + b", ".join(page) + b"]}" for page in (plain, deleted)]
    values = [parse_json(body)["pods"] for body in lists]
    answers = {_LISTS: (200, lists[0]), f"{_LISTS}?deleted=true": (200, lists[1]), f"{_LISTS}/count": count}
    listed = b"[" + b", ".join(of_cluster) + b"]"
    answers["/api/v1/clusters"] = answers[CLUSTER_LIST] = (200, listed)
    sent = {pod: bodies[place % len(bodies)] for place, pod in enumerate(_with_metrics(values))}
    for (workload, pod), body in sent.items():
        answers[f"/api/v1/workloads/{quote(workload, safe='')}/pods/{quote(pod, safe='')}/metrics"] = (200, body)
    door = Door(folder / "data", lambda: NOW)
    with stub(answers) as url, mock.patch.dict(os.environ):
        os.environ |= {
            "SOURCES__RUNAI__BASE_URL": url,
            "SOURCES__RUNAI__TOKEN": "t",
            "SOURCES__RUNAI__MAX_ATTEMPTS": "1",
            "SOURCES__RUNAI__CLUSTER_PODS": str(bool(of_cluster)).lower(),
        }
        _told(account, door, "run")
        if account.crashes:
            account.lost = account.payloads
            return account
        before = _published(door.data_dir)
        _told(account, door, "run")
        _told(account, door, "rebuild")
        account.changes = sum(found != before[table] for table, found in _published(door.data_dir).items())
        _told(account, door, "status")
        _told(account, door, "report")
        _told(account, door, "check")
    account.crashes += sum(1 for _ in _alive(door.data_dir / "published" / "report.html"))
    _settle(account, door.data_dir, [value for page in values for value in page])
    # As a whole, as it was sent: how a number beyond 64 bits is read hangs on what stands beside it.
    _settle_cluster(account, door.data_dir, parse_json(listed))
    account.misread = sum(1 for _ in _misread(door.data_dir, sent))
    return account


def _told(account: Account, door: Door, command: str) -> None:
    if command == "check":
        shown = door.check()
        is_well = shown.code == 0 or (shown.code == 1 and "✗" in shown.out)
    else:
        shown = door.run() if command == "run" else door.command(command)
        is_well = shown.code == 0
    if not is_well or shown.steering:
        print(f"{command}: {shown.last_line} {shown.steering}")
        account.crashes += 1


def _with_metrics(values: list[list[Any]]) -> Iterator[tuple[str, str]]:
    """Workload and id of each pod that metrics can be asked of."""
    for value in (one for page in values for one in page if isinstance(one, dict)):
        workload, pod = (value.get(name) for name in ("workloadId", "id"))
        if isinstance(workload, str) and isinstance(pod, str):
            yield workload, pod


def _published(data_dir: Path) -> dict[str, list[Any]]:
    with duckdb.connect(str(data_dir / "published" / "runai.duckdb"), read_only=True) as con:
        found = {}
        for table in (
            *PUBLISHED,
            "pod_metrics",
            "pod_metrics_hourly",
            "pod_metric_histograms",
            "gpu_usage_daily",
            "focus_usage",
            "pod_efficiency",
        ):
            columns = [name for name in con.table(table).columns if name not in OBSERVED]
            # Texts, for a NaN is no NaN's equal.
            kept = ", ".join(f'"{name}"::varchar' for name in columns)
            found[table] = con.execute(f"select {kept} from {table} order by all").fetchall()
        return found


def _alive(report: Path) -> Iterator[str]:
    """Whatever of the report could run, or load something."""
    page = Page(report.read_text(encoding="utf-8"))
    yield from {"script", "img", "image", "iframe", "object", "embed", "foreignobject", "use"} & set(page.tags)
    yield from (name for _, name, _ in page.attributes if name.startswith("on"))


def _settle(account: Account, data_dir: Path, values: list[Any]) -> None:
    with duckdb.connect(str(data_dir / "warehouse.duckdb"), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        relation = con.table("raw.pods")
        rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in relation.fetchall():
            named = dict(zip(relation.columns, row, strict=True))
            rows[named["id"]].append(named)
        rejects = {payload for (payload,) in con.execute("select payload from raw.rejects").fetchall()}
        (account.samples,) = con.execute("select count(*) from raw.pod_metrics").fetchall()[0]
        (account.distributions,) = con.execute("select count(*) from raw.pod_metric_histograms").fetchall()[0]
    with duckdb.connect(str(data_dir / "published" / "runai.duckdb"), read_only=True) as con:
        published = {pod_id for (pod_id,) in con.execute("select pod_id from pods").fetchall()}
    for value in values:
        is_row = why_unreadable(value) is None and value["id"] in published and _is_among(value, rows[value["id"]])
        is_reject = as_json(value)[:LONGEST_REJECT] in rejects
        account.rows += is_row
        account.rejects += is_reject and not is_row
        if not (is_row or is_reject):
            account.lost += 1
            print(f"lost: {as_json(value)[:1000]}")


def _settle_cluster(account: Account, data_dir: Path, values: list[Any]) -> None:
    with duckdb.connect(str(data_dir / "warehouse.duckdb"), read_only=True) as con:
        relation = con.table("raw.cluster_pods")
        rows = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
        rejects = {payload for (payload,) in con.execute("select payload from raw.rejects").fetchall()}
    for value in values:
        is_row = any(says_all_of(row, value) for row in rows)
        is_reject = as_json(value)[:LONGEST_REJECT] in rejects
        account.rows += is_row
        account.rejects += is_reject and not is_row
        if not (is_row or is_reject):
            account.lost += 1
            print(f"lost of the deprecated list: {as_json(value)[:1000]}")


def says_all_of(row: dict[str, Any], value: Any) -> bool:
    """Whether a row of the deprecated list has each field of the payload in a column or in `extra`."""
    if not isinstance(value, dict) or row["content_hash"] != content_hash(value):
        return False
    extra = parse_json((row["extra"] or "{}").encode())
    told = extra | {field: row[column] for field, column, _ in FIELDS if row[column] is not None}
    return all(value[field] is None or told.get(field) is not None for field in value)


def content_hash(payload: dict[str, Any]) -> str:
    """What tells whether a pod of the deprecated list changed."""
    return blake2b(as_json(payload).encode(), digest_size=16).hexdigest()


def _misread(data_dir: Path, sent: Mapping[tuple[str, str], bytes]) -> Iterator[str]:
    """Pods whose samples are not those of their answers, each once, or of whose rest the ledger does not tell."""
    with duckdb.connect(str(data_dir / "warehouse.duckdb"), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        asked = con.execute(
            "select workload_id, pod_id, window_from, window_to, reason from raw.metric_windows"
            " where http_status = 200 and status <> 'failed'"
        ).fetchall()
        found = con.execute(
            "select pod_id, metric, gpu, labels, sampled_at, value, value_text from raw.pod_metrics"
        ).fetchall()
        found += con.execute(
            "select pod_id, metric, labels, sampled_at, data from raw.pod_metric_histograms"
        ).fetchall()
    wanted: list[tuple[Any, ...]] = []
    for workload, pod, start, end, reason in asked:
        kept, spread, told = plainly(parse_json(sent[workload, pod])).inside(start, end)
        wanted += [(pod, *one) for one in (*kept, *spread)]
        said = dict(re.findall(r"left out: (.*?) \((\d+)\)", reason or ""))
        if said != {what: str(times) for what, times in told.items() if times}:
            print(f"not told of {pod[:100]!r}: {told} in {reason}")
            yield pod
    counts = Counter(found)
    counts.subtract(wanted)
    for row in (row for row, count in counts.items() if count):
        print(f"{counts[row]:+} of {str(row)[:300]}")
        yield row[0]


def _is_among(payload: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether one of the rows says everything that the payload does."""
    wanted = plain_row(payload)
    # That a list was one of deleted pods is no field of the payload.
    del wanted["is_deleted"]
    return any(all(row[name] == value for name, value in wanted.items()) for row in rows)


def play(number: int) -> list[Goal]:
    """All of it: pages by twos, each two in a data directory of their own."""
    total = Account()
    dealt = pages(drawn(pods(), PAYLOADS, number))
    bodies = drawn(metrics(), BODIES, number)
    for first in range(0, len(dealt), 2):
        with apart() as folder:
            plain, deleted = [*dealt[first : first + 2], []][:2]
            account = played(folder, plain, deleted, bodies)
        total.add(account)
    with apart() as folder:
        of_cluster = drawn(cluster_pods(), OF_CLUSTER, number)
        total.add(played(folder, [POD], [], bodies, of_cluster=of_cluster, count=LARGEST))
    return total.goals()
