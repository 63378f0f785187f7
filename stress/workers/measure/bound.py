"""How large the chance can be of what so many of so many executions have shown.

The bound is Clopper's and Pearson's (Biometrika 26, 1934): exact for executions of one kind. Of
several kinds, each with its own chance and a fixed number of executions, it bounds the mean chance:
the tail of such a sum is no heavier than the binomial's with the same mean (Hoeffding, Annals of
Mathematical Statistics 27, 1956, theorem 5), where the mean is above what was seen by one at least,
as it is here.

Good's own estimate, the share of executions whose class came only once, would use all executions
and not the newest block alone. It wants all of one kind; and what is added to it for 95 % is
(2 √2 + √3) √(ln 60 / n) (D. McAllester and R. Schapire, *On the convergence rate of Good-Turing
estimators*, COLT 2000), which is 0.29 after 1,000 executions. ``zapstress bench risk`` holds the
bound against the truth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from stress.output import chance_words

CONFIDENCE = 0.95
"""How sure a bound on a chance is."""

_HALVINGS = 50
_TERMS_MAX = 10_000
_TINY = 1e-300


class Block(NamedTuple):
    """Executions of one case, of the newest block, of which ``unseen`` were of a class that none of
    the ``before`` measured executions before the block had.
    """

    executions: int
    unseen: int
    before: int = 0


def risk_words(chance: float) -> str:
    """Return a risk as a sentence."""
    return f"the chance that the next execution shows a class not seen before is at most {chance_words(chance)} (95 %)"


def most(successes: int, trials: int) -> float:
    """Return the largest chance with which so few of ``trials`` may succeed: 1 if there are none."""
    if successes >= trials:
        return 1.0
    low, high = successes / trials, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if at_most(successes, trials, middle) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def at_most(successes: int, trials: int, chance: float) -> float:
    """Return how likely it is that at most so many of ``trials`` succeed, each with ``chance``."""
    if chance >= 1.0:
        return float(successes >= trials)
    return _beta(1.0 - chance, trials - successes, successes + 1)


def _beta(x: float, a: float, b: float) -> float:
    """Return the regularized incomplete beta function I_x(a, b) (DLMF 8.17.22)."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _beta(1.0 - x, b, a)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(front) / a / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction of the incomplete beta function, by Lentz's method."""
    found = c = 1.0
    d = 0.0
    for k in range(1, _TERMS_MAX):
        m = k // 2
        if k % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1.0 / (1.0 + term * d or _TINY)
        c = 1.0 + term / c or _TINY
        found *= c * d
        if abs(c * d - 1.0) < 1e-12:
            break
    return found


def risk(blocks: Iterable[Block | None]) -> float:
    """Return the largest chance that the next execution of these cases shows a class that was not
    seen, with CONFIDENCE.

    None is a case of which nothing was measured: all that it shows counts as unseen. The next
    execution is one of such a case as often as these are among the cases; else it falls to the
    others as their blocks did.
    """
    known = list(blocks)
    made = [block for block in known if block is not None]
    if not made:
        return 1.0 if known else 0.0
    unknown = (len(known) - len(made)) / len(known)
    seen = most(sum(block.unseen for block in made), sum(block.executions for block in made))
    return unknown + (1.0 - unknown) * seen
