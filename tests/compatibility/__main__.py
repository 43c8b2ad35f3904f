"""`python -m tests.compatibility lowest`: tests with the oldest allowed version of every package that is asked for.

`newest` is for the newest ones, and fails where the packages hold each other back: the newest major version that
`pyproject.toml` allows and the registry has must be there. What follows is for pytest, in place of the tests that the
packages can touch:

    python -m tests.compatibility newest tests -n 2

Warnings are errors in these tests too, so a call that the newest versions warn of turns them red; those that DuckDB 2
removed are named in `tests/test_house.py`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT: Final = Path(__file__).parents[2]
# All that the packages can touch; of what takes runs by the dozen, a part.
TESTS: Final = (
    *("tests/compatibility", "tests/notebooks", "tests/pipelines", "tests/sources", "tests/transforms"),
    "tests/behaviour/test_runs.py",
    "tests/behaviour/test_crashes.py::test_a_load_that_was_cut_short_is_finished_first",
    "tests/behaviour/test_prune.py::test_old_generations_and_leavings_go_and_the_rest_stays",
)
OPTIONS: Final = ("-n", "3", "--dist", "worksteal", "-m", "not pinned")


def asked_for(project: Path) -> list[Requirement]:
    """Everything that users install."""
    asked = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    extras = (lines for extra, lines in asked["optional-dependencies"].items() if extra != "dev")
    return [Requirement(line) for line in (*asked["dependencies"], *(line for lines in extras for line in lines))]


def lowest(project: Path) -> Iterator[str]:
    """The lower bound of everything that users install, as constraints for pip."""
    for requirement in asked_for(project):
        for bound in requirement.specifier:
            if bound.operator in {">=", "=="}:
                yield f"{requirement.name}=={bound.version}"


def newest(_project: Path) -> Iterable[str]:
    """No constraint: pip takes the newest that is allowed."""
    return ()


# There is one of each a day, and pip tries hundreds before it finds two that go together.
_HELD: Final = {"aiobotocore", "botocore"}


def pinned(requirements: Path) -> Iterator[str]:
    """The pins of packages that nobody asked for and that would take longer to find than the tests take to run."""
    for line in requirements.read_text(encoding="utf-8").splitlines():
        pin = line.removesuffix(" \\")
        if pin.partition("==")[0] in _HELD:
            yield pin


ENVIRONMENTS: Final[dict[str, Callable[[Path], Iterable[str]]]] = {"lowest": lowest, "newest": newest}


def held_back(
    asked: Iterable[Requirement], installed: Mapping[str, str], offered: Callable[[str], Iterable[str]]
) -> Iterator[str]:
    """Say which packages are not of the newest major version that is allowed, of those that the registry offers."""
    for requirement in asked:
        allowed = [version for version in map(Version, offered(requirement.name)) if version in requirement.specifier]
        found = Version(installed[canonicalize_name(requirement.name)])
        if not allowed or found.major < max(allowed).major:
            yield f"{requirement.name}: {found}, and {max(allowed, default='nothing on the registry')} is allowed"


def run(which: str, arguments: list[str]) -> int:
    """Make an environment in a folder of its own, and return what pytest ended with in it."""
    with tempfile.TemporaryDirectory(prefix=f"{which}-") as scratch:
        constraints, python = Path(scratch) / "constraints.txt", Path(scratch) / "venv" / "bin" / "python"
        held = [*ENVIRONMENTS[which](ROOT / "pyproject.toml"), *pinned(ROOT / "requirements.txt")]
        constraints.write_text("\n".join(held), encoding="utf-8")
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
        install = [*pip, "install", "--constraint", str(constraints), "--editable", f"{ROOT}[dev]"]
        made = subprocess.run(install, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if made.returncode:
            # With less of its chatter, pip does not say which versions exclude each other.
            print(made.stdout, file=sys.stderr)
            return made.returncode
        frozen = (line.partition("==") for line in _said([*pip, "freeze"]).splitlines())
        installed: dict[str, str] = {canonicalize_name(name): version for name, _, version in frozen}
        asked = asked_for(ROOT / "pyproject.toml")
        versions = [f"{one.name} {installed[canonicalize_name(one.name)]}" for one in asked]
        print(f"{which}:", ", ".join(versions), flush=True)
        if which == "newest":
            behind = list(held_back(asked, installed, lambda name: _offered(pip, name)))
            print(*(f"held back: {line}" for line in behind), sep="\n", end="", flush=True)
            if behind:
                return 1
        command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *(arguments or [*OPTIONS, *TESTS])]
        return subprocess.run(command, cwd=ROOT, check=False).returncode


def _offered(pip: list[str], name: str) -> list[str]:
    """The versions that pip sees of a package, those for this Python alone and no pre-releases."""
    said = _said([*pip, "index", "versions", name])
    return re.findall(r"[^\s,]+", said.partition("Available versions:")[2].partition("\n")[0])


def _said(command: list[str]) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main(words: list[str]) -> int:
    """Run what the words say; 2 if they name no environment."""
    if not words or words[0] not in ENVIRONMENTS:
        print(__doc__, file=sys.stderr)
        return 2
    return run(words[0], words[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
