"""`python -m tests.compatibility lowest`: tests with the oldest allowed version of every package that is asked for.

`newest` is for the newest ones. What follows is for pytest, in place of the tests that go through the whole program:

    python -m tests.compatibility newest tests -n 2
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parents[2]
TESTS: Final = (
    *("tests/behaviour/test_runs.py", "tests/compatibility", "tests/sources/test_over_http.py"),
    *("tests/transforms/test_publish.py", "tests/transforms/report/test_publication.py"),
)
SHOWN: Final = ("dlt", "duckdb", "httpx", "pandas", "pyarrow", "sqlglot")


def lowest(project: Path) -> Iterator[str]:
    """The lower bound of everything that users install, as constraints for pip."""
    asked = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    extras = (lines for extra, lines in asked["optional-dependencies"].items() if extra != "dev")
    for line in (*asked["dependencies"], *(line for lines in extras for line in lines)):
        requirement = Requirement(line)
        for bound in requirement.specifier:
            if bound.operator in {">=", "=="}:
                yield f"{requirement.name}=={bound.version}"


def newest(_project: Path) -> Iterable[str]:
    """No constraint: pip takes the newest that is allowed."""
    return ()


ENVIRONMENTS: Final[dict[str, Callable[[Path], Iterable[str]]]] = {"lowest": lowest, "newest": newest}


def run(which: str, arguments: list[str]) -> int:
    """Make an environment in a folder of its own, and return what pytest ended with in it."""
    with tempfile.TemporaryDirectory(prefix=f"{which}-") as scratch:
        constraints, python = Path(scratch) / "constraints.txt", Path(scratch) / "venv" / "bin" / "python"
        constraints.write_text("\n".join(ENVIRONMENTS[which](ROOT / "pyproject.toml")), encoding="utf-8")
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-qq"]
        subprocess.run([*pip, "install", "--constraint", str(constraints), "--editable", f"{ROOT}[dev]"], check=True)
        found = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True).stdout.splitlines()
        print(
            f"{which}:", *(line for line in found if line.startswith(tuple(f"{name}==" for name in SHOWN))), flush=True
        )
        command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *(arguments or ["-n", "3", *TESTS])]
        return subprocess.run(command, cwd=ROOT, check=False).returncode


def main(words: list[str]) -> int:
    """Run what the words say; 2 if they name no environment."""
    if not words or words[0] not in ENVIRONMENTS:
        print(__doc__, file=sys.stderr)
        return 2
    return run(words[0], words[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
