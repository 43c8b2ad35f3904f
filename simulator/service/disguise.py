"""Making a payload as unreliable as the switches say, the same way at every reading."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from simulator.contract import Contract
    from simulator.switches import Switches

Json = dict[str, Any]

# Filters and truth hang on these: were they hidden, a pod would contradict the very list that it stands in.
_LOAD_BEARING: Final = frozenset({"completedAt", "deletedAt"})
_SWITCHES: Final = (
    *("omits_nulls", "nulls", "absences", "unknown_fields", "unknown_phases"),
    *("numbers_as_text", "text_as_numbers", "odd_quantities", "broken_rows", "twins"),
)
_QUANTITIES: Final = frozenset({"gpuMemory", "cpuMemory"})
_ODD_QUANTITIES: Final = ("0B", "1.5GB", "lots", "")
_UNKNOWN_PHASES: Final = ("Terminating", "Evicted", "CreateContainerError")
_NUMBER: Final = re.compile(r"-?\d{1,15}(\.\d+)?", re.ASCII)


class Disguise:
    """Alters payloads by the contract's own schema: null where nullable, absent where optional, and odd types."""

    def __init__(self, contract: Contract, switches: Switches) -> None:
        self._contract, self._switches = contract, switches
        self.is_needed = any(getattr(switches, name) for name in _SWITCHES)

    def pod(self, payload: Json, seed: str) -> Any:
        """A pod in disguise; with `broken_rows`, something that is no pod."""
        if is_hit(self._switches.broken_rows, seed, "broken"):
            return _broken(payload, zlib.crc32(seed.encode()) % 4)
        if is_hit(self._switches.unknown_phases, seed, "phase"):
            payload = payload | {"k8sPhase": _UNKNOWN_PHASES[zlib.crc32(seed.encode()) % len(_UNKNOWN_PHASES)]}
        return self._object(payload, self._contract.schema("Pod"), seed)

    def rows(self, payload: Json, seed: str) -> list[Any]:
        """What a list shows of a pod: the pod in disguise, with `twins` twice."""
        shown = self.pod(payload, seed)
        if not isinstance(shown, dict) or not is_hit(self._switches.twins, seed, "twin"):
            return [shown]
        stale = shown | {"k8sPhase": "Unknown", "updatedAt": "2000-01-01T00:00:00Z"}
        return [stale, shown] if zlib.crc32(seed.encode()) % 2 else [shown, stale]

    def _object(self, value: Json, schema: Json, seed: str) -> Json:
        required = schema.get("required", ())
        shown: Json = {}
        for name, part in value.items():
            key = f"{seed}/{name}"
            part_schema = self._contract.resolve(schema["properties"].get(name, {}))
            is_free = name not in _LOAD_BEARING
            if name not in required and is_free and is_hit(self._switches.absences, key, "absent"):
                continue
            if part_schema.get("nullable") and is_free and is_hit(self._switches.nulls, key, "null"):
                part = None  # noqa: PLW2901
            if part is None and self._switches.omits_nulls and name not in required:
                continue
            shown[name] = self._part(part, part_schema, key, name)
        if is_hit(self._switches.unknown_fields, seed, "unknown"):
            shown["schedulingGate"] = {"name": "topology", "waits": [1, 2.5, None]}
        return shown

    def _part(self, value: Any, schema: Json, seed: str, name: str) -> Any:
        if isinstance(value, dict):
            return self._object(value, schema, seed) if "properties" in schema else value
        if isinstance(value, list):
            items = self._contract.resolve(schema.get("items", {}))
            return [self._part(item, items, f"{seed}/{place}", name) for place, item in enumerate(value)]
        return self._scalar(value, seed, name)

    def _scalar(self, value: Any, seed: str, name: str) -> Any:
        is_quantity = any(f"/{quantity}" in seed for quantity in _QUANTITIES)
        if is_quantity and isinstance(value, str) and is_hit(self._switches.odd_quantities, seed, "quantity"):
            return _ODD_QUANTITIES[zlib.crc32(seed.encode()) % len(_ODD_QUANTITIES)]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and is_hit(self._switches.numbers_as_text, seed, name):
            return str(value)
        is_digits = isinstance(value, str) and _NUMBER.fullmatch(value)
        if is_digits and is_hit(self._switches.text_as_numbers, seed, name):
            return float(value) if "." in value else int(value)
        return value


def is_hit(share: float, seed: str, what: str) -> bool:
    """Whether chance, the same at every reading, strikes what the seed stands for."""
    return share > 0 and zlib.crc32(f"{what}:{seed}".encode()) / 2**32 < share


def _broken(payload: Json, how: int) -> Any:
    without_id = {name: value for name, value in payload.items() if name != "id"}
    return (None, "pod", without_id, payload | {"id": ["not", "an", "id"]})[how]
