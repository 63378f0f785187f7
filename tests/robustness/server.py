"""Runs the command line in a child for each request: a process that has imported the tool, and
nothing else.

``python -m tests.robustness.server`` reads requests from standard input, one JSON object a line,
and answers each with one: the words of the command line, a catalogue and a folder; the status,
what was written to both outputs, seconds of a processor and the most MiB of memory. The memory is
that of a process with the tool in it, as a user would have it: a child begins with what this
process has. It ends when its standard input does.

A request with ``paths`` is of ``zapstress serve``: they are taken from the address that it prints,
what comes is added to its output, and then it is ended, with SIGTERM.
"""

from __future__ import annotations

import http.client
import importlib
import json
import mmap
import os
import pkgutil
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stress.catalogue import find_catalogue
from stress.cli.main import main
from stress.sources import ROOT

PACKAGES, LEFT_OUT = ("sim", "stress", "scenarios"), ("parallel", "bench", "__main__")
"""What is imported beforehand: importing it a thousand times would take most of the time."""

HANG_SECONDS = 60
"""After so long a child is taken to hang, also on a machine that is busy with something else."""

ADDRESSES_MIB_MAX = 4096
"""Address space of a child: a bomb that goes off fails there, and not in the whole machine."""

COLUMNS = "120"
"""Of the terminal that a child is told of."""

BEGUN_WITH = mmap.mmap(-1, 8)
"""Shared with the child: the bytes of memory that it has before it does anything."""


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Run the command line that a request asks for; return the answer."""
    outputs = [os.memfd_create(name) for name in ("out", "err")]
    address, told = os.pipe()
    child = os.fork()
    if not child:
        BEGUN_WITH[:] = _resident().to_bytes(8, "little")
        _be_the_tool(request, [told if "paths" in request else outputs[0], outputs[1]])
    os.close(told)
    with os.fdopen(address, encoding="utf-8", errors="replace") as lines:
        if "paths" in request and (line := lines.readline()):
            said = line + "".join(taken(line.strip(), path) for path in request["paths"])
            os.write(outputs[0], said.encode(errors="backslashreplace"))
            os.kill(child, signal.SIGTERM)
    _, status, used = os.wait4(child, 0)
    out, err = map(_contents, outputs)
    return {
        "status": os.waitstatus_to_exitcode(status),
        "out": out,
        "err": err,
        "cpu_s": used.ru_utime + used.ru_stime,
        "mib": (_resident() - int.from_bytes(BEGUN_WITH[:], "little")) / (1 << 20) + used.ru_maxrss / 1024,
    }


def taken(address: str, path: str) -> str:
    """Return what a server sends to who asks for a path: the status and the text."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=HANG_SECONDS)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        answer = connection.getresponse()
        return f"{answer.status}\n{answer.read().decode(errors='surrogateescape')}\n"
    return "nothing\n"


def _be_the_tool(request: dict[str, Any], outputs: list[int]) -> None:
    """Run the command line as this process, and end it."""
    status = 99
    try:
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES_MIB_MAX << 20,) * 2)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.alarm(HANG_SECONDS)
        for number, output in enumerate([os.open(os.devnull, os.O_RDONLY), *outputs]):
            os.dup2(output, number)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        os.environ["COLUMNS"] = COLUMNS
        os.chdir(request["cwd"] or ".")
        status = main(request["words"], find_catalogue(request["catalogue"]))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _resident() -> int:
    """Return how many bytes of memory this process has. A child that was forked has fewer than its
    parent: it maps the same libraries, but has touched nothing of them yet.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _contents(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    try:
        return os.pread(descriptor, size, 0).decode(errors="surrogateescape")
    finally:
        os.close(descriptor)


def modules() -> list[str]:
    """Return what a command may import, but for the parallel machine, which compiles."""
    folders = [str(ROOT / package) for package in PACKAGES]
    found = [
        module.name
        for package, folder in zip(PACKAGES, folders, strict=True)
        for module in pkgutil.walk_packages([folder], f"{package}.")
    ]
    return [name for name in found if name.split(".")[1] not in LEFT_OUT]


def serve() -> None:
    """Answer requests until there are no more."""
    for name in modules():
        importlib.import_module(name)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


if __name__ == "__main__":
    serve()
