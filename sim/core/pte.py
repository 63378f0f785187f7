"""The words that page tables, TLBs and gathers hold.

A present entry is ``pfn << PFN_SHIFT`` with the bits below. The bits are the model's own: one set
for all architectures, of which a profile uses some. What arm64 spells DBM, RDONLY and a software
bit is WRITE and DIRTY here; ppc64's R and C are YOUNG and DIRTY. A non-present entry has PRESENT
clear and one of the KIND_ values.
"""

from __future__ import annotations

PFN_SHIFT = 12

PRESENT = 1 << 0
WRITE = 1 << 1
YOUNG = 1 << 2
DIRTY = 1 << 3
UFFD_WP = 1 << 4
CONT = 1 << 5
SPECIAL = 1 << 6
HASHPTE = 1 << 7
"""ppc64 hash: a hash entry exists for this PTE (H_PAGE_HASHPTE)."""

BUSY = 1 << 11
"""ppc64 hash: a hash fault is at work on this PTE (H_PAGE_BUSY)."""

KIND_SHIFT = 8
KIND_MASK = 7 << KIND_SHIFT
KIND_SWAP, KIND_MIGRATION, KIND_MARKER, KIND_DEVICE_PRIVATE, KIND_HWPOISON = (n << KIND_SHIFT for n in range(1, 6))

ACCESS_BITS = YOUNG | DIRTY


def make_pte(pfn: int, bits: int) -> int:
    """Return a present entry for page frame ``pfn``."""
    return pfn << PFN_SHIFT | PRESENT | bits


def pte_pfn(pte: int) -> int:
    """Return the page frame (or, of a non-present entry, its payload: swap slot or pfn)."""
    return pte >> PFN_SHIFT


def make_entry(kind: int, payload: int, bits: int = 0) -> int:
    """Return a non-present entry of one of the KIND_ values."""
    return payload << PFN_SHIFT | kind | bits
