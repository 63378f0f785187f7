"""Single-line alterations of the model's rules of fork, fault, zap and write-out, each with a trace
that a comparison must see.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.core.pte import DIRTY
from sim.mm.mm_types import MM_ANONPAGES, MM_FILEPAGES
from tests.sim.programs import mutation

ALTERATIONS: dict[str, type] = {}
"""Name -> the patch."""


def alteration(component: str, method: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a patch of a function: it is called with the component, the method that it replaces, and
    the arguments.
    """

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        ALTERATIONS[function.__name__] = mutation(component, **{method: function})
        return function

    return add


# -- fork ------------------------------------------------------------------------------------------------------------


@alteration("fork", "wrprotect_parent")
async def fork_leaves_the_parent_writable(c: Any, original: Any, copy: Any, addr: int, src: int, nr: int) -> None:
    pass


@alteration("rmap", "folio_try_dup_anon_rmap_ptes")
async def fork_leaves_pages_exclusive(c: Any, original: Any, folio: int, page: int, nr: int, mm: int) -> bool:
    await original(folio, page, nr, mm)
    c.page_anon_exclusive.view[page] = 1
    return True


@alteration("fork", "vma_needs_copy")
def fork_copies_file_pages(c: Any, original: Any, vma: int) -> bool:
    return True


@alteration("fork", "copy_present_ptes")
async def fork_counts_rss_for_the_batch_only(c: Any, original: Any, copy: Any, *args: Any) -> int:
    nr: int = await original(copy, *args)
    copy.rss[MM_ANONPAGES] -= 1
    return nr


@alteration("fork", "_install")
async def fork_drops_dirty(c: Any, original: Any, copy: Any, addr: int, src: int, pte: int, nr: int) -> None:
    await original(copy, addr, src, pte & ~DIRTY, nr)


# -- fault -----------------------------------------------------------------------------------------------------------


@alteration("page_fault", "do_anonymous_page")
async def fault_knows_no_zero_page(c: Any, original: Any, cpu: int, mm: int, vma: int, addr: int, write: bool) -> Any:
    return await original(cpu, mm, vma, addr, True)


@alteration("filemap", "fault_around")
def fault_around_looks_at_half(c: Any, original: Any) -> int:
    return int(original()) // 2


@alteration("page_fault", "may_reuse")
async def fault_always_copies(c: Any, original: Any, *args: Any) -> bool:
    return False


@alteration("page_fault", "may_reuse")
async def fault_always_reuses(c: Any, original: Any, *args: Any) -> bool:
    return True


@alteration("rmap", "folio_add_new_anon_rmap")
async def fault_makes_pages_not_exclusive(c: Any, original: Any, folio: int, vma: int, addr: int) -> None:
    await original(folio, vma, addr)
    c.page_anon_exclusive.view[folio] = 0


@alteration("mm_types", "mm_counter_file")
def fault_counts_shared_memory_as_file(c: Any, original: Any, folio: int) -> int:
    return MM_FILEPAGES


@alteration("page_writeback", "folio_mark_dirty")
async def fault_leaves_the_folio_clean(c: Any, original: Any, folio: int) -> None:
    pass


@alteration("page_fault", "finish_fault")
async def fault_maps_the_page_before(
    c: Any, original: Any, cpu: int, mm: int, vma: int, addr: int, page: int, write: bool, orig: int
) -> Any:
    return await original(cpu, mm, vma, addr, max(c.k.page_head(page), page - 1), write, orig)


# -- zap -------------------------------------------------------------------------------------------------------------


@alteration("memory", "rss_nr")
def zap_forgets_one_in_rss(c: Any, original: Any, nr: int) -> int:
    return nr - 1


@alteration("rmap", "folio_remove_rmap_ptes")
async def zap_removes_the_first_mapcount_only(
    c: Any, original: Any, folio: int, page: int, nr: int, *args: Any
) -> None:
    await original(folio, page, 1, *args)


@alteration("memory", "unmap_single_vma")
async def zap_stops_one_page_early(
    c: Any, original: Any, tlb: int, vma: int, start: int, end: int, details: Any
) -> None:
    await original(tlb, vma, start, end - 1, details)


@alteration("memory", "should_zap_cows")
def zap_leaves_private_copies(c: Any, original: Any, details: Any) -> bool:
    return False


@alteration("memory", "record_tlb_entries")
def zap_flushes_nothing(c: Any, original: Any, *args: Any) -> None:
    pass


@alteration("pt_reclaim", "reclaim_pt_is_enabled")
def zap_keeps_empty_tables(c: Any, original: Any, *args: Any) -> bool:
    return False


@alteration("mmap", "split_vma")
async def munmap_forgets_the_offset(c: Any, original: Any, vma: int, addr: int) -> int:
    new: int = await original(vma, addr)
    c.vma_pgoff[new] = c.vma_pgoff[vma]
    return new


# -- write-out -------------------------------------------------------------------------------------------------------


@alteration("rmap", "folio_mkclean")
async def write_out_cleans_no_entries(c: Any, original: Any, cpu: int, folio: int) -> int:
    return 0


@alteration("page_writeback", "folio_clear_dirty_for_io")
async def write_out_leaves_the_folio_dirty(c: Any, original: Any, cpu: int, folio: int) -> bool:
    await original(cpu, folio)
    c.page_dirty.view[folio] = 1
    return True
