"""From any exception to one sentence and an exit code."""

from __future__ import annotations

import errno
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ReadTimeoutError,
)
from s3fs import S3FileSystem

from pipelines.failures import explain
from pipelines.lock import Holder, LockHeld
from pipelines.run import root_cause
from pipelines.settings import UsageError
from sources.runai.errors import ConfigurationError, PermissionDenied, Unavailable
from transforms.errors import TransformError


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("--since is wrong."), 2, "--since is wrong."),
        (ConfigurationError("base_url is missing."), 2, "base_url is missing."),
        (PermissionDenied("403: give it a role.", status=403), 1, "403: give it a role."),
        (
            LockHeld(Holder(7, "node-1", "2026")),
            4,
            "another run holds the lock: pid 7 on node-1, since 2026; wait for it",
        ),
        (LockHeld(None), 4, "another run holds the lock: it has just started"),
        (TransformError("audit: 3 rows"), 1, "audit: 3 rows; what was published before stays as it is."),
        (KeyboardInterrupt(), 1, "interrupted"),
        (OSError(errno.ENOSPC, "No space left on device", "/d/x"), 1, "the disk is full (/d/x)"),
        (PermissionError(errno.EACCES, "Permission denied", "/d/x"), 2, "cannot use /d/x: Permission denied"),
        (FileExistsError(errno.EEXIST, "File exists", "/d"), 2, "cannot use /d: File exists"),
        (PermissionError(errno.EACCES, "No", "a.json"), 2, "cannot use a.json in the data directory: No"),
        (duckdb.IOException('Could not write file "/d/w": No space left on device'), 1, "the disk is full (/d/w)"),
        (duckdb.OutOfMemoryException("max_temp_directory_size exceeded"), 1, "the disk is full"),
        (
            duckdb.OutOfMemoryException("Out of Memory Error: could not allocate block (1.8 GiB/1.8 GiB used)"),
            1,
            "the build ran out of memory, with all that it takes",
        ),
        (
            ZeroDivisionError("division by zero"),
            1,
            "unexpected ZeroDivisionError: division by zero. Run again with --debug",
        ),
        (ValueError(), 1, "unexpected ValueError: no message. Run again"),
    ],
)
def test_each_failure_has_its_sentence_and_code(error: BaseException, code: int, said: str) -> None:
    failure = explain(error)
    assert (failure.code, failure.sentence[: len(said)]) == (code, said)
    assert "\n" not in failure.sentence
    assert failure.sentence.endswith(".")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EFBIG, "File too large", "/d/x"),
        duckdb.IOException('Could not write file "/d/x": File too large'),
    ],
)
def test_a_limit_on_the_size_of_files_is_a_full_disk(error: Exception) -> None:
    assert explain(error).sentence.startswith("the disk is full (/d/x)")


def s3(code: str, translated: OSError | None = None) -> BaseException:
    """What S3 refuses with this code, as botocore raises it, or as s3fs makes an error of the system's of it."""
    said = {"Error": {"Code": code, "Message": "The AWS Access Key Id AKIAC4NARY is no good"}}
    refusal: BaseException = ClientError(said, "PutObject")
    if translated is None:
        return refusal
    translated.__cause__ = refusal
    return translated


@pytest.mark.parametrize(
    ("error", "said"),
    [
        *(
            (s3(code, PermissionError(code)), f"refuses these credentials ({code})")
            for code in ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "403")
        ),
        (s3("AccessDenied"), "refuses these credentials (AccessDenied)"),
        (NoCredentialsError(), "refuses these credentials (NoCredentialsError)"),
        (s3("NoSuchBucket", FileNotFoundError("NoSuchBucket")), "does not exist: check bucket_url"),
        (s3("400", OSError(errno.EINVAL, "Bad Request")), "cannot be used (400)"),
        # Of a file of ours it would mean that it belongs to somebody else.
        (s3("MethodNotAllowed", OSError(errno.EPERM, "not allowed")), "cannot be used (MethodNotAllowed)"),
        (NoRegionError(), "cannot be used (NoRegionError)"),
        (
            EndpointConnectionError(endpoint_url="http://c4nary@127.0.0.1"),
            "cannot be reached (EndpointConnectionError)",
        ),
        (ReadTimeoutError(endpoint_url="http://c4nary@127.0.0.1"), "cannot be reached (ReadTimeoutError)"),
    ],
)
def test_what_is_wrong_with_a_bucket_is_told_without_its_keys(error: Exception, said: str) -> None:
    for raised in (error, wrapped(error), root_cause(wrapped(error))):
        failure = explain(raised)
        assert failure.sentence.startswith(f"the bucket {said}")
        assert failure.code == 1
        assert "c4nary" not in failure.sentence.lower()


def test_a_bucket_that_nobody_serves_is_told_of_as_such() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        bucket = S3FileSystem(
            key="k",
            secret="s",
            endpoint_url=f"http://127.0.0.1:{nobody.getsockname()[1]}",
            config_kwargs={"retries": {"max_attempts": 0}},
        )
        with pytest.raises(BotoCoreError) as info:
            bucket.ls("raw")
    assert explain(root_cause(wrapped(info.value))).sentence.startswith("the bucket cannot be reached (Endpoint")


def wrapped(inner: BaseException, *, hidden: bool = False) -> Exception:
    """An error as a library raises it: once `from` the inner one, then while handling that."""
    middle, outer = RuntimeError("step extract failed:\n  see above"), KeyError("pipe")
    middle.__cause__ = inner
    outer.__context__ = middle
    outer.__suppress_context__ = hidden
    return outer


def test_the_first_cause_that_says_something_is_told() -> None:
    assert explain(wrapped(Unavailable("503 after 6 attempts."))).sentence == "503 after 6 attempts."


def test_a_cause_that_was_hidden_stays_hidden() -> None:
    assert explain(wrapped(Unavailable("503."), hidden=True)).sentence.startswith("unexpected KeyError")


def test_members_of_groups_are_looked_at() -> None:
    group = ExceptionGroup("two", [ValueError("x"), wrapped(OSError(errno.ENOSPC, "full", "/d"))])
    assert explain(group).sentence.startswith("the disk is full (/d)")


def test_the_outer_of_two_telling_errors_wins() -> None:
    error = ConfigurationError("the CA bundle cannot be read.")
    error.__cause__ = PermissionError(errno.EACCES, "Permission denied", "ca.pem")
    assert explain(error).sentence == "the CA bundle cannot be read."


def raised(call: Callable[[], object]) -> BaseException:
    with pytest.raises(duckdb.Error) as info:
        call()
    return info.value


def of_a_newer_duckdb(database: Path) -> None:
    """Rewrite the storage version in the header, and the checksum over it."""
    header = bytearray(database.read_bytes())
    header[12:20] = struct.pack("<Q", 1 << 40)
    checksum = 5381
    for (word,) in struct.iter_unpack("<Q", header[8:4096]):
        checksum ^= word * 0xBF58476D1CE4E5B9 & (2**64 - 1)
    header[:8] = struct.pack("<Q", checksum)
    database.write_bytes(header)


def not_duckdb(database: Path) -> None:
    database.write_text("a spreadsheet " * 2000)


def torn(database: Path) -> None:
    content = bytearray(database.read_bytes())
    content[4096:12288] = os.urandom(8192)
    database.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (of_a_newer_duckdb, "was written by another version of DuckDB: upgrade duckdb"),
        (not_duckdb, "is not a DuckDB database: move it away"),
        (torn, "is damaged"),
    ],
)
def test_what_duckdb_says_of_a_file_is_put_into_words(tmp_path: Path, spoil: Callable[[Path], None], said: str) -> None:
    database = tmp_path / "warehouse.duckdb"
    duckdb.connect(str(database)).close()
    spoil(database)
    failure = explain(raised(lambda: duckdb.connect(str(database))))
    assert failure.code == 1
    assert said in failure.sentence


def test_a_database_that_is_open_elsewhere_names_the_process(tmp_path: Path) -> None:
    database = tmp_path / "warehouse.duckdb"
    script = f"import duckdb, sys; con = duckdb.connect({str(database)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        failure = explain(raised(lambda: duckdb.connect(str(database))))
    assert failure.sentence.startswith(f"{database} is open in another program (PID {other.pid}): close it there")
