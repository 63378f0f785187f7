"""What the patches with a mistake in them guard: each part of the versions after 6.9, of truncation
and invalidation, each rule that came with them, and the patches whose ``GUARDS`` names it.

``python -m tests.scenarios.guards`` writes ``docs/guards.md`` anew. A patch that a campaign misses
(the table of docs/patches.md) is listed and does not count.
"""

from __future__ import annotations

import importlib
import re

from stress.catalogue import CATALOGUE
from stress.sources import ROOT

PAGE = ROOT / "docs/guards.md"
AT_LEAST = 3
"""Patches that guard each part, and are found."""

TODAY = {
    "total-mapcount": "the total mapcount of a large folio (6.12; with its owners, 6.18)",
    "partially-mapped": "PG_partially_mapped and the deferred-split queue (6.12)",
    "swap-batches": "batches of swap entries (6.12)",
    "file-batches": "VMAs unlinked from their file in batches (6.12)",
    "whole-folio": "finish_fault() maps whole folios (6.12: shared memory; 6.18: any file)",
    "anon-prepare": "__vmf_anon_prepare() under the VMA's lock (6.12)",
    "x86-loaded-mm": "should_flush_tlb(), and what a CPU says while it switches (x86, 6.12)",
    "arm64-uffd-wp": "the uffd-wp bit in contiguous blocks (arm64, 6.12)",
    "vma-locks": "VMA locks",
    "rss-after-ptes": "RSS after the PTEs in anonymous faults (7.3)",
    "early-refusal": "wp_can_reuse_anon_folio() refuses early (7.3)",
    "ageing-batches": "ageing in batches (7.3)",
    "dead-folios": "LRU batches free dead folios (7.3)",
    "single-tables": "single tables without a batch (6.18, 7.3)",
    "failed-fork": "a fork that fails is torn down in dup_mmap() (7.3)",
    "spurious-faults": "spurious write faults after a local flush (arm64, 7.3)",
    "reclaim-elsewhere": "tables reclaimed on arm64, riscv64 and s390x (7.3)",
}
RELEASED = {
    "tables-unhooked": "tables that MADV_DONTNEED has emptied are unhooked (6.18, x86)",
    "truncation": "truncation (truncate_inode_pages_range())",
    "unmap-mapping-folio": "unmap_mapping_folio()",
    "unmap-mapping-range": "unmap_mapping_range()",
    "unmap-invalidate": "folio_unmap_invalidate(), as O_DIRECT writes reach it",
    "page-cache-removal": "a folio has left the page cache",
    "i-size": "i_size and SIGBUS",
    "hole-punch": "hole punch and MADV_REMOVE",
}
RULES = ("I29", *(f"O{number}" for number in range(30, 39)))


def parts() -> dict[str, dict[str, str]]:
    """Return heading -> part -> what it is."""
    told = CATALOGUE.checkers()
    return {
        "6.12, 7.3 and VMA locks": TODAY,
        "Truncation, invalidation and the released 6.18": RELEASED,
        "Rules that came with them": {rule: f"{rule}, {told[rule].partition(':')[0]}" for rule in RULES},
    }


def guards() -> dict[str, list[str]]:
    """Return part -> the patches that guard it."""
    found: dict[str, list[str]] = {}
    for name in CATALOGUE.patch_files():
        for part in getattr(importlib.import_module(f"scenarios.patches.{name}"), "GUARDS", ()):
            found.setdefault(part, []).append(name)
    return found


def missed() -> set[str]:
    """Return the patches that docs/patches.md says are missed."""
    return set(re.findall(r"^\| (\w+) \|", (ROOT / "docs/patches.md").read_text(), re.MULTILINE)) - {"patch"}


def page() -> str:
    """Return the text of the page."""
    by_part, not_found = guards(), missed()
    lines = [*HEAD.splitlines()]
    for heading, ids in parts().items():
        lines += ["", f"## {heading}", "", "| part | patches |", "| --- | --- |"]
        for part, about in ids.items():
            names = [f"({name})" if name in not_found else name for name in by_part.get(part, [])]
            lines.append(f"| {about} | {', '.join(names)} |")
    return "\n".join(lines) + "\n"


HEAD = """# What the patches guard

`python -m tests.scenarios.guards` writes this page from the line `GUARDS` of the patches in
`scenarios/patches/` ([patches.md](patches.md)). A test wants at least three patches for each part,
each of one method, that a default campaign of a minute with one worker has found. A patch in
parentheses is missed, and does not count. A patch guards a rule if it has been found by that rule,
in a campaign or in a few executions of one case."""


if __name__ == "__main__":
    PAGE.write_text(page())
