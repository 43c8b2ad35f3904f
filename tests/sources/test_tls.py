"""Whom the client trusts. Certificates are made for the test."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import trustme

from sources.runai.client import RunaiClient
from sources.runai.credentials import BearerToken
from sources.runai.errors import ConfigurationError
from sources.runai.tls import Tls, certificate_problem
from tests.sources.raw_server import RawServer, ok, raw_server

PATH = "/api/v1/workloads/pods"
NAME = "127.0.0.1"


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The private CA's certificate as a file."""
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return str(path)


def server_side(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def get(server: RawServer, **options: str) -> object:
    api = RunaiClient(
        f"https://{NAME}:{server.port}",
        BearerToken("canary"),
        sleep=lambda _seconds: None,
        max_attempts=2,
        **options,  # type: ignore[arg-type]
    )
    with api:
        return api.get(PATH).body


def test_a_private_ca_is_trusted_when_it_is_set(ca: trustme.CA, bundle: str) -> None:
    with raw_server([ok()], server_side(ca.issue_cert(NAME))) as server:
        assert get(server, ca_bundle=bundle) == {"pods": []}
    assert b"Bearer canary" in server.requests[0]


def test_an_unknown_ca_is_not_trusted_and_the_setting_is_named(ca: trustme.CA) -> None:
    untrusted = server_side(ca.issue_cert(NAME))
    with raw_server([ok()], untrusted) as server, pytest.raises(ConfigurationError, match="__CA_BUNDLE"):
        get(server)
    assert server.requests == []


def test_another_private_ca_is_not_trusted(bundle: str) -> None:
    other = server_side(trustme.CA().issue_cert(NAME))
    with raw_server([ok()], other) as server, pytest.raises(ConfigurationError, match="issuer is unknown"):
        get(server, ca_bundle=bundle)
    assert server.requests == []


def test_the_ca_bundle_stands_in_place_of_the_environments(
    ca: trustme.CA, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", bundle)
    with raw_server([ok()], server_side(ca.issue_cert(NAME))) as server:
        assert get(server) == {"pods": []}


def test_a_certificate_for_another_name_is_refused(ca: trustme.CA, bundle: str) -> None:
    misnamed = server_side(ca.issue_cert("other.run.ai"))
    with raw_server([ok()], misnamed) as server, pytest.raises(ConfigurationError, match="check the host in"):
        get(server, ca_bundle=bundle)
    assert server.requests == []


@pytest.mark.parametrize(("from_day", "to_day", "complaint"), [(-20, -10, "has expired"), (10, 20, "is not yet valid")])
def test_a_certificate_out_of_its_time_is_refused(
    ca: trustme.CA, bundle: str, from_day: int, to_day: int, complaint: str
) -> None:
    today = datetime.now(UTC)
    certificate = ca.issue_cert(
        NAME, not_before=today + timedelta(days=from_day), not_after=today + timedelta(days=to_day)
    )
    outdated = server_side(certificate)
    with raw_server([ok()], outdated) as server, pytest.raises(ConfigurationError, match=complaint):
        get(server, ca_bundle=bundle)
    assert server.requests == []


def test_a_certificate_that_is_not_trusted_is_not_tried_again(ca: trustme.CA) -> None:
    waits: list[float] = []
    with raw_server([ok()] * 6, server_side(ca.issue_cert(NAME))) as server:
        api = RunaiClient(f"https://{NAME}:{server.port}", BearerToken("t"), sleep=waits.append)
        with api, pytest.raises(ConfigurationError):
            api.get(PATH)
    assert waits == []


def test_tls_is_not_spoken_there() -> None:
    plain = [b"HTTP/1.1 400 Bad Request\r\n\r\n"]
    with raw_server(plain) as server, pytest.raises(ConfigurationError, match="does not speak TLS"):
        get(server)


# --- client certificates ---------------------------------------------------------------------------------------------


def demanding(ca: trustme.CA) -> ssl.SSLContext:
    context = server_side(ca.issue_cert(NAME))
    context.verify_mode = ssl.CERT_REQUIRED
    ca.configure_trust(context)
    return context


@pytest.fixture
def written(ca: trustme.CA, tmp_path: Path) -> Callable[[str], str]:
    """Writes a client certificate, its key, or both in one file."""
    mine = ca.issue_cert("collector@example.org")

    def write(what: str) -> str:
        path = tmp_path / f"{what}.pem"
        certificate, key = mine.cert_chain_pems[0].bytes(), mine.private_key_pem.bytes()
        path.write_bytes({"certificate": certificate, "key": key, "both": key + certificate}[what])
        return str(path)

    return write


@pytest.mark.parametrize("files", [("certificate", "key"), ("both", None)])
def test_a_client_certificate_is_shown_to_who_asks(
    ca: trustme.CA, bundle: str, written: Callable[[str], str], files: tuple[str, str | None]
) -> None:
    certificate, key = files
    options = {"client_certificate": written(certificate)} | ({"client_key": written(key)} if key else {})
    with raw_server([ok()], demanding(ca)) as server:
        assert get(server, ca_bundle=bundle, **options) == {"pods": []}


def test_settings_whose_files_cannot_be_used_are_named_without_the_path(
    written: Callable[[str], str], tmp_path: Path
) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("canary, not a certificate")
    missing = str(tmp_path / "missing.pem")
    for tls, named in [
        (Tls(ca_bundle=missing), "No such file"),
        (Tls(ca_bundle=str(tmp_path)), "CA bundle"),
        (Tls(ca_bundle=str(garbage)), "SOURCES__RUNAI__CA_BUNDLE"),
        (Tls(client_certificate=missing), "No such file"),
        (Tls(client_certificate=str(garbage)), "SOURCES__RUNAI__CLIENT_CERTIFICATE"),
        (Tls(client_certificate=written("certificate")), "or its key, cannot be used"),
        (Tls(client_key=written("key")), "set client_certificate too"),
    ]:
        with pytest.raises(ConfigurationError, match=named) as refused:
            tls.context()
        assert "canary" not in str(refused.value)
        assert str(tmp_path) not in str(refused.value)


def test_an_unreadable_bundle_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        Tls().context()


def test_an_encrypted_key_is_refused_and_asks_nobody(tmp_path: Path, ca: trustme.CA) -> None:
    from cryptography.hazmat.primitives import serialization

    mine = ca.issue_cert("collector@example.org")
    key = serialization.load_pem_private_key(mine.private_key_pem.bytes(), None)
    sealed = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    certificate, locked = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(mine.cert_chain_pems[0].bytes())
    locked.write_bytes(sealed)
    with pytest.raises(ConfigurationError, match="key unencrypted"):
        Tls(client_certificate=str(certificate), client_key=str(locked)).context()


def test_a_server_that_asks_for_a_certificate_in_vain_is_named() -> None:
    """TLS 1.3 says so only after the handshake, and the reset that follows may overtake it: so not over the wire."""
    alert = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required")
    alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    error = httpx.ReadError("alert")
    error.__context__ = alert
    problem = certificate_problem(error, NAME)
    assert problem is not None
    assert "set SOURCES__RUNAI__CLIENT_CERTIFICATE" in str(problem)


@pytest.mark.parametrize("reason", [None, "UNEXPECTED_EOF_WHILE_READING"])
def test_other_trouble_is_left_to_the_retries(reason: str | None) -> None:
    error = httpx.ReadError("trouble")
    error.__cause__ = OSError("reset")
    if reason:
        error.__cause__ = ssl.SSLError(8, reason)
        error.__cause__.reason = reason
    assert certificate_problem(error, NAME) is None


def test_a_certificate_with_another_flaw_is_named_by_it() -> None:
    flaw = ssl.SSLCertVerificationError(1, "certificate verify failed")
    flaw.verify_code, flaw.verify_message = 66, "EE certificate key too weak"
    error = httpx.ConnectError("certificate verify failed")
    error.__cause__ = flaw
    assert "EE certificate key too weak: have it issued anew" in str(certificate_problem(error, NAME))


def test_a_home_made_ca_is_good_enough_on_every_python(bundle: str) -> None:
    context = Tls(ca_bundle=bundle).context()
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
