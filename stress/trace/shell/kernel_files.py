"""Which file of the kernel has a function.

It is that of which the model's module says that it follows it, but for functions that the kernel
has elsewhere: the model keeps them beside those that call them.
"""

from __future__ import annotations

import re
import sys

NAMED = re.compile(r"[\w./-]*\w\.[ch]\b|\bv\d+\.\d+")
"""A file of the kernel, or a version of it, in the first paragraph of a module."""

VERSION = re.compile(r"v\d+\.\d+")

ELSEWHERE = {
    name: file
    for file, names in {
        "arch/powerpc/include/asm/book3s/64/pgtable.h": "pte_update",
        "arch/powerpc/mm/book3s64/hash_utils.c": "hash_page",
        "arch/x86/include/asm/tlbflush.h": "inc_mm_tlb_gen",
        "fs/buffer.c": "block_truncate_page",
        "include/asm-generic/pgalloc.h": "pte_free",
        "include/linux/highmem.h": "clear_highpage",
        "include/linux/mm.h": "folio_mapped folio_put pagetable_pte_ctor pagetable_pte_dtor pte_unmap_unlock",
        "include/linux/mm_inline.h": "pte_install_uffd_wp_if_needed",
        "include/linux/pgtable.h": "ptep_get",
        "include/linux/rmap.h": "anon_vma_prepare folio_dup_rmap_ptes folio_try_dup_anon_rmap_ptes",
        "kernel/fork.c": "mm_init mmput vm_area_alloc vm_area_free",
        "kernel/rcu/tree.c": "rcu_report_qs_rdp",
        "kernel/sched/core.c": "schedule_tail",
        "mm/filemap.c": "find_lock_entries folio_end_writeback",
        "mm/memory.c": "__pte_alloc free_pgtables free_pte_range",
        "mm/mmap.c": "vma_complete vma_link vma_prepare",
        "mm/mmu_gather.c": "tlb_remove_folio_pages",
        "mm/rmap.c": "flush_tlb_batched_pending",
        "mm/shmem.c": "shmem_suitable_orders",
        "mm/userfaultfd.c": "uffd_wp_range",
    }.items()
    for name in names.split()
}


def kernel_file(function: str, file: str) -> str:
    """Return which files of the kernel, in which version, have a function of which a step was made
    in ``file``; ``""`` if that is a patch, or hardware.
    """
    module = next((m for m in list(sys.modules.values()) if getattr(m, "__file__", None) == file), None)
    about = (module.__doc__ or "") if module is not None and module.__name__.startswith("sim.") else ""
    named = list(dict.fromkeys(NAMED.findall(about.partition("\n\n")[0])))
    if function not in ELSEWHERE:
        return ", ".join(named)
    return ", ".join([ELSEWHERE[function], *filter(VERSION.fullmatch, named)])
