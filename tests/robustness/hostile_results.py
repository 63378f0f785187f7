"""What a stranger who means harm puts beside a failure's trace, and in place of a proof; and all
hostile files together.

``python -m tests.robustness.hostile_results DIR`` makes them in a new directory.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stress.campaign.directory import TRACE
from stress.trace.explanation import EXPLANATION, SHRUNK
from tests.robustness import traces
from tests.robustness.damage import DEEP, ESCAPE
from tests.robustness.hostile import HOSTILE, OUTSIDE, PATCH, Make, Workshop

ZEROS, PRECIOUS = "/dev/zero", f"../../{OUTSIDE}/precious"


def text(words: str) -> Callable[[Path], None]:
    """Return what writes a text in place of a file."""

    def make(file: Path) -> None:
        file.write_text(words)

    return make


def link(to: str) -> Callable[[Path], None]:
    """Return what puts a link in place of a file."""

    def make(file: Path) -> None:
        file.unlink()
        file.symlink_to(to)

    return make


def fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def huge(file: Path) -> None:
    os.truncate(file, 1 << 40)


def fields(**more: Any) -> Callable[[Path], None]:
    """Return what makes the plain data of a file say something else."""

    def make(file: Path) -> None:
        file.write_text(json.dumps(json.loads(file.read_text()) | more))

    return make


def header(**more: Any) -> Callable[[Path], None]:
    """Return what makes the case of a trace say something else."""

    def make(file: Path) -> None:
        found, rest = traces.split(traces.opened(file.read_bytes()))
        found["case"] |= more
        file.write_bytes(traces.sealed(traces.joined(found, rest), file.read_bytes()))

    return make


def in_failure(name: str, change: Callable[[Path], None]) -> Make:
    """Return what makes the folder of a failure of which one file is hostile."""

    def make(workshop: Workshop, path: Path) -> None:
        shutil.copytree(workshop.failure, path)
        change(path / name)

    return make


def in_proofs(change: Callable[[Path], None]) -> Make:
    """Return what makes a directory of proofs whose certificate is hostile."""

    def make(workshop: Workshop, path: Path) -> None:
        path.mkdir()
        shutil.copy(workshop.certificate, path)
        change(path / workshop.certificate.name)

    return make


MOMENT = {"step": 1 << 62, "actor": ESCAPE, "function": ESCAPE, "label": ESCAPE, "text": ESCAPE}
ORDERING = {"before": MOMENT, "after": MOMENT, "ends": ESCAPE, "schedule": [[1 << 62, 1 << 62]]}

FAILURES = {
    name: ("failure", in_failure(file, change))
    for name, (file, change) in {
        "why_escapes": (EXPLANATION, fields(sentence=ESCAPE, orderings=[ORDERING])),
        "why_is_a_fifo": (EXPLANATION, fifo),
        "why_is_zeros": (EXPLANATION, link(ZEROS)),
        "why_is_a_link": (EXPLANATION, link(PRECIOUS)),
        "why_is_deep": (EXPLANATION, text("[" * DEEP)),
        "why_is_huge": (EXPLANATION, huge),
        "why_is_long": (EXPLANATION, fields(sentence="zapstress: all is well\n" * 20_000)),
        "why_has_other_kinds": (EXPLANATION, fields(chances=["a"], beliefs={}, continuations=ESCAPE)),
        "form_is_a_fifo": (SHRUNK, fifo),
        "form_is_zeros": (SHRUNK, link(ZEROS)),
        "form_is_a_link": (SHRUNK, link(PRECIOUS)),
        "form_names_a_file": (SHRUNK, header(patch=[PATCH])),
        "form_escapes": (SHRUNK, header(scenario=ESCAPE)),
        "whole_is_a_fifo": (TRACE, fifo),
        "whole_names_a_file": (TRACE, header(kernel=PATCH)),
    }.items()
}

PROOFS = {
    name: ("proofs", in_proofs(change))
    for name, change in {
        "certificate_escapes": fields(scenario=ESCAPE, scope=ESCAPE, livelocks=ESCAPE, reductions=ESCAPE),
        "certificate_names_a_file": fields(patch=[PATCH], kernel=PATCH),
        "certificate_counts_in_words": fields(states=ESCAPE, seconds=ESCAPE, overrides={ESCAPE: 1}),
        "certificate_counts_too_much": fields(states=1 << 62, transitions=1 << 62, classes=-(1 << 62), seconds=1e308),
        "certificate_is_a_fifo": fifo,
        "certificate_is_zeros": link(ZEROS),
        "certificate_is_a_link": link(PRECIOUS),
        "certificate_is_deep": text("[" * DEEP),
        "certificate_is_huge": huge,
    }.items()
}

ALL: dict[str, tuple[str, Make]] = HOSTILE | FAILURES | PROOFS
"""Name -> (what kind of file it is; what makes it at a path)."""


def main() -> None:
    """Make every hostile file below the directory that the command line names."""
    workshop = Workshop.open(Path(sys.argv[1]).resolve())
    for name, (kind, make) in ALL.items():
        print(ascii(str(workshop.make(name, kind, make))))


if __name__ == "__main__":
    main()
