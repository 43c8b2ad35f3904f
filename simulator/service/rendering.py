"""Pods as bytes of JSON, encoded once per state and remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from simulator.instants import Stamps
from simulator.service.disguise import Disguise
from simulator.world.payload import Manner, payload

if TYPE_CHECKING:
    from simulator.contract import Contract
    from simulator.switches import Switches
    from simulator.world.columns import Ints, Snapshot

_FULL_ONLY = ("projectName", "workloadName")


class Rendering:
    """Encodes pods for one contract and one set of switches."""

    def __init__(self, contract: Contract, switches: Switches) -> None:
        stamps = Stamps(switches.fraction_digits, switches.timestamp_style, switches.trims_zeros)
        self.stamps = stamps
        self._manner = Manner.of(
            contract,
            stamps=stamps,
            keeps_allocation=switches.keeps_allocation,
            deletion_is_update=switches.deletion_is_update,
            shows_deleted_at=switches.shows_deleted_at,
        )
        self._disguise = Disguise(contract, switches)
        self._known: tuple[dict[int, bytes], dict[int, bytes]] = ({}, {})

    def rows(self, snapshot: Snapshot, rows: Ints, *, is_full: bool) -> list[bytes]:
        """The JSON of some rows of a snapshot, in their order."""
        known = self._known[is_full]
        # Row, number of the pod's edit and state in one integer: pods are only ever appended, so a row is for life.
        keys = (rows << 24) | (snapshot.editions[rows] << 8) | snapshot.flags[rows]
        encoded = []
        for key in keys.tolist():
            body = known.get(key)
            if body is None:
                body = known[key] = self._encode(snapshot, key >> 24, key & 0xFF, is_full=is_full)
            encoded.append(body)
        return encoded

    def _encode(self, snapshot: Snapshot, row: int, flags: int, *, is_full: bool) -> bytes:
        pod = snapshot.pods[row]
        body = payload(pod, flags, self._manner)
        if not is_full:
            body = {name: value for name, value in body.items() if name not in _FULL_ONLY}
        rows = self._disguise.rows(body, pod.id) if self._disguise.is_needed else [body]
        return b",".join(map(orjson.dumps, rows))


def page(rows: list[bytes], next_: bytes | None) -> bytes:
    """A list response: the pods and, unless None, the JSON of `next`."""
    tail = b"" if next_ is None else b',"next":' + next_
    return b'{"pods":[' + b",".join(rows) + b"]" + tail + b"}"
