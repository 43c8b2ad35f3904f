"""A list of pods in memory that answers like the control plane at its worst, without HTTP in between."""

from __future__ import annotations

import operator
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from sources.runai.client import Reply, RunaiClient
from sources.runai.reading.fields import as_instant
from sources.runai.reading.listing import COUNT

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {">=": operator.ge, "<=": operator.le, "==": operator.eq}


@dataclass
class Listed:
    """Pods by exact instant; `digits` are shown, ties come in another order with every answer."""

    pods: list[dict[str, Any]]
    digits: int = 3
    page_cap: int = 500
    seed: int = 0
    before_answer: Callable[[int], object] = abs
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    concurrency: int = 4

    def clock(self) -> datetime:
        """The present."""
        return datetime.now(UTC)

    @property
    def client(self) -> RunaiClient:
        """This list where a client is wanted."""
        return cast("RunaiClient", self)

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Reply[Any]:
        """Answer a list or a count."""
        asked = dict(params or {})
        self.asked.append((path, asked))
        self.before_answer(len(self.asked))
        found = [pod for pod in self.pods if self._matches(pod, asked)]
        if path == COUNT:
            return Reply(200, {"count": len(found)}, datetime.now(UTC))
        random.Random(self.seed + len(self.asked)).shuffle(found)
        column = asked["sortBy"]
        found.sort(key=lambda pod: (pod[column] is None, pod[column] or ""), reverse=asked["sortOrder"] == "desc")
        offset, limit = asked["offset"] or 0, min(asked["limit"], self.page_cap)
        page = [self._shown(pod) for pod in found[offset : offset + limit]]
        more = offset + limit < len(found)
        return Reply(200, {"pods": page, "next": offset + limit if more else None}, datetime.now(UTC))

    def _matches(self, pod: dict[str, Any], asked: dict[str, Any]) -> bool:
        for term in (asked.get("filterBy") or "").split(","):
            for sign, compare in _OPERATORS.items():
                if sign in term:
                    column, _, value = term.partition(sign)
                    wanted = as_instant(value) if column.endswith("At") else value
                    if pod[column] is None or not compare(pod[column], wanted):
                        return False
        return asked.get("completed") in (None, str(pod["completedAt"] is not None).lower())

    def _shown(self, pod: dict[str, Any]) -> dict[str, Any]:
        def shown(value: Any) -> Any:
            if not isinstance(value, datetime):
                return value
            text = value.strftime("%Y-%m-%dT%H:%M:%S.%f")
            return (text[: 19 + (self.digits and 1 + self.digits)]) + "Z"

        return {name: shown(value) for name, value in pod.items()}


def pod(n: int, created_at: datetime, *, workload: str = "w", completed_at: datetime | None = None) -> dict[str, Any]:
    """One pod as the list keeps it: exact instants."""
    return {
        "id": f"p{n}",
        "workloadId": workload,
        "nodeName": None,
        "createdAt": created_at,
        "completedAt": completed_at,
        "deletedAt": None,
    }
