"""Credentials go to one https host, or to loopback, and to nothing else."""

from __future__ import annotations

import pytest

from sources.runai.address import is_loopback, origin
from sources.runai.errors import ConfigurationError


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://tenant.run.ai", "https://tenant.run.ai"),
        ("  https://Tenant.RUN.ai/  ", "https://tenant.run.ai"),
        ("https://tenant.run.ai/api/v1", "https://tenant.run.ai"),
        ("https://tenant.run.ai/api/v2/", "https://tenant.run.ai"),
        ("https://tenant.run.ai/api", "https://tenant.run.ai"),
        ("https://gateway.example:8443/runai/api/v1", "https://gateway.example:8443/runai"),
        ("https://tenant.run.ai:443", "https://tenant.run.ai"),
        ("https://köln.example", "https://xn--kln-sna.example"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080/api/v1", "http://127.0.0.1:8080"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_address_is_cut_down_to_its_origin(given: str, used: str) -> None:
    assert origin(given) == used


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("http://tenant.run.ai", "use https"),
        ("http://127.0.0.1.evil.example", "use https"),
        ("http://localhost.evil.example", "use https"),
        ("http://0.0.0.0:80", "use https"),
        ("HTTP://TENANT.run.ai", "use https"),
        ("tenant.run.ai", "not a control plane's URL"),
        ("tenant.run.ai:443", "not a control plane's URL"),
        ("ftp://tenant.run.ai", "not a control plane's URL"),
        ("https://", "not a control plane's URL"),
        ("", "not a control plane's URL"),
        ("https://tenant.run.ai:port", "not a control plane's URL"),
        ("https://tenant.run.ai/?next=1", "must end with the host or a path"),
        ("https://tenant.run.ai/#/workloads", "must end with the host or a path"),
    ],
)
def test_an_address_that_cannot_work_is_refused(given: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        origin(given)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://me:canary@tenant.run.ai", "https://canary@tenant.run.ai", "me:canary@tenant.run.ai:port"]
)
def test_a_password_in_the_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        origin(url)
    assert "canary" not in repr(refused.value)


@pytest.mark.parametrize(("host", "local"), [("localhost", True), ("::1", True), ("10.0.0.1", False), ("host", False)])
def test_loopback_is_known_by_name_and_number(host: str, local: bool) -> None:
    assert is_loopback(host) is local
