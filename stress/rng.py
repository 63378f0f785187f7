"""Random words from one generator whose streams are fixed for ever: the upper halves of splitmix64.

A stream is named by a seed, a purpose and an actor, so that the schedule and each actor's data tape
are independent of one another, and no distribution of any library is involved. The native core
draws the same words (stress/native/translate/runtime.h).

Source: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

WORD_BITS = 32
_MASK = (1 << 64) - 1
_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def mix(word: int) -> int:
    """Return the finaliser of splitmix64 of a 64-bit word."""
    word = (word ^ word >> 30) * _MIX_1 & _MASK
    word = (word ^ word >> 27) * _MIX_2 & _MASK
    return word ^ word >> 31


def mixed(words: Array) -> Array:
    """Return the same of each of several words (uint64)."""
    import numpy

    words = (words ^ words >> numpy.uint64(30)) * numpy.uint64(_MIX_1)
    words = (words ^ words >> numpy.uint64(27)) * numpy.uint64(_MIX_2)
    found: Array = words ^ words >> numpy.uint64(31)
    return found


def origin(seed: int, purpose: str, actor: int = 0) -> int:
    """Return the state in which the stream begins; ``seed`` counts modulo 2^64."""
    return mix((mix(seed & _MASK) + (zlib.crc32(purpose.encode()) << 8) + actor) & _MASK)


def words(seed: int, purpose: str, actor: int = 0) -> Callable[[], int]:
    """Return a function that gives the next 32-bit word of the stream."""
    state = origin(seed, purpose, actor)

    def word() -> int:
        nonlocal state
        state = state + _GOLDEN & _MASK
        z = (state ^ state >> 30) * _MIX_1 & _MASK
        z = (z ^ z >> 27) * _MIX_2 & _MASK
        return (z ^ z >> 31) >> WORD_BITS

    return word
