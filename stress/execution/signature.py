"""What makes two failures the same: the checker, the accusing site and the victim site.

Object ids, addresses, seeds and step numbers are no part of it: they differ from one finding of a
bug to the next.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sim.core.machine import Violation, site_info

if TYPE_CHECKING:
    from stress.execution.outcome import Outcome


def signature(violation: Violation) -> str:
    """Return the signature of ``violation``: 8 hex digits."""
    parts = (violation.checker, site_info(violation.accused).name, site_info(violation.victim).name)
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=4).hexdigest()


def signature_of(outcome: Outcome) -> str:
    """Return the signature of the violation that ``outcome`` ended with, or ``""``."""
    violation = outcome.verdict.violation
    return signature(violation) if violation is not None else ""
