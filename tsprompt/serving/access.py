"""Who may ask the server, and what a browser may do with what it answers."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tsprompt.errors import ConfigError, Setting
from tsprompt.serving.refusals import RefusalError

__all__ = ["HEADERS", "TOKEN", "Access"]

TOKEN = "TSPROMPT_TOKEN"
"""The environment variable that holds the token."""
_SHORTEST = 16
"""Characters of a token at the least: it must not be guessed."""

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Headers of every answer that does not set them itself."""


@dataclass(frozen=True)
class Access:
    """With a token, whoever knows it may ask, from anywhere; without, whoever is on this machine,
    and no web page that a browser on it has open."""

    host: str
    """What the server listens on."""
    token: str | None = None

    def __post_init__(self) -> None:
        if self.token is not None and (
            len(self.token) < _SHORTEST or not self.token.isascii() or not self.token.isprintable()
        ):
            raise ConfigError(
                f"{TOKEN} must be {_SHORTEST} or more printable characters of ASCII; make one: "
                "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        if self.token is None and not _is_loopback(self.host):
            raise ConfigError(
                Setting("host", self.host),
                f" is open to others, who would need no token; set the environment variable {TOKEN}"
                f" to {_SHORTEST} or more characters that only they know, or leave the option out "
                "to serve this machine alone",
            )

    def check(self, headers: Mapping[str, str]) -> None:
        """See that a request's sender may ask.

        Raises
        ------
        RefusalError
            The token is wrong or missing, or another web page sent the request.
        """
        if self.token is None:
            self._check_local(headers)
        elif not self.is_known(headers):
            raise RefusalError(401, "send the token: Authorization: Bearer TOKEN")

    def is_known(self, headers: Mapping[str, str]) -> bool:
        """Whether a request shows the token, where there is one; how long the comparison takes
        tells nothing of it."""
        if self.token is None:
            return True
        kind, _, said = headers.get("authorization", "").partition(" ")
        own, other = (_hashed(one) for one in (self.token, said.strip()))
        return hmac.compare_digest(own, other) and kind.lower() == "bearer"

    def _check_local(self, headers: Mapping[str, str]) -> None:
        """A page of elsewhere can send a browser here under a name of its own, or with its origin:
        neither is ours."""
        name = _name_of(headers.get("host", ""))
        if name != self.host and not _is_loopback(name):
            raise RefusalError(421, "this server answers to localhost alone")
        origin = headers.get("origin")
        if origin is not None and not _is_loopback(_name_of(urlsplit(origin).netloc)):
            raise RefusalError(403, "this server answers no other web page")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise RefusalError(403, "this server answers no other web page")


def _hashed(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _name_of(host: str) -> str:
    """`::1` of `[::1]:8000`."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
