"""Plants one defect at a time into a copy of the tree and runs the test that must notice."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

HANG_SECONDS = 180
SLOW = (
    *("dlt", "dlt.pipeline.pipeline", "dlt.sources.helpers.requests", "duckdb", "pyarrow.dataset", "pyarrow.json"),
    *("cryptography.x509", "httpx", "hypothesis.strategies", "jinja2", "jwt", "pytest", "sqlglot", "uvicorn"),
)
_PRELOADED = Path(__file__).with_name("preloaded.py")


@dataclass(frozen=True)
class Defect:
    """One mutation: `find` becomes `replace` in `file`, and `test` must go red."""

    part: str
    name: str
    file: str
    find: str
    replace: str
    test: str


@dataclass(frozen=True)
class Verdict:
    """What became of a defect: caught, or why that could not be shown."""

    defect: Defect
    caught: bool
    reason: str
    seconds: float = 0.0


def load(folder: Path, words: Sequence[str] = ()) -> list[Defect]:
    """The defects of every JSON list in the folder, narrowed to parts or names that hold one of the words."""
    found = [Defect(part=path.stem, **entry) for path in sorted(folder.glob("*.json")) for entry in _entries(path)]
    return [d for d in found if not words or any(word == d.part or word in d.name for word in words)]


def hunt(
    root: Path, defects: Sequence[Defect], workers: int = 3, *, is_green: bool = False, slow: Sequence[str] = SLOW
) -> Iterator[Verdict]:
    """Plant each defect in a copy of `root`, `workers` at a time; verdicts in order of the defects.

    `is_green` says that the tests have just been seen to pass without any defect, so that they are not run again.
    `slow` names what is imported once, before the first test.

    Raises:
        RuntimeError: a named test is red without any defect, or the copy is not what a test would import.
    """
    with _copies(root, workers) as copies, ExitStack() as stack, ThreadPoolExecutor(workers) as pool:
        benches = [stack.enter_context(bench(copy, slow)) for copy in copies]
        list(pool.map(_require_own, copies))
        list(pool.map(_compile, copies))
        if not is_green:
            tests = sorted({d.test for d in defects})
            list(pool.map(_require_green, benches, [tests[part::workers] for part in range(workers)]))
        free: SimpleQueue[Bench] = SimpleQueue()
        for one in benches:
            free.put(one)

        def plant_in_a_free_copy(defect: Defect) -> Verdict:
            one = free.get()
            try:
                return plant(one, defect)
            finally:
                free.put(one)

        yield from pool.map(plant_in_a_free_copy, defects)


@dataclass(frozen=True)
class Bench:
    """A copy of the tree, and a process that runs pytest in it."""

    copy: Path
    process: subprocess.Popen[str]

    def pytest(self, tests: list[str]) -> tuple[int, str]:
        """The exit code of these tests, and all that pytest wrote."""
        options = [
            "-q",
            "--no-header",
            "--tb=short",
            "-p",
            "no:cacheprovider",
            "-p",
            "pytest_timeout",
            "-o",
            "timeout=60",
        ]
        asked = {"arguments": [*options, *tests], "seconds": HANG_SECONDS * len(tests)}
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the process that runs pytest has no pipes")
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["code"], answer["output"]


@contextmanager
def bench(copy: Path, slow: Sequence[str]) -> Iterator[Bench]:
    """Keep a process for the tests of a copy, which ends with the block."""
    command = [sys.executable, "-P", str(_PRELOADED), *slow]
    # pytest clears away what earlier ones left: two that do so in one folder trip over each other.
    with tempfile.TemporaryDirectory(prefix="planted-scratch-", ignore_cleanup_errors=True) as scratch:
        environment = _environment(copy) | {"TMPDIR": scratch}
        with subprocess.Popen(
            command, cwd=copy, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            yield Bench(copy, process)


def plant(on: Bench, defect: Defect) -> Verdict:
    """Mutate the copy, run the test, put the file back."""
    started, path = time.monotonic(), on.copy / defect.file
    if not path.is_file():
        return Verdict(defect, caught=False, reason="no such file")
    original = path.read_bytes()
    occurrences = original.decode().count(defect.find)
    if occurrences != 1:
        return Verdict(defect, caught=False, reason=f"`find` occurs {occurrences} times")
    try:
        path.write_bytes(original.decode().replace(defect.find, defect.replace).encode())
        code, output = on.pytest([defect.test])
        if code < 0:
            # The fork died or hung: maybe for no reason of the defect's.
            code, output = on.pytest([defect.test])
        caught, reason = _judge(code, output)
    finally:
        path.write_bytes(original)
    return Verdict(defect, caught, reason, time.monotonic() - started)


def _entries(path: Path) -> list[dict[str, str]]:
    entries: list[dict[str, str]] = json.loads(path.read_text())
    return entries


def _judge(code: int, output: str) -> tuple[bool, str]:
    """Only a test that ran and failed has noticed; one that could not be collected or set up has not."""
    last = output.strip().splitlines()[-1] if output.strip() else "no output"
    # Not the last line alone: what the interpreter says as it ends comes after it.
    if code == 1 and re.search(r"^=*\s*\d+ failed\b.* in [\d.]+s", output, re.MULTILINE):
        return True, "caught"
    return False, "NOT caught" if code == 0 else f"pytest ended with {code}: {last}"


def _require_own(copy: Path) -> None:
    command = [sys.executable, "-c", _WHERE]
    done = subprocess.run(command, cwd=copy, env=_environment(copy), capture_output=True, text=True, check=True)
    strangers = [place for place in done.stdout.split() if not Path(place).is_relative_to(copy)]
    if strangers:
        raise RuntimeError(f"tests would import {strangers[0]}, not the copy with the defect")


def _require_green(on: Bench, tests: list[str]) -> None:
    code, output = on.pytest(tests) if tests else (0, "")
    if code != 0:
        raise RuntimeError(f"red without any defect:\n{output}")


def _compile(copy: Path) -> None:
    # Held against the source by its hash: by size and second, as usual, a mutation could go unnoticed.
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "."]
    subprocess.run(command, cwd=copy, env=_environment(copy), check=True)


# Where each package of the tree comes from when a test imports it.
_WHERE = """
import importlib.util, pathlib
for init in pathlib.Path.cwd().glob("*/__init__.py"):
    print(importlib.util.find_spec(init.parent.name).origin)
"""


def _environment(copy: Path) -> dict[str, str]:
    # Plugins other than the one that is asked for would take a third of most tests' time to load.
    own = {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return {**os.environ, **own, "HYPOTHESIS_PROFILE": "planted"}


@contextmanager
def _copies(root: Path, count: int) -> Iterator[list[Path]]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    with tempfile.TemporaryDirectory(prefix="planted-") as scratch:
        copies = [Path(scratch).resolve() / str(n) for n in range(count)]
        for name in filter(None, listing.stdout.split("\0")):
            for copy in copies:
                if (root / name).is_file():
                    (copy / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(root / name, copy / name)
        yield copies
