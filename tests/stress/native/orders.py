"""Leases for tests."""

from __future__ import annotations

from stress.case import Case
from stress.workers.messages import LeaseOrder


def order_of(case: Case, count: int, strategy: str = "random") -> LeaseOrder:
    return LeaseOrder(
        lease=1, number=7, case=case, strategy=strategy, options={}, machine="lockstep", processes=0, first=0, count=count,
        slice_s=1.0, left_s=1.0, native=True, twin_every=64, stop_on_first=False, afresh=False,
    )  # fmt: skip
