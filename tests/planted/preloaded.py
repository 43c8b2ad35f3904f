"""Runs pytest in forks of itself, so that packages which take seconds to import are imported once.

`python -P preloaded.py PACKAGE…`, in the folder of the tests, takes lines like {"arguments": […], "seconds": n}, and
answers each with {"code": n, "output": "…"}; a code below zero says that pytest was ended by a signal, or hung. Nothing
of the project is imported before a fork: that is where the defect is.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
import traceback
from importlib import import_module
from typing import NoReturn


def run(arguments: list[str], seconds: float) -> tuple[int, str]:
    """Let a fork run pytest for so many seconds at most; its exit code, and all that it wrote."""
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            _become_pytest(arguments, output.fileno())
        code = _wait(child, time.monotonic() + seconds)
        output.seek(0)
        return code, output.read().decode(errors="replace")


def _become_pytest(arguments: list[str], output: int) -> NoReturn:
    code = 70
    try:
        # A group of its own, so that nothing which it starts outlives it.
        os.setsid()
        for number, source in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
            os.dup2(source, number)
        import pytest

        code = pytest.main(arguments)
    except BaseException:  # noqa: BLE001 - what pytest did not catch belongs into its output, not into this process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int, until: float) -> int:
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGALRM


def main() -> None:
    """Answer until there is nothing more to read."""
    with tempfile.TemporaryDirectory(prefix="planted-home-") as home:
        # dlt reads them as it is imported.
        os.environ |= {"DLT_PROJECT_DIR": home, "DLT_DATA_DIR": home, "RUNTIME__DLTHUB_TELEMETRY": "false"}
        for name in sys.argv[1:]:
            import_module(name)
        for line in sys.stdin:
            code, output = run(**json.loads(line))
            print(json.dumps({"code": code, "output": output}), flush=True)


if __name__ == "__main__":
    main()
