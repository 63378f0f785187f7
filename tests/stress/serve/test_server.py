"""A real server, its readers, and what it does with hostile ones."""

from __future__ import annotations

import shutil
import socket
import struct
from pathlib import Path

import pytest

from stress.campaign.directory import expect
from stress.campaign.report.facts import gather
from stress.campaign.serve import server
from stress.campaign.serve.request import Door
from stress.cli.main import main
from tests.stress import pages
from tests.stress.report.directories import made, patch_file
from tests.stress.serve.readers import Events, get, raw, serving
from tests.stress.serve.test_exposition import read as read_metrics


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign with a patch that loses updates, and a deadlock that is the kernel's own."""
    folder = tmp_path_factory.mktemp("serve")
    return made(folder, "--patch", str(patch_file(folder)))


@pytest.fixture
def directory(campaign: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(campaign, tmp_path / "copy"))


def test_the_page_and_the_metrics(directory: Path) -> None:
    before = {file: file.read_bytes() for file in directory.rglob("*") if file.is_file()}
    with serving(directory) as port:
        page, metrics = get(port, "/"), get(port, "/metrics")
        for path in ("/", "/metrics"):
            head = get(port, path, "HEAD")
            assert (200, "") == (head.status, head.text) and int(head.headers["content-length"]) > 1000
        known = get(port, "/", If_None_Match=page.headers["etag"])
    assert (200, 200, 304, "") == (page.status, metrics.status, known.status, known.text)
    facts = gather(directory)
    assert {(("machine", "lockstep"),): 400} == read_metrics(metrics.text)["zapstress_executions_total"][1]
    assert all(found.signature in page.text and found.title in page.text for found in facts.findings)
    for header in ("content-security-policy", "x-content-type-options", "referrer-policy"):
        assert page.headers[header]
    assert before == {file: file.read_bytes() for file in before}


def test_the_page_is_sound(directory: Path) -> None:
    """But for its links to the server it is as one that is mailed."""
    with serving(directory) as port:
        text = get(port, "/").text
    signatures = sorted(found.signature for found in gather(directory).findings)
    links = [f'<a href="failures/{signature}">' for signature in signatures]
    assert all(1 == text.count(link) for link in links) and 1 == text.count('<a href="metrics">')
    for link in (*links, '<a href="metrics">'):
        text = text.replace(link, '<a href="#main">')
    page = pages.read(text)
    assert "; connect-src 'self';" in (page.all("meta")[2]["content"] or "")


def test_one_event_for_each_change(directory: Path) -> None:
    """The first is of what is shown now, so that a reader who comes back has missed nothing."""
    signature = gather(directory).findings[0].signature
    with serving(directory) as port, Events(port) as events:
        first = events.tag()
        assert "text/event-stream" == events.answer.headers["Content-Type"]
        assert first in get(port, "/").headers["etag"]
        expect(directory, {signature: "known since 6.9"})
        second = events.tag()
        assert second != first
        page = get(port, "/")
        assert second in page.headers["etag"] and "known since 6.9" in page.text
        with Events(port) as again:
            assert second == again.tag()


def test_a_campaign_that_goes_and_comes_back(directory: Path, tmp_path: Path) -> None:
    """The directory is opened anew for each reading: nothing of it is held on to."""
    with serving(directory) as port, Events(port) as events:
        first = events.tag()
        directory.rename(tmp_path / "away")
        gone = events.tag()
        page = get(port, "/")
        assert 503 == page.status and "holds no campaign" in page.text and page.headers["refresh"]
        assert 503 == get(port, "/metrics").status
        (tmp_path / "away").rename(directory)
        assert first == events.tag() != gone


def test_the_page_of_a_failure(tmp_path: Path) -> None:
    """Of the project's own model, as a process of its own makes it; and of one that cannot be
    made, as its patch was not named.
    """
    words = ["--scenario", "munmap_vs_access", "--profile", "x86-64", "--fault", "M05", "--seed", "1"]
    path = tmp_path / "dir"
    more = ["--executions", "20", "--workers", "1", "--machine", "lockstep", "--dir", str(path)]
    assert 1 == main(["campaign", *words, *more])
    signature = gather(path).findings[0].signature
    with serving(path) as port:
        found = get(port, f"/failures/{signature}")
        assert 200 == found.status and "How it came to that" in pages.read(found.text).text
        (path / "failures" / signature / "trace").write_bytes(b"no trace")
        broken = get(port, f"/failures/{signature}")
        assert 500 == broken.status and 1 == broken.text.count("\n") and "<" not in broken.text


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/failures/../campaign.sqlite",
        "/failures/0123abcd/../../campaign.sqlite",
        "/failures/0123ABCD",
        "/failures/0123abcd/trace",
        "/failures/0123abcd",
        "/campaign.sqlite",
        "//",
        "/index.html",
        "/\\..\\",
    ],
)
def test_paths_of_files_are_no_places(directory: Path, path: str) -> None:
    with serving(directory) as port:
        found = get(port, path)
    assert 404 == found.status and len(found.text) < 100


def test_a_link_in_the_place_of_a_trace_is_not_followed(directory: Path, tmp_path: Path) -> None:
    signature = gather(directory).findings[0].signature
    trace = directory / "failures" / signature / "trace"
    trace.rename(tmp_path / "secret")
    trace.symlink_to(tmp_path / "secret")
    with serving(directory) as port:
        assert 404 == get(port, f"/failures/{signature}").status


def test_other_names_of_the_host(directory: Path) -> None:
    with serving(directory) as port:
        assert 421 == get(port, "/", Host="evil.example").status
        assert 421 == get(port, "/metrics", Host=f"evil.example:{port}").status
        assert 421 == get(port, "/events", Host="127.0.0.1.evil.example").status
        assert b" 421 " in raw(port, b"GET / HTTP/1.0\r\n\r\n").splitlines()[0]
        assert 200 == get(port, "/", Host="localhost:1").status


def test_what_is_too_large_or_malformed(directory: Path) -> None:
    with serving(directory) as port:
        huge = raw(port, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000)
        assert huge.startswith(b"HTTP/1.1 431 ")
        assert raw(port, b"\x16\x03\x01\x00\xa5\x01\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        assert raw(port, b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 405 ")
        assert 405 == get(port, "/", "DELETE").status
        assert 200 == get(port, "/").status


def test_a_request_that_does_not_come(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    with serving(directory) as port:
        assert raw(port, b"GET / HTTP/1.1\r\nHost: loc").startswith(b"HTTP/1.1 408 ")


def test_more_connections_than_there_may_be(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are too many get an error; the others go on, and there is room when they end."""
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 5)
    monkeypatch.setattr(server, "STREAMS_MAX", 3)

    async def no_time(stream: object) -> None:
        """Who has read the end of an answer knows that the server has closed the connection."""

    monkeypatch.setattr(server, "linger", no_time)
    with serving(directory) as port:
        streams = [Events(port) for _ in range(3)]
        assert all(stream.tag() for stream in streams)
        assert raw(port, b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 503 ")
        idle = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(2)]
        assert all(raw(port, b"").startswith(b"HTTP/1.1 503 ") for _ in range(50))
        for one in idle:
            one.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert one.recv(65536).startswith(b"HTTP/1.1 200 ")
            one.close()
        for stream in streams:
            stream.__exit__()
        assert 200 == get(port, "/").status


def test_readers_that_go_without_a_word(directory: Path) -> None:
    """One who resets the connection, in a request, an answer or a stream of events, ends no other."""
    with serving(directory) as port, Events(port) as events:
        first = events.tag()
        whole = [b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in (b"", b"events")]
        for request in (b"", b"GET / HT", *whole):
            for wait in (False, True):
                with socket.create_connection(("127.0.0.1", port), 30) as connection:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.sendall(request)
                    if wait and request in whole:
                        assert connection.recv(10)
        expect(directory, {gather(directory).findings[0].signature: "known"})
        assert events.tag() != first and 200 == get(port, "/").status


def test_a_token_is_asked_for(directory: Path) -> None:
    with serving(directory, Door("127.0.0.1", "secret")) as port:
        for path in ("/", "/metrics", "/events", "/failures/0123abcd", "/nothing"):
            found = get(port, path)
            assert 401 == found.status and "secret" not in found.text
        first = get(port, "/?token=secret")
        assert (303, "/", "") == (first.status, first.headers["location"], first.text)
        cookie = first.headers["set-cookie"].partition(";")[0]
        assert "HttpOnly" in first.headers["set-cookie"]
        page = get(port, "/", Cookie=cookie)
        assert 200 == page.status and "secret" not in page.text
        assert 200 == get(port, "/metrics", Authorization="Bearer secret").status
