"""Executions that are run twice, and what it means if their digests differ."""

from __future__ import annotations

import hashlib

from stress.case import Case
from stress.workers.messages import Failure, LeaseOrder, Twin, TwinAnswer, TwinOrder


def twin_order(order: LeaseOrder, twin: Twin) -> TwinOrder:
    """Return the order that has an execution of a lease repeated."""
    return TwinOrder(
        number=order.number,
        case=order.case,
        strategy=order.strategy,
        options=order.options,
        seed=twin.seed,
        learned=twin.learned,
        digest=twin.digest,
    )


def nondeterminism_name(case: Case) -> str:
    """Return the signature of executions of a case that had two digests."""
    return hashlib.blake2b(f"nondeterminism {case.scenario} {case.profile}".encode(), digest_size=4).hexdigest()


def nondeterminism(order: TwinOrder, answer: TwinAnswer) -> Failure:
    """Return the failure that two differing digests are; its trace is of the second run."""
    case = order.case
    report = (
        f"BUG: nondeterminism in {case.scenario} on {case.profile}\n"
        f"  seed {order.seed}, strategy {order.strategy};"
        f" in one worker {order.digest}, in another {answer.digest}\n"
        "  Something besides the tapes decides:"
        " iteration over a set, a hash, a clock, an id, or state outside the arena.\n"
    )
    return Failure(
        signature=nondeterminism_name(case),
        checker="nondeterminism",
        title="nondeterminism",
        strategy=order.strategy,
        seed=order.seed,
        kind="nondeterminism",
        trace=answer.trace,
        report=report,
    )
