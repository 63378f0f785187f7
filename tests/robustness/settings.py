"""Runs the README's test command in four settings, and sees that its result is the same.

``python -m tests.robustness.settings`` runs it in the foreground of a terminal, in the background
with SIGINT ignored (as ``nohup`` and ``&`` leave it), without a terminal, and with one core busy.
``--in`` names settings; what follows ``--`` takes the place of the command's own arguments
(``-- tests/stress -k signal``). ``--installed`` leaves the installation out: the tests run with the
Python that runs this. It ends with 0 if every setting had the same result, and it was good.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from stress.sources import ROOT

COMMAND = re.compile(r"<!-- tests -->\n```\n(.+)\n```")
"""Where the README has the command."""

PYTEST = ".venv/bin/python -m pytest"
"""What the command's last part begins with."""

SUMMARY = re.compile(r"^(?:=+ )?((?:\d+ \w+(?:, )?)+) in [\d.]+s.*$", re.MULTILINE)
"""pytest's last line; how long it took is no part of the result."""

COLOUR = re.compile("\x1b\\[[0-9;]*m")
"""What pytest colours a terminal with."""


def command(arguments: Sequence[str], installed: bool) -> str:
    """Return the shell's command, whose last part has ``arguments``, or its own if there are none."""
    found = COMMAND.search((ROOT / "README.md").read_text())
    assert found is not None, "README.md has a test command"
    *install, tests = found[1].split(" && ")
    assert tests.startswith(PYTEST), tests
    own = tests.removeprefix(PYTEST).strip()
    words = shlex.join(arguments) or own
    if installed:
        return f"exec {shlex.quote(sys.executable)} -m pytest {words}"
    return " && ".join([*install, f"exec {PYTEST} {words}"])


def foreground(words: Sequence[str], log: Path) -> int:
    """Run it as the foreground process of a terminal of 80 columns."""
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (24, 80))

    def lead() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        words, cwd=ROOT, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=lead
    ) as process:
        os.close(slave)
        reader = Thread(target=_copy, args=(master, log), daemon=True)
        reader.start()
        process.wait()
        reader.join(timeout=10)
    os.close(master)
    return process.returncode


def _copy(descriptor: int, log: Path) -> None:
    """Write down what comes from a terminal until it is closed."""
    with log.open("wb") as file, suppress(OSError):
        while data := os.read(descriptor, 1 << 16):
            file.write(data)


def background(words: Sequence[str], log: Path) -> int:
    """Run it as a shell's background job under nohup: SIGINT and SIGHUP are ignored."""
    return _detached(words, log, (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP))


def detached(words: Sequence[str], log: Path) -> int:
    """Run it without a terminal, as a cron job is."""
    return _detached(words, log, ())


def _detached(words: Sequence[str], log: Path, ignored: Sequence[signal.Signals]) -> int:
    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    with log.open("wb") as file:
        return subprocess.run(
            words,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            preexec_fn=ignore,
            check=False,
        ).returncode


def busy(words: Sequence[str], log: Path) -> int:
    """Run it without a terminal, while another process takes one core."""
    with spinning():
        return detached(words, log)


@contextmanager
def spinning() -> Iterator[int]:
    """Keep one core busy; yield the process that does."""
    core = min(os.sched_getaffinity(0))
    code = f"import os\nos.sched_setaffinity(0, [{core}])\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        try:
            yield process.pid
        finally:
            process.kill()


SETTINGS: dict[str, Callable[[Sequence[str], Path], int]] = {
    "foreground": foreground, "background": background, "detached": detached, "busy": busy,
}  # fmt: skip


def result(status: int, log: Path) -> tuple[int, str]:
    """Return a run's status and what its tests came to."""
    found = SUMMARY.findall(COLOUR.sub("", log.read_text(errors="replace")))
    return status, found[-1] if found else "no summary"


def main() -> int:
    """Run what the command line asks for; return 1 unless all results are the same, and good."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness.settings", description=__doc__)
    parser.add_argument("--in", dest="names", nargs="+", choices=SETTINGS, default=list(SETTINGS), help="settings")
    parser.add_argument("--installed", action="store_true", help="leave the installation out")
    parser.add_argument("--logs", type=Path, metavar="DIR", help="where the output of each run is kept")
    parser.add_argument("arguments", nargs="*", help="arguments of pytest, after --")
    args = parser.parse_args()
    folder = args.logs or Path(tempfile.mkdtemp(prefix="zapstress-settings-"))
    folder.mkdir(parents=True, exist_ok=True)
    words = ["sh", "-c", command(args.arguments, args.installed)]
    results = {}
    for name in args.names:
        log = folder / f"{name}.log"
        results[name] = result(SETTINGS[name](words, log), log)
        print(f"{name}: status {results[name][0]}, {results[name][1]}; {log}", flush=True)
    same = len(set(results.values())) == 1
    print("the same result in every setting" if same else "the results differ")
    return not (same and all(status == 0 for status, _ in results.values()))


if __name__ == "__main__":
    sys.exit(main())
