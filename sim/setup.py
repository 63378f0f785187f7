"""What prepares a world before anything races: threads get their mm, files their folios, page
tables the entries that nothing in the model makes.

Each function works through a :class:`~sim.task.Task`, and no other actor may run meanwhile. What it
does to shared columns is steps all the same.
"""

from __future__ import annotations

from sim.core.errors import WorldError
from sim.core.machine import site
from sim.core.pte import KIND_MIGRATION, KIND_SWAP, SPECIAL, YOUNG, make_entry, make_pte, pte_pfn
from sim.mm.mm_types import MM_SWAPENTS, ZERO_PFN
from sim.task import Task

BOOT_USERS = site("mm_init", "mm_users = 1")
PLANT_READ = site("setup", "read pte")
PLANT_SET = site("setup", "plant entry")
PLANT_COUNT = site("setup", "account for the planted entry")


async def start(task: Task, mm: int) -> None:
    """Give the task's CPU the mm ``mm``, as one more thread that uses it; the first to do so makes
    it.
    """
    await task.m.add(BOOT_USERS, task.mm_users, mm, 1)
    await task.k.tlbflush.switch_mm(task.cpu, mm)


async def add_file_folio(task: Task, file: int, index: int, order: int, shmem: bool = False) -> None:
    """Read a folio of ``order`` at ``index`` of ``file`` into the page cache; ``shmem``: the file
    is shared memory.

    Raises WorldError for a folio that no page cache can have there.
    """
    world = task.k.world
    largest = world.file_pages.bit_length() - 1
    if order not in range(largest + 1):
        raise WorldError(f"no folio of a file has order {order!r}; the world's files have room for 0 to {largest}")
    if index % (1 << order):
        raise WorldError(f"a folio of order {order} begins at a multiple of {1 << order}, and not at page {index}")
    if not 0 <= file < world.files or not 0 <= index <= world.file_pages - (1 << order):
        what = f"the world's {world.files} files have {world.file_pages} pages each"
        raise WorldError(f"a folio of order {order} at page {index} of file {file} has no room: {what}")
    await task.k.filemap.add_folio(task.cpu, file, index, order, shmem)


async def plant_zero_page(task: Task, addr: int) -> None:
    """Map the zero page at ``addr``, as a read fault of anonymous memory does."""
    await _plant(task, addr, make_pte(ZERO_PFN, SPECIAL | YOUNG))


async def plant_swap_entry(task: Task, addr: int, slot: int) -> None:
    """Put a swap entry at ``addr``, with its count and its RSS."""
    await task.m.add(PLANT_COUNT, task.k.arena["swap_map"], slot, 1)
    await task.k.page_fault.add_rss(task.cpu, task.mm, MM_SWAPENTS, 1)
    await _plant(task, addr, make_entry(KIND_SWAP, slot))


async def plant_migration_entry(task: Task, addr: int) -> None:
    """Turn the anonymous page mapped at ``addr`` into a migration entry: RSS stays, rmap and
    reference go.
    """
    k, cpu, mm = task.k, task.cpu, task.mm
    vma = k.mm_types.vma_lookup(mm, addr)
    table = await k.pgtable.pte_offset_map_lock(cpu, mm, addr)
    ptep = k.pgtable.ptep(table, addr)
    page = pte_pfn(await k.pgtable.ptep_clear_flush(cpu, mm, addr, ptep))
    await k.rmap.folio_remove_rmap_ptes(k.page_head(page), page, 1, vma)
    await task.m.store(PLANT_SET, k.arena["pte"], ptep, make_entry(KIND_MIGRATION, page))
    await k.pgtable.pte_unmap_unlock(cpu, table)
    await k.swap.folio_put(cpu, k.page_head(page))


async def uffd_protect(task: Task, addr: int) -> None:
    """Let userfaultfd write-protect the page mapped at ``addr``."""
    k, cpu, mm = task.k, task.cpu, task.mm
    table = await k.pgtable.pte_offset_map_lock(cpu, mm, addr)
    await k.pgtable.uffd_wp_protect(cpu, k.pgtable.ptep(table, addr))
    await k.tlbflush.flush_tlb_page(cpu, mm, addr)
    await k.pgtable.pte_unmap_unlock(cpu, table)


async def _plant(task: Task, addr: int, entry: int) -> None:
    """Store an entry at ``addr``, in a table that is made if there is none."""
    k, cpu, mm = task.k, task.cpu, task.mm
    if not await task.m.load(PLANT_READ, k.arena["pmd"], k.pgtable.pmd_index(mm, addr)):
        await k.pgtable.pte_alloc(cpu, mm, addr)
    table = await k.pgtable.pte_offset_map_lock(cpu, mm, addr)
    await task.m.store(PLANT_SET, k.arena["pte"], k.pgtable.ptep(table, addr), entry)
    await k.pgtable.pte_unmap_unlock(cpu, table)
