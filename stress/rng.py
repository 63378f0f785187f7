"""Random words from one generator whose stream is fixed for ever: the raw 32-bit words of MT19937.

A stream is seeded with an integer made from a seed and a label, so that the schedule and the data
tape of one execution are independent, and no distribution of any library is involved.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from random import Random

WORD_BITS = 32


def words(seed: int, label: str) -> Callable[[], int]:
    """Return a function that gives the next 32-bit word of the stream (seed, label)."""
    bits = Random((seed & (1 << 64) - 1) << 32 | zlib.crc32(label.encode())).getrandbits
    return lambda: bits(WORD_BITS)


def raw_words(seed: int, label: str) -> Callable[[int], int]:
    """Return the generator's own ``getrandbits``, to be called with WORD_BITS: faster where each
    word counts.
    """
    return Random((seed & (1 << 64) - 1) << 32 | zlib.crc32(label.encode())).getrandbits
