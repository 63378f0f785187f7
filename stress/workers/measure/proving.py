"""A slice of proving, in a worker: a case is searched to its end, as far as the time goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import TYPE_CHECKING

from msgspec.structs import replace as changed

from stress.native.kernels import KernelKey
from stress.native.proofs.proof import Job, Prover
from stress.native.proofs.result import DIFFERS, PROVED, UNFINISHED, VIOLATED_KIND, Answer
from stress.trace.file import load
from stress.trace.record import capture
from stress.trace.replay import replay, trusted
from stress.workers.messages import Failure, ProveAnswer, ProveOrder
from stress.workers.native import differs_name
from stress.workers.settings import NATIVE
from stress.workers.tally import failure_of

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.native.runner import Library

TABLE_WORDS = 1 << 20
"""The largest table of states: 8 MiB, of which two thirds are used."""

FOUND_BY = "random"
"""The strategy that is told of what a proof has found: a search for it without the patch wants one,
and the random walk can come to everything.
"""


async def proved(order: ProveOrder, library: Library | None, catalogue: Catalogue) -> ProveAnswer:
    """Search a case to its end on a kernel that can make single transitions; of a violation also
    return the failure, as a replay in Python shows it.
    """
    with TemporaryDirectory() as folder:
        return await _proved(order, library, catalogue, folder)


async def _proved(order: ProveOrder, library: Library | None, catalogue: Catalogue, folder: str) -> ProveAnswer:
    began, failure = perf_counter(), None
    found = Answer(order.case, UNFINISHED, "its kernel is not compiled yet", time_was_up=True)
    if library is not None:
        until = began + order.left_s
        prover = Prover(catalogue, lambda words: None, clock=process_time, late=lambda: perf_counter() > until)
        prover.libraries[KernelKey.of(order.case)] = library
        found = await prover.prove(Job(order.case, order.seconds, TABLE_WORDS, folder, bounded=False))
    if found.kind == VIOLATED_KIND:
        failure = await failure_in(found, order, catalogue)
    elif found.kind == DIFFERS:
        failure = differing(found)
    return ProveAnswer(
        file=Path(found.certificate).name if found.kind == PROVED else "",
        certificate=Path(found.certificate).read_bytes() if found.kind == PROVED else b"",
        kind=found.kind,
        words=found.words,
        states=found.states,
        transitions=found.transitions,
        classes=found.classes,
        seconds=perf_counter() - began,
        time_was_up=found.time_was_up and found.kind not in (VIOLATED_KIND, DIFFERS),
        failure=failure,
    )


def differing(found: Answer) -> Failure:
    """Return the failure that a difference between the native core and Python is."""
    name, report = differs_name(found.case), f"BUG: native-differs in {found.case}\n  {found.words}\n"
    return Failure(
        signature=name, checker=NATIVE, title="native-differs", strategy=FOUND_BY, seed=0, kind="nondeterminism",
        report=report,
    )  # fmt: skip


async def failure_in(found: Answer, order: ProveOrder, catalogue: Catalogue) -> Failure:
    """Return the failure that the trace of a violation shows, with its evidence."""
    trace = load(Path(found.certificate))
    async with replay(replace(trace, case=order.case), trusted(order.case), catalogue) as again:
        failure = await failure_of(again.outcome, capture(again.outcome, FOUND_BY), catalogue)
    return changed(failure, strategy=FOUND_BY)
