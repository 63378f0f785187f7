"""Accesses of a patched kernel to what is not there: an index that no cell of the column has.

The kernel would oops, or write over something else. In the model an index above the last cell
raises IndexError; one below 0, as that of an object that was given up (-1), counts from the end, as
Python does, and is only seen in the code of the step. An unpatched kernel makes neither.
"""

from __future__ import annotations

import traceback
from pathlib import Path

from sim.core.machine import Machine, Violation, site
from sim.core.step import cell_of, is_wild, site_of, with_site
from stress.sources import ROOT

CHECKER, TITLE = "OOPS", "wild-access"
RULE = "a kernel touches no memory that is not an object's"

OUT_OF_BOUNDS = "index out of bounds on dimension 1"
"""What cells of a column say of an index that is too large."""


def wild_step(machine: Machine, columns: list[str]) -> Violation | None:
    """Return the violation that the execution's first step with an index below 0 is, or None."""
    for seq in range(1, machine.seq + 1):
        code = machine.code_at(seq)
        if is_wild(code):
            column, index = cell_of(code)
            what = f"step {seq} of the execution touches {columns[column]}[{index}]"
            return Violation(CHECKER, TITLE, what, with_site(0, site_of(code)), rule=RULE)
    return None


def out_of_bounds(error: BaseException | None) -> Violation | None:
    """Return the violation that ``error`` is, if the model raised it over an index that is too
    large, or None.
    """
    if not isinstance(error, IndexError) or str(error) != OUT_OF_BOUNDS:
        return None
    frames = traceback.extract_tb(error.__traceback__)
    while frames and Path(frames[-1].filename).is_relative_to(ROOT / "stress" / "machine"):
        frames.pop()
    if not frames or not Path(frames[-1].filename).is_relative_to(ROOT / "sim"):
        return None
    at = frames[-1]
    place = site(at.name, (at.line or "").strip(), step=False)
    what = f"an index is out of bounds in {at.name} ({Path(at.filename).name}:{at.lineno})"
    return Violation(CHECKER, TITLE, what, place, rule=RULE)
