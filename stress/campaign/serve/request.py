"""One request: parsed strictly, and judged before anything is done for it.

The server knows a part of HTTP/1.1: GET and HEAD, without a body, one request a connection. What is
not that, or comes from where it may not, is refused, and the refusal says nothing of the server.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

HEAD_BYTES_MAX = 8192
"""Of a request's line and headers."""

LINE = re.compile(rb"([A-Z]{1,16}) ([!-~]{1,2048}) HTTP/1\.[01]")

HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")

HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")

METHODS = ("GET", "HEAD")

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Names of this machine that no name server can lead elsewhere."""

COOKIE = "zapstress-token"


class Refusal(Exception):
    """A request that is not answered: the status, and a line that says why."""

    def __init__(self, status: HTTPStatus, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


@dataclass(frozen=True)
class Asked:
    """A request that is well formed."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """By name in lower case."""


def parse(head: bytes) -> Asked:
    """Return the request whose line and headers are ``head``, without the empty line at its end.

    Raises Refusal.
    """
    first, *rest = head.split(b"\r\n")
    line = LINE.fullmatch(first)
    if line is None:
        raise Refusal(HTTPStatus.BAD_REQUEST, "no request of HTTP/1.1")
    headers: dict[str, str] = {}
    for text in rest:
        header = HEADER.fullmatch(text)
        if header is None or (name := header[1].decode().lower()) in headers:
            raise Refusal(HTTPStatus.BAD_REQUEST, "a header that is malformed, or comes twice")
        headers[name] = header[2].decode("latin-1")
    method, target = line[1].decode(), line[2].decode()
    if method not in METHODS:
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "nothing can be changed here")
    if not target.startswith("/"):
        raise Refusal(HTTPStatus.BAD_REQUEST, "not a path")
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        raise Refusal(HTTPStatus.BAD_REQUEST, "a request here has no body")
    path, _, query = target.partition("?")
    return Asked(method, path, query, headers)


@dataclass(frozen=True)
class Door:
    """Who may come in: by which names the server is called, and with which token."""

    host: str
    """What the user has asked to listen on."""
    token: str = ""
    """What each request must show; nothing if that is not wanted."""

    def judge(self, asked: Asked) -> None:
        """Raise Refusal for a request that may not come in.

        A name that is not the server's may be a stranger's, led to this address so that a page of
        theirs reads ours (DNS rebinding). Ports are not compared: a tunnel has its own.
        """
        host = HOST.fullmatch(asked.headers.get("host", ""))
        if host is None or not self._is_ours(host[1].strip("[]").lower()):
            raise Refusal(HTTPStatus.MISDIRECTED_REQUEST, "this server has another name")
        if self.token and not any(hmac.compare_digest(shown, self.token.encode()) for shown in tokens(asked)):
            raise Refusal(HTTPStatus.UNAUTHORIZED, "open the address that zapstress serve has printed, with its token")

    def _is_ours(self, name: str) -> bool:
        if name in LOOPBACK or name == self.host.lower():
            return True
        if not is_any(self.host):
            return False
        return is_address(name) or name == socket.gethostname().lower()


def tokens(asked: Asked) -> list[bytes]:
    """Return the tokens that a request shows: as a bearer, in its cookie, in its query."""
    kind, _, bearer = asked.headers.get("authorization", "").partition(" ")
    found = [bearer] if kind.lower() == "bearer" else []
    try:
        cookies = SimpleCookie(asked.headers.get("cookie", ""))
    except CookieError:
        cookies = SimpleCookie()
    found += [cookies[COOKIE].value] if COOKIE in cookies else []
    found += query_token(asked)
    return [text.encode(errors="replace") for text in found]


def query_token(asked: Asked) -> list[str]:
    """Return the tokens in the query of a request."""
    return parse_qs(asked.query, max_num_fields=16).get("token", []) if asked.query.count("&") < 16 else []


def is_address(name: str) -> bool:
    """Return whether a name is an address in digits."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_any(host: str) -> bool:
    """Return whether a host stands for all addresses of the machine."""
    return is_address(host) and ipaddress.ip_address(host).is_unspecified
