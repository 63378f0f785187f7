"""What a counted run did, per page and per folio.

Page tables that go through the gather as pages (x86-64 before 6.14) have an entry, a put and a free
of their own each. They are counted apart, so that what is said of folios is of folios.
"""

from __future__ import annotations

from typing import Any

from sim.core.arena import Layout
from stress.native.plain.run import Done

PER_PAGE = ("pte_reads", "pte_writes", "atomics", "locks")
PER_FOLIO = ("refcount_updates", "mapcount_updates", "rmap_calls", "gather_entries", "gather_words", "frees")
TOTALS = ("flushes", "hash_batches", "tables")


def totals(counts: Done, layout: Layout) -> dict[str, int]:
    """Return what a run did as a whole."""
    locks = {field.name for field in layout.fields if field.lock}

    def steps(columns: set[str], *kinds: str) -> int:
        return sum(nr for (_, column, kind), nr in counts.steps.items() if column in columns and kind in kinds)

    every = {field.name for field in layout.fields}
    tables = counts.calls["gathered_tables"]
    return {
        "pte_reads": steps({"pte"}, "read"),
        "pte_writes": steps({"pte"}, "write", "rmw"),
        "atomics": steps(every - locks, "rmw"),
        "locks": steps(locks, "rmw"),
        "refcount_updates": steps({"page_ref"}, "rmw") - tables,
        "mapcount_updates": steps({"page_mapcount", "page_nr_pages_mapped", "page_large_mapcount"}, "rmw"),
        "rmap_calls": counts.calls["rmap_calls"],
        "gather_entries": max(0, counts.calls["gather_entries"] - tables),
        "gather_words": max(0, counts.words["gather_entries"] - tables),
        "frees": counts.calls["frees"] - tables,
        "flushes": counts.calls["flushes"],
        "hash_batches": counts.calls["hash_batches"],
        "tables": tables,
    }


def counted(counts: Done, layout: Layout, pages: int, order: int) -> dict[str, Any]:
    """Return the same, with what it is per page and per folio."""
    whole, folios = totals(counts, layout), pages >> order
    return {
        **whole,
        "per_page": {name: round(whole[name] / pages, 4) for name in PER_PAGE},
        "per_folio": {name: round(whole[name] / folios, 4) for name in PER_FOLIO},
    }
