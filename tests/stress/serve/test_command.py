"""``zapstress serve`` and ``campaign --serve``: a server that a signal ends, and one that ends with
its campaign.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stress.campaign import database
from stress.campaign.database import DATABASE, at_work, lock
from stress.campaign.report.facts import gather
from stress.campaign.serve.server import listen
from stress.cli.main import main
from stress.errors import StorageError
from stress.sources import child
from tests.children import started
from tests.stress.campaign_toys import TOYS
from tests.stress.report.directories import made
from tests.stress.serve.readers import get
from tests.stress.serve.test_exposition import read as read_metrics
from tests.stress.test_campaign import until


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign over toys that has found failures."""
    return made(tmp_path_factory.mktemp("command"))


@contextmanager
def command(*words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run a command as long as the context lasts."""
    line, environment = child("stress", *map(str, words))
    with started(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def refused(port: int) -> bool:
    """Return whether nobody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_good_order(directory: Path, number: signal.Signals) -> None:
    with command("serve", directory, "--port", "0", "--json") as process:
        assert process.stdout is not None and process.stderr is not None
        said: dict[str, Any] = json.loads(process.stdout.readline())
        address = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/", said["address"])
        assert address is not None and {"dir": str(directory), "token": ""} == {k: said[k] for k in ("dir", "token")}
        with socket.create_connection(("127.0.0.1", int(address[1])), 30):
            assert 200 == get(int(address[1]), "/").status
            process.send_signal(number)
            assert (0, "ended\n") == (process.wait(30), process.stderr.read())


def test_where_others_reach_it_there_is_a_token(directory: Path) -> None:
    with command("serve", directory, "--host", "0.0.0.0", "--port", "0") as process:
        assert process.stdout is not None
        address = re.fullmatch(
            rf"http://{re.escape(socket.gethostname())}:(\d+)/\?token=([\w-]{{32}})\n", process.stdout.readline()
        )
        assert address is not None
        port, bearer = int(address[1]), f"Bearer {address[2]}"
        assert [401, 200] == [get(port, "/metrics").status, get(port, "/metrics", Authorization=bearer).status]
        process.terminate()


def test_what_cannot_be_served(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        for words, why in (
            ([str(tmp_path)], "that a campaign has made"),
            ([str(directory), "--port", port], f"127.0.0.1 port {port}: cannot be listened on"),
            ([str(directory), "--port", "70000"], "70000 is not a port"),
            ([str(directory), "--host", "no such host"], "no such host port"),
        ):
            assert 2 == main(["serve", *words], TOYS)
            assert why in capsys.readouterr().err
        assert 2 == main(["campaign", "--dir", str(tmp_path / "new"), "--serve", port, "--executions", "1"], TOYS)
        assert "cannot be listened on" in capsys.readouterr().err and not (tmp_path / "new").exists()


def test_a_campaign_with_its_page(tmp_path: Path) -> None:
    """The page is there before the campaign's directory is, and goes with it, however it ends."""
    path = tmp_path / "dir"
    words = ["--scenario", "munmap_vs_access", "--machine", "lockstep", "--workers", "1", "--no-native"]
    with command("campaign", *words, "--duration", "5m", "--dir", path, "--serve", "0") as process:
        assert process.stderr is not None
        lines = (re.search(r"its page.*http://127\.0\.0\.1:(\d+)/", line) for line in process.stderr)
        port = int(next(filter(None, lines))[1])
        until(lambda: executions_told(port) > 0)
        assert get(port, "/").status == 200 and read_metrics(get(port, "/metrics").text)["zapstress_at_work"][1][()]
    assert until(lambda: refused(port))
    assert gather(path).executions > 0


def executions_told(port: int) -> float:
    """Return how many executions the metrics tell of; 0 while there are none."""
    metrics = get(port, "/metrics")
    return sum(read_metrics(metrics.text)["zapstress_executions_total"][1].values()) if metrics.status == 200 else 0


def test_it_ends_with_a_campaign_that_is_done(tmp_path: Path) -> None:
    words = ["--scenario", "counters", "--machine", "lockstep", "--workers", "1", "--executions", "5"]
    main(["campaign", *words, "--dir", str(tmp_path / "dir"), "--serve", "0"], TOYS)
    assert 5 == gather(tmp_path / "dir").executions


# -- the lock that readers look at -----------------------------------------------------------------------------------


def test_who_asks_for_a_campaign_is_none(directory: Path) -> None:
    """Two that ask at once do not take each other for a campaign; a campaign they see."""
    with open(directory / DATABASE) as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not at_work(directory)
        fcntl.flock(other, fcntl.LOCK_EX)
        assert at_work(directory)


def test_a_campaign_begins_while_somebody_asks(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It tries again when a reader has had its look, and gives up on one that keeps the lock."""
    with open(directory / DATABASE) as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        paused: list[float] = []
        monkeypatch.setattr("time.sleep", paused.append)
        with pytest.raises(StorageError, match="another campaign"):
            lock(directory)
        monkeypatch.setattr("time.sleep", lambda seconds: fcntl.flock(other, fcntl.LOCK_UN))
        os.close(lock(directory))
    assert database.LOCK_TRIES == len(paused)


def test_help_is_quick_and_says_the_port() -> None:
    """The command's own modules are not imported for it."""
    script = "import sys; from stress.cli.main import main; main(['serve', '--help']); print(*sys.modules)"
    line = [sys.executable, "-c", script]
    done = subprocess.run(line, env=child("stress")[1], capture_output=True, text=True, check=True)
    assert "8718" in done.stdout and "stress.campaign.serve.server" not in done.stdout
