"""Requests are parsed strictly, and judged by the name they call and the token they show."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.campaign.serve.request import METHODS, Asked, Door, Refusal, parse, tokens

GOOD = b"GET /metrics?a=1 HTTP/1.1\r\nHost: localhost:1\r\nX-Odd:  a b \r\nAccept:"


def refusal(head: bytes) -> HTTPStatus:
    """Return the status with which a request is refused."""
    with pytest.raises(Refusal) as why:
        parse(head)
    return why.value.status


def test_a_request_is_parsed() -> None:
    asked = parse(GOOD)
    assert ("GET", "/metrics", "a=1") == (asked.method, asked.path, asked.query)
    assert {"host": "localhost:1", "x-odd": "a b", "accept": ""} == asked.headers


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\r\n",
        b"GET /",
        b"GET / HTTP/2.0",
        b"get / HTTP/1.1",
        b"GET  / HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET /\xff HTTP/1.1",
        b"GET /\x00 HTTP/1.1",
        b"GET http://localhost/ HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET /" + b"a" * 4000 + b" HTTP/1.1",
        b"GET / HTTP/1.1\r\nHost: a\r\nhost: b",
        b"GET / HTTP/1.1\r\n folded",
        b"GET / HTTP/1.1\r\nHost : a",
        b"GET / HTTP/1.1\r\nHost: a\nX: b",
        b"GET / HTTP/1.1\r\nX: a\rb",
        b"GET / HTTP/1.1\r\nContent-Length: 5",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked",
    ],
)
def test_what_is_no_request_of_ours_is_refused(head: bytes) -> None:
    assert HTTPStatus.BAD_REQUEST == refusal(head)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH"])
def test_nothing_changes_anything(method: str) -> None:
    assert HTTPStatus.METHOD_NOT_ALLOWED == refusal(f"{method} / HTTP/1.1\r\nHost: localhost".encode())


@given(st.binary(max_size=300) | st.binary(max_size=40).map(lambda odd: GOOD[:30] + odd + GOOD[30:]))
def test_any_bytes_are_a_request_or_refused(head: bytes) -> None:
    try:
        asked = parse(head)
    except Refusal as why:
        assert 400 <= why.status < 500 and why.words
    else:
        assert asked.method in METHODS and asked.path.startswith("/") and asked.path.isascii()


def asked(**headers: str) -> Asked:
    """Return a request for the page."""
    return Asked("GET", "/", headers.pop("query", ""), {"host": "localhost", **headers})


@pytest.mark.parametrize(
    ("host", "names", "others"),
    [
        ("127.0.0.1", ["localhost", "LOCALHOST:8718", "127.0.0.1:1", "[::1]:1"], ["evil.example", "10.0.0.1", ""]),
        ("box", ["box:80", "BOX", "localhost"], ["box.evil.example", "10.0.0.1", "a box", "box:port", "box:1:2"]),
        ("0.0.0.0", ["10.0.0.1:8718", "[2001:db8::1]:1", "localhost"], ["evil.example", "1.2.3", "@10.0.0.1"]),
    ],
)
def test_who_calls_another_name_is_refused(host: str, names: list[str], others: list[str]) -> None:
    for name in names:
        Door(host).judge(asked(host=name))
    for name in others:
        with pytest.raises(Refusal) as why:
            Door(host).judge(asked(host=name))
        assert HTTPStatus.MISDIRECTED_REQUEST == why.value.status


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ({"authorization": "Bearer a"}, [b"a"]),
        ({"authorization": "Basic a"}, []),
        ({"cookie": "x=1; zapstress-token=a"}, [b"a"]),
        ({"cookie": "\x00;;=="}, []),
        ({"query": "token=a"}, [b"a"]),
        ({"query": "&" * 100 + "token=a"}, []),
        ({"query": "token=%ff%00"}, ["\ufffd\0".encode()]),
        ({}, []),
    ],
)
def test_tokens_that_are_shown(more: dict[str, str], shown: list[bytes]) -> None:
    assert shown == tokens(asked(**more))


def test_who_shows_no_token_or_another_is_refused() -> None:
    door = Door("0.0.0.0", "secret")
    door.judge(asked(authorization="Bearer secret"))
    for more in ({}, {"authorization": "Bearer secre"}, {"query": "token="}, {"query": "token=secrets"}):
        with pytest.raises(Refusal) as why:
            door.judge(asked(**more))
        assert HTTPStatus.UNAUTHORIZED == why.value.status
