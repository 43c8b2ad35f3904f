"""The control plane's address: the only place that credentials may go to."""

from __future__ import annotations

import ipaddress
import re

import httpx

from sources.runai.errors import ConfigurationError

API_PREFIX = re.compile(r"/api(/v\d+)?$")


def origin(base_url: str) -> str:
    """Check the control plane's address and cut it down to `https://host[:port][/prefix]`.

    A trailing `/api` or `/api/v1` goes. ConfigurationError for plain http to anything but loopback, for user names
    and passwords, queries and fragments in it, and for what is no URL at all.
    """
    given = base_url.strip()
    try:
        url = httpx.URL(given)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if "@" in base_url:
        raise ConfigurationError(
            "The base URL carries a user name or password; leave it out and set client_id and client_secret, or token."
        )
    if url.scheme not in {"http", "https"} or not url.host:
        shown = re.split("[?#]", given)[0]
        raise ConfigurationError(f"{shown!r} is not a control plane's URL; set it like https://my-company.run.ai.")
    if url.scheme == "http" and not is_loopback(url.host):
        raise ConfigurationError(
            f"http://{url.host} would send the credentials in clear text; use https (plain http is for loopback only)."
        )
    if url.query or url.fragment:
        raise ConfigurationError(f"The base URL must end with the host or a path: https://{url.host}.")
    prefix = API_PREFIX.sub("", url.path.rstrip("/")).rstrip("/")
    return f"{url.scheme}://{url.netloc.decode('ascii')}{prefix}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
