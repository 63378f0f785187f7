"""A process that proves one case after the other: ``python -m stress.native.proofs.process
CATALOGUE SCENARIO...``: kernels are compiled with these scenarios.

A line of standard input is a job, as JSON; a line of standard output is ``{"progress": ...}`` or
``{"result": ...}``. It ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from typing import Any

from stress.case import Case
from stress.catalogue import find_catalogue
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


def main() -> int:
    """Prove what is asked for, until nobody asks any more."""
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
    for line in sys.stdin:
        say(result=run_plain(prover.prove(read(line))).plain())
    return 0


if __name__ == "__main__":
    sys.exit(main())
