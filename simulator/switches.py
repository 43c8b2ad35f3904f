"""Everything about the real control plane that is not known, or feared, as a switch.

The defaults are the most likely behaviour. Shares are probabilities from 0 to 1, decided by a hash of pod and field, so
that the same pod looks the same in every answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import orjson

from simulator.instants import Style


@dataclass(frozen=True)
class Fault:
    """A disturbance of the requests whose path matches; it comes before anything else is looked at."""

    # Searched in the request's path.
    path: str = ""
    # status: the error body; html: an ingress's page; truncated: JSON that stops half-way in a whole response;
    # reset: the connection breaks, no answer; cut: it breaks within the body; timeout: no answer for `seconds`;
    # redirect: 307 to `location`; huge: a body of `size` bytes; bomb: the same, compressed; stall: half of the body,
    # and then silence for `seconds`. What there would have been: gzip: compressed; garbled: with bytes that are no
    # UTF-8; relabelled: under `status` and `content_type`.
    kind: Literal[
        "status",
        "html",
        "truncated",
        "reset",
        "cut",
        "timeout",
        "redirect",
        "huge",
        "bomb",
        "stall",
        "gzip",
        "garbled",
        "relabelled",
    ] = "status"
    status: int = 503
    # Let so many matching requests pass first, then disturb at most `times` (None: no end), each with `probability`.
    after: int = 0
    times: int | None = None
    probability: float = 1.0
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    seconds: float = 3600.0
    location: str = "http://elsewhere.invalid/"
    size: int = 300_000_000
    content_type: str = "application/json"


@dataclass(frozen=True)
class Switches:
    """How the simulated control plane behaves where the contract leaves it open, and what goes wrong."""

    # Lists and counts without `deleted`: do they include deleted pods?
    plain_list_has_deleted: bool = False
    # `next` on the last page: left out, null or 0.
    next_at_end: Literal["absent", "null", "zero"] = "absent"
    # Rows with equal sort keys: always in one order, in the reverse of it, or in another order at every request.
    ties: Literal["stable", "reversed", "shuffled"] = "stable"
    # How long a deleted pod can still be read.
    purge_days: float = 14.0
    # Does `updatedAt` move when a pod is deleted?
    deletion_is_update: bool = True
    # Do lists of deleted pods give `deletedAt`?
    shows_deleted_at: bool = True
    # Are `allocatedResources` still there when a pod is over?
    keeps_allocation: bool = False
    # Displayed instants: fraction digits, `T` and zone or a space and none, trailing zeros dropped as Go does.
    fraction_digits: int = 3
    timestamp_style: Style = "T"
    trims_zeros: bool = False
    # Fields that are null are left out, as Go's omitempty does.
    omits_nulls: bool = False
    # Share of nullable fields that are null, and of optional fields that are left out, whatever their value.
    nulls: float = 0.0
    absences: float = 0.0
    # Share of objects with a field that no contract knows, and of pods in a phase that Kubernetes does not.
    unknown_fields: float = 0.0
    unknown_phases: float = 0.0
    # Share of numbers that come as text, of texts full of digits that come as numbers, and of odd quantities ("0B").
    numbers_as_text: float = 0.0
    text_as_numbers: float = 0.0
    odd_quantities: float = 0.0
    # Share of pods whose row cannot be read at all: not an object, without an id, with a createdAt that is no instant.
    broken_rows: float = 0.0
    # Share of pods that every list shows twice, once as they are and once with an older `updatedAt` and another phase.
    twins: float = 0.0
    # Projects that the service account may not see; lists are narrowed without a word.
    hidden_projects: tuple[str, ...] = ()
    # Do counts include the pods of those projects all the same?
    counts_hidden: bool = False
    # Operations that answer 403, by their id in the contract, such as `count_pods`; `all` for every one.
    forbidden: tuple[str, ...] = ()
    # Are the profiling metrics switched on by the administrator, and what happens to a request for them if not?
    advanced_metrics: bool = False
    advanced_outcome: Literal["omit", "207", "400"] = "omit"
    # Share of metric requests answered 207 with a part of the types missing, anew at every request.
    partial_metrics: float = 0.0
    # The most types, and the most samples of each, that one request may ask for, however many the contract allows.
    most_metric_types: int = 9
    most_metric_samples: int = 1_000
    # Types without samples in the window: `values: []`, `values: null`, or no measurement at all.
    empty_series: Literal["empty", "null", "omit"] = "empty"
    # N samples come as N or as N+1 points.
    samples_include_end: bool = False
    # How old a sample may be; None: all are kept. And are the metrics of deleted pods still served?
    metric_retention_days: float | None = None
    metrics_of_deleted: bool = True
    # Share of samples whose value is no number ("NaN").
    nan_samples: float = 0.0
    # Tokens: JWT or opaque, valid for so many seconds of the real clock or of the world's.
    token_style: Literal["jwt", "opaque"] = "jwt"
    token_lifetime: float = 86_400.0
    token_clock: Literal["real", "world"] = "real"
    # Does the v1 token answer say `expiresIn`? None: as the version's contract has it.
    tells_expiry: bool | None = None
    # Token paths served (None: all that the version has), and the grants that they accept (None: likewise).
    token_paths: tuple[str, ...] | None = None
    grants: tuple[str, ...] | None = None
    # The answer to wrong credentials.
    refusal_status: Literal[400, 401] = 401
    # Seconds in which the deprecated endpoint counts its epochs: 1, or 0.001 for milliseconds.
    epoch_unit: float = 1.0
    # Seconds before each answer, and further seconds of chance on top.
    latency: float = 0.0
    jitter: float = 0.0
    # Requests under way at once beyond this number are answered 429.
    most_in_flight: int | None = None
    faults: tuple[Fault, ...] = ()

    @classmethod
    def of(cls, settings: dict[str, str]) -> Switches:
        """Switches out of `name: value` texts, values in JSON or bare; an unknown name or value is a ValueError."""
        known = {one.name for one in fields(cls)}
        if unknown := settings.keys() - known:
            raise ValueError(f"no switch {min(unknown)!r}; there are {', '.join(sorted(known))}")
        return cls(**{name: _value(name, text) for name, text in settings.items()})


def _value(name: str, text: str) -> Any:
    default, hint = getattr(Switches, name), get_type_hints(Switches)[name]
    if get_origin(hint) is Literal:
        named = {str(choice): choice for choice in get_args(hint)}
        if text not in named:
            raise ValueError(f"switch {name} is one of {', '.join(named)}, not {text!r}")
        return named[text]
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = text
    if name == "faults":
        return tuple(Fault(**fault) for fault in value)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if default is not None and not isinstance(default, tuple) and type(value) is not type(default):
        raise ValueError(f"switch {name} is like {default!r}, not {text!r}")
    return tuple(value) if isinstance(value, list) else value
