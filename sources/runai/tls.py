"""Whom to trust, how to be known, and what a failed handshake means."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

import httpx

from sources.runai.errors import ConfigurationError

# OpenSSL's X509_V_ERR_ codes.
UNKNOWN_ISSUER = {18, 19, 20, 21}
OUT_OF_DATE = {9, 10}
OTHER_NAME = {62, 64}


@dataclass(frozen=True)
class Tls:
    """Paths of PEM files: a private CA to trust in place of the public ones, a client certificate and its key."""

    ca_bundle: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None

    def context(self) -> ssl.SSLContext:
        """Build the context; ConfigurationError if a file cannot be read."""
        context = self._trust()
        if self.client_certificate:
            try:
                # Without a password callback OpenSSL would ask on the terminal, and a cron job would hang.
                context.load_cert_chain(self.client_certificate, self.client_key or None, password=lambda: "")
            except (OSError, ValueError) as error:
                raise ConfigurationError(
                    "The client certificate that SOURCES__RUNAI__CLIENT_CERTIFICATE names, or its key, cannot be used "
                    f"({_reason(error)}); both must be readable PEM files and the key unencrypted."
                ) from error
        elif self.client_key:
            raise ConfigurationError("A client key is set without a client certificate; set client_certificate too.")
        return context

    def _trust(self) -> ssl.SSLContext:
        try:
            context = (
                ssl.create_default_context(cafile=self.ca_bundle) if self.ca_bundle else httpx.create_ssl_context()
            )
        except (OSError, ValueError) as error:
            # By its setting, not by its path: paths tell of the machine, and messages are sent around.
            setting = "SOURCES__RUNAI__CA_BUNDLE" if self.ca_bundle else "SSL_CERT_FILE or SSL_CERT_DIR"
            raise ConfigurationError(
                f"The CA bundle that {setting} names cannot be used ({_reason(error)}); it must be a readable PEM file."
            ) from error
        if self.ca_bundle:
            # Python 3.13 asks for extensions that home-made CAs lack; chain, name and dates are checked all the same.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


def certificate_problem(error: BaseException, host: str) -> ConfigurationError | None:
    """Find the TLS error behind a transport error that no retry will mend, and say what to do about it."""
    cause = tls_error(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ConfigurationError(f"The certificate of {host} is not trusted ({_verification_advice(cause)}).")
    reason = (cause.reason or "") if cause is not None else ""
    if "CERTIFICATE_REQUIRED" in reason:
        return ConfigurationError(
            f"{host} asks for a client certificate; set SOURCES__RUNAI__CLIENT_CERTIFICATE and …__CLIENT_KEY."
        )
    if reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"}:
        return ConfigurationError(f"{host} does not speak TLS at this port; check SOURCES__RUNAI__BASE_URL.")
    return None


def tls_error(error: BaseException) -> ssl.SSLError | None:
    """The TLS error behind a transport error, whether or not it may pass; None where TLS was not the trouble."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return cause


def _verification_advice(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in UNKNOWN_ISSUER:
        return "its issuer is unknown here: set SOURCES__RUNAI__CA_BUNDLE to the PEM file of the private CA"
    said = error.verify_message.rstrip(".")
    if error.verify_code in OUT_OF_DATE:
        return f"{said}: have it renewed, and check this machine's clock"
    if error.verify_code in OTHER_NAME:
        return f"{said}: check the host in SOURCES__RUNAI__BASE_URL"
    return f"{said}: have it issued anew"


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
