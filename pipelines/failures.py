"""From an exception to one sentence and an exit code.

Libraries wrap what they raise, often several times, so the whole chain of causes is looked through for the first
error that says something to the user.
"""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipelines.lock import LockHeld
from pipelines.settings import DISK_FULL, UsageError
from pipelines.stopping import INTERRUPTED

FAILED = 1
USAGE = 2
STALE = 3
LOCKED = 4

_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
# What DuckDB says, and what it means for whoever reads it. `{file}` is the file that DuckDB names, if it names one.
_DUCKDB = (
    (
        r"No space left|File too large|not enough space|max_temp_directory_size",
        "the disk is full ({file}): free some space and run again; nothing committed is lost",
    ),
    (r"Could not set lock.*\((PID \d+)\)", "{file} is open in another program ({0}): close it there and run again"),
    (
        r"Trying to read a database file with (?:storage )?version",
        "{file} was written by another version of DuckDB: upgrade duckdb",
    ),
    (r"not a valid DuckDB database", "{file} is not a DuckDB database: move it away and run again"),
    (
        r"Corrupt database|Could not read enough bytes",
        "{file} is damaged: restore it from a backup, or move it away and run again to read what the API still offers",
    ),
    (
        r"^Out of Memory Error",
        "the build ran out of memory, with all that it takes: report it; nothing that was read is lost",
    ),
    (r"Permission denied|Read-only file system", "no permission to write {file}: mend it or choose another --data-dir"),
)

_BOTO: Final = "botocore.exceptions"
# HEAD has a status in place of a code, and what is raised before S3 is asked has a name.
_S3_REFUSALS: Final = {
    *("403", "AccessDenied", "AllAccessDisabled", "AccountProblem", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    *("ExpiredToken", "InvalidToken", "TokenRefreshRequired"),
    *("NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError"),
}


@dataclass(frozen=True)
class Failure:
    """What to tell: one sentence, and the exit code."""

    sentence: str
    code: int


def explain(error: BaseException) -> Failure:
    """The first thing in the chain of causes that can be told to the user in their own words."""
    for cause in causes(error):
        if isinstance(cause, UsageError):
            return Failure(str(cause), USAGE)
        failure = known(cause)
        if failure is not None:
            return Failure(_one_line(failure.sentence), failure.code)
    text = _one_line(f"unexpected {type(error).__name__}: {str(error) or 'no message'}")
    return Failure(f"{text} Run again with --debug to see where, and report it.", FAILED)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, then its causes from the outside in, members of groups included; each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            waiting.extend(current.exceptions)
        inner = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        if inner is not None:
            waiting.append(inner)


def known(error: BaseException) -> Failure | None:
    """What to tell of this one error, its causes left aside; None where it says nothing to the user."""
    if isinstance(error, LockHeld):
        return Failure(str(error), LOCKED)
    if isinstance(error, KeyboardInterrupt):
        return Failure(INTERRUPTED.format("interrupted"), FAILED)
    if (bucket := _of_bucket(error)) is not None:
        return bucket
    if isinstance(error, OSError):
        # What S3 refuses, s3fs calls by the names of errors of a disk.
        return None if _of_bucket(error.__cause__) else _operating_system(error)
    return _of_package(error)


def _operating_system(error: OSError) -> Failure | None:
    where = str(error.filename or "the data directory")
    if error.filename and not Path(where).is_absolute():
        where = f"{where} in the data directory"
    if error.errno in DISK_FULL:
        return Failure(f"the disk is full ({where}): free some space and run again; nothing committed is lost.", FAILED)
    if error.errno in _NOT_OURS:
        return Failure(f"cannot use {where}: {error.strerror}; mend it or choose another --data-dir.", USAGE)
    return None


def _of_package(error: BaseException) -> Failure | None:
    """Errors of packages that may not be imported yet: what was never imported cannot have raised."""
    if _is(error, "sources.runai.errors", "ConfigurationError"):
        return Failure(str(error), USAGE)
    if _is(error, "sources.runai.errors", "RunaiError"):
        return Failure(str(error), FAILED)
    if _is(error, "transforms.errors", "TransformError"):
        return Failure(f"{error}; what was published before stays as it is.", FAILED)
    if _is(error, "dlt.common.configuration.exceptions", "ConfigurationException"):
        return Failure(f"configuration: {error}", USAGE)
    if _is(error, "duckdb", "Error"):
        return _duckdb(str(error))
    return None


def _of_bucket(error: BaseException | None) -> Failure | None:
    """By type and S3's error code alone: the words may hold a key."""
    if _is(error, _BOTO, "ConnectionError") or _is(error, _BOTO, "HTTPClientError"):
        told = (
            f"the bucket cannot be reached ({type(error).__name__}): check endpoint_url under "
            "[destination.filesystem.credentials], the network and the proxy"
        )
    elif _is(error, _BOTO, "ClientError") or _is(error, _BOTO, "BotoCoreError"):
        response = getattr(error, "response", {"Error": {"Code": type(error).__name__}})
        told = _refusal(str(response.get("Error", {}).get("Code")))
    else:
        return None
    return Failure(f"{told}; nothing committed is lost.", FAILED)


def _refusal(code: str) -> str:
    if code == "NoSuchBucket":
        return "the bucket does not exist: check bucket_url, or have it created"
    if code in _S3_REFUSALS:
        return (
            f"the bucket refuses these credentials ({code}): check them under [destination.filesystem.credentials], "
            "whether they have expired, and their right to list, read, write and delete there"
        )
    return (
        f"the bucket cannot be used ({code}): check endpoint_url, region_name and credentials under "
        "[destination.filesystem.credentials], or run again later"
    )


def _duckdb(text: str) -> Failure | None:
    named = re.search(r'file "([^"]+)"', text)
    for pattern, sentence in _DUCKDB:
        found = re.search(pattern, text, re.IGNORECASE | re.DOTALL)
        if found:
            name = named[1] if named else "a DuckDB file of the data directory (warehouse.duckdb, most likely)"
            return Failure(f"{sentence.format(*found.groups(), file=name)}.", FAILED)
    return None


def _is(error: BaseException | None, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(error, kind)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if line.endswith((".", "!", "?")) else f"{line}."
