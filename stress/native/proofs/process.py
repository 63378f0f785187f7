"""A process that proves one case after the other: ``python -m stress.native.proofs.process
CATALOGUE SCENARIO...``: kernels are compiled with these scenarios.

A line of standard input is a job, as JSON; a line of standard output is ``{"progress": ...}``,
``{"result": ...}`` or ``{"failed": ...}``: of what went wrong, the words and the exit status. It
ends at once when its standard input does: whoever asked is gone.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from queue import SimpleQueue
from threading import Thread
from typing import Any

from sim.core.errors import SimError
from stress.case import Case
from stress.catalogue import find_catalogue
from stress.errors import FAILED
from stress.machine.driver import run_plain
from stress.native.proofs.proof import Job, Prover

PROGRESS_SECONDS = 1.0


def written(job: Job) -> bytes:
    """Return a job as a line."""
    return (json.dumps(asdict(job)) + "\n").encode()


def read(line: str) -> Job:
    """Return the job that :func:`written` wrote down."""
    plain = json.loads(line)
    return Job(**(plain | {"case": Case.of(plain["case"])}))


def asked() -> Iterator[Job]:
    """Yield the jobs of standard input; when it ends, end this process, whatever it is at."""
    jobs = SimpleQueue[Job]()

    def listen() -> None:
        for line in sys.stdin:
            jobs.put(read(line))
        os._exit(FAILED)

    Thread(target=listen, daemon=True).start()
    while True:
        yield jobs.get()


def wrong(error: Exception) -> dict[str, Any]:
    """Return what an error comes to: its words, and the exit status that it stands for."""
    if not isinstance(error, SimError | OSError):
        traceback.print_exc()
    words = str(error) if isinstance(error, SimError | OSError) else repr(error)
    return {"words": words, "status": getattr(error, "exit_status", FAILED)}


def main() -> None:
    """Prove what is asked for, until nobody asks any more. Ctrl-C is for who asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    told = 0.0

    def say(**words: Any) -> None:
        answers.write(json.dumps(words) + "\n")
        answers.flush()

    def progress(words: str) -> None:
        nonlocal told
        if time.monotonic() - told >= PROGRESS_SECONDS:
            told = time.monotonic()
            say(progress=words)

    prover = Prover(find_catalogue(sys.argv[1]), progress, sys.argv[2:])
    for job in asked():
        try:
            say(result=run_plain(prover.prove(job)).plain())
        except Exception as error:  # noqa: BLE001 - it is told, and ends the whole run
            say(failed=wrong(error))


if __name__ == "__main__":
    main()
