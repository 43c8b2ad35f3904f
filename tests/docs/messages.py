"""Every sentence that the program may say to its operator, found in the code: of each, the parts that never change."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cyclopts import CycloptsError

from pipelines import cli, failures
from pipelines.settings import ROOT
from sources.runai import refusals
from transforms import audit, errors

ROOMS: Final = ("pipelines", "sources", "transforms")
# What ends a command by way of `failures`, and what is a warning in the summary.
ERRORS: Final = {
    *("UsageError", "LockHeld", "Failure", "ConfigurationError", "ApiError", "SignInError", "PermissionDenied"),
    *("NotFound", "BadRequest", "Unavailable", "BrokenAnswer"),
    # What is wrong with a model, its author is told, and no operator.
    *(name for name, kind in vars(errors).items() if isinstance(kind, type) and kind is not errors.ModelError),
}
WARNINGS: Final = {"warn", "warning", "append", "insert"}
# What these show are messages all of it: findings, and lines of a status.
SHOWN: Final = ("pipelines/check.py", "pipelines/status.py")
# A call of each kind that the command line itself refuses: these sentences are the package's that reads it, or ours.
REFUSED: Final = ("rnu", "--bogus", "--resolution x", "--progress loud", "run --since", "--since 1 --since 2")
_SHORTEST: Final = 12


def messages() -> dict[str, str]:
    """Where each message is, and the longest part of it without a placeholder."""
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for line, text in _of_module(path):
                found[f"{path.relative_to(ROOT)}:{line}"] = text
    for name in SHOWN:
        for text in _in_functions(ROOT / name):
            found[f"{name} {text}"] = text
    for arguments, sentence in of_command_line().items():
        found[f"pipelines/cli.py {arguments}"] = _longest(re.split(r"--[a-z-]+|\"[^\"]*\"|'[^']*'", sentence))
    for number, (_, sentence) in enumerate(failures._DUCKDB):
        found[f"failures._DUCKDB {number}"] = _longest(re.split(r"\{\w+\}", sentence))
    for status, (_, advice) in {**refusals.MEANINGS, **refusals.MEANINGS_BY_CLASS}.items():
        found[f"refusals {status}"] = advice
    found["refusals.NOT_IN_CONTRACT"] = refusals.NOT_IN_CONTRACT[1]
    found["refusals._redirect_advice"] = refusals._redirect_advice("").partition("; ")[2]
    # What stops a publication is one message, with the test's own words in it.
    for test in (test for test in audit.data_tests() if test.severity != "error"):
        found[f"transforms/tests/{test.name}.sql"] = test.message
    return {place: " ".join(text.split()) for place, text in found.items()}


def of_command_line() -> dict[str, str]:
    """What is said to calls that are refused before any command begins, by their arguments."""
    found = {}
    for arguments in REFUSED:
        try:
            cli.app.parse_args(arguments.split(), exit_on_error=False, print_error=False)
        except CycloptsError as error:
            found[arguments] = cli._words(error)
    return found


def _of_module(path: Path) -> Iterator[tuple[int, str]]:
    module = ast.parse(path.read_text())
    for node in ast.walk(module):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in ERRORS or (name in WARNINGS and _is_warning(node)):
            for said in _values(module, node.args[1] if name == "insert" else node.args[0]):
                text = _longest(_constants(said))
                if len(text) >= _SHORTEST:
                    yield said.lineno, text


def _values(module: ast.Module, said: ast.expr) -> list[ast.expr]:
    """What is said: the expression itself, or of a name all that the module assigns to it."""
    if not isinstance(said, ast.Name):
        return [said]
    assigned = [node for node in ast.walk(module) if isinstance(node, ast.Assign)]
    return [node.value for node in assigned for to in node.targets if isinstance(to, ast.Name) and to.id == said.id]


def _in_functions(path: Path) -> Iterator[str]:
    """Every text of some words, but docstrings and formats."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            inside = [node for statement in function.body for node in ast.walk(statement)]
            joined = [node for node in inside if isinstance(node, ast.JoinedStr)]
            parts = {part for node in joined for part in ast.walk(node) if part is not node}
            whole = [node for node in inside if isinstance(node, ast.JoinedStr | ast.Constant) and node not in parts]
            docstring = function.body[0].value if isinstance(function.body[0], ast.Expr) else None
            texts = [_longest(_constants(node)) for node in whole if node is not docstring]
            yield from (text for text in texts if " " in text and len(text) >= _SHORTEST)


def _is_warning(node: ast.Call) -> bool:
    """`warn(…)`, `….warn(…)`, what goes to the log as one, and what `warnings_of` adds to what is `said`."""
    if isinstance(node.func, ast.Name):
        return node.func.id == "warn"
    of = node.func.value if isinstance(node.func, ast.Attribute) else None
    return isinstance(of, ast.Name | ast.Attribute) and ast.unparse(node.func).split(".")[-2:][0] in {
        "said",
        "report",
        "_report",
        "reading",
        "_LOG",
    }


def _constants(node: ast.expr) -> list[str]:
    """The constant parts of a text, in order; what is put between them is left out."""
    if isinstance(node, ast.Constant):
        return re.split(r"%[sd]", node.value) if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        return [part.value for part in node.values if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    if isinstance(node, ast.BinOp):
        return [*_constants(node.left), *_constants(node.right)]
    return []


def _longest(parts: list[str]) -> str:
    return max(parts, key=len, default="").strip(" .;:,()\"'")
