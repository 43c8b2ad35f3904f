"""What a control plane turns out to grant while metrics are read: how much in one request, and which types at all.

Neither is documented, so a refusal is looked into once, by smaller requests, and what is found holds for the run.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Final

from sources.runai.catalogue import CATALOGUE
from sources.runai.client import Reply
from sources.runai.errors import ApiError, BadRequest, SignInError
from sources.runai.reading.measurements import Measurements
from sources.runai.reading.windows import MOST_SAMPLES, MOST_TYPES, Window

ENOUGH_BLANKS: Final = 3
"""Pods without a profiling type, though samples could be expected, after which it counts as switched off."""

Answer = tuple[Window, Reply[Measurements] | ApiError]
Get = Callable[[Window], Reply[Measurements]]


class MetricLimits:
    """Cuts windows to what is granted, and learns from what is refused or left out. Thread-safe."""

    def __init__(self) -> None:
        self.most_types = MOST_TYPES
        self.most_samples = MOST_SAMPLES
        self._refused: dict[str, ApiError] = {}
        self._told: set[str] = set()
        self._served: set[str] = set()
        # By type, the pods that came without it.
        self._blanks: defaultdict[str, set[str]] = defaultdict(set)
        # The most that was granted, of samples by resolution: a limit is never below it.
        self._granted_types = 1
        self._granted_samples: Counter[int] = Counter()
        # What was refused down to single types and samples.
        self._hopeless: set[tuple[str, tuple[str, ...]]] = set()
        self._guard = threading.RLock()

    @property
    def off(self) -> frozenset[str]:
        """Types that are not asked for any more in this run."""
        with self._guard:
            silent = {name for name, blanks in self._blanks.items() if len(blanks) >= ENOUGH_BLANKS}
            return frozenset((silent - self._served) | self._refused.keys())

    def ask(self, window: Window, get: Get) -> list[Answer]:
        """Ask for a window, in as many requests as it takes; types that are off are left out.

        A request that `get` raises ApiError for is an answer too; a refusal is first looked into.

        Raises:
            SignInError: the credentials are refused.
        """
        answers: list[Answer] = []
        waiting = [window]
        while waiting:
            part = waiting.pop(0)
            granted = self._cut(part)
            if granted != [part]:
                waiting[:0] = granted
                continue
            try:
                reply = get(part)
            except SignInError:
                raise
            except BadRequest as error:
                smaller = self._look_into(part, error, get)
                if smaller == [part]:
                    answers.append((part, error))
                else:
                    waiting[:0] = smaller
            except ApiError as error:
                answers.append((part, error))
            else:
                self._learn(part, reply.body.returned)
                answers.append((part, reply))
        return answers + self._refusals(window)

    def is_off(self, name: str) -> bool:
        """Whether a type that an answer leaves out may be switched off for good, rather than missing this once."""
        return name in self._refused or (CATALOGUE[name].is_profiling and name not in self._served)

    def _cut(self, window: Window) -> list[Window]:
        off = self.off
        types = [name for name in window.types if name not in off]
        return [
            stretch.of_types(types[first : first + self.most_types])
            for stretch in window.stretches(self.most_samples)
            for first in range(0, len(types), self.most_types)
        ]

    def _learn(self, window: Window, returned: Collection[str]) -> None:
        with self._guard:
            self._served.update(returned)
            self._granted_types = max(self._granted_types, len(window.types))
            self._granted_samples[window.resolution] = max(self._granted_samples[window.resolution], window.samples)
            if window.expected:
                self._blank(window, [name for name in window.types if name not in returned])

    def _blank(self, window: Window, types: Sequence[str]) -> None:
        for name in types:
            if self.is_off(name):
                self._blanks[name].add(window.target.pod_id)

    def _refusals(self, window: Window) -> list[Answer]:
        """Return the types of the window that were refused, each once a run."""
        with self._guard:
            news = [name for name in window.types if name in self._refused and name not in self._told]
            self._told.update(news)
            return [(window.of_types([name]), self._refused[name]) for name in news]

    def _look_into(self, window: Window, error: BadRequest, get: Get) -> list[Window]:
        """Find out why a request was refused; return what to ask instead, the window itself where nothing helps."""
        with self._guard:
            granted = self._cut(window)
            if granted != [window]:
                # Another thread has found out meanwhile.
                return granted
            try:
                return self._diagnose(window, error, get)
            except SignInError:
                raise
            except ApiError:
                # Nothing was found out, and the refusal is the answer.
                return [window]

    def _diagnose(self, window: Window, error: BadRequest, get: Get) -> list[Window]:
        case = (window.target.pod_id, window.types)
        if case in self._hopeless:
            return [window]
        shortest = window.stretches(1)[0]
        granted = self._granted_samples[window.resolution]
        if window.samples > max(granted, 1) and _is_granted(shortest, get):
            self.most_samples = max(granted, window.samples // 2)
            return self._cut(window)
        lone = [name for name in window.types if not _is_granted(shortest.of_types([name]), get)]
        others = [name for name in window.types if name not in lone]
        if not others:
            # It may be the pod.
            self._hopeless.add(case)
            self._blank(window, lone)
            return [window]
        if lone:
            self._refused |= {name: error for name in lone if name not in self._served}
            return [window.of_types(others), window.of_types(lone)]
        if len(window.types) > self._granted_types:
            self.most_types = max(self._granted_types, math.ceil(len(window.types) / 2))
        return self._cut(window)


def _is_granted(window: Window, get: Get) -> bool:
    try:
        get(window)
    except BadRequest:
        return False
    return True
