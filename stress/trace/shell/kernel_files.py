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
        "arch/*/include/asm/mmu_context.h": "tlbflush.switch_mm",
        "arch/*/include/asm/tlbflush.h": "tlbflush.flush_tlb",
        "arch/arm64/include/asm/pgtable.h": "contpte_try_fold contpte_try_unfold",
        "arch/powerpc/include/asm/book3s/64/pgtable.h": "pte_update",
        "arch/powerpc/mm/book3s64/hash_utils.c": "hash_page",
        "arch/s390/include/asm/mmu_context.h": "s390x.switch_mm finish_arch_post_lock_switch",
        "arch/s390/include/asm/pgtable.h": "s390x.ptep_set_wrprotect",
        "arch/s390/include/asm/tlb.h": "pte_free_tlb",
        "arch/s390/include/asm/tlbflush.h": "__tlb_flush_mm __tlb_flush_mm_lazy",
        "arch/x86/include/asm/tlbflush.h": "inc_mm_tlb_gen",
        "fs/buffer.c": "block_truncate_page",
        "fs/ext4/inode.c": "free_blocks",
        "fs/open.c": "do_truncate vfs_fallocate",
        "include/asm-generic/pgalloc.h": "pte_free",
        "include/linux/highmem.h": "clear_highpage",
        "include/linux/mm.h": "folio_mapped folio_put pagetable_pte_ctor pagetable_pte_dtor pte_offset_map_lock"
        " pte_unmap_unlock",
        "include/linux/mm_inline.h": "pte_install_uffd_wp_if_needed",
        "include/linux/pgtable.h": "ptep_get",
        "include/linux/rmap.h": "anon_vma_prepare folio_dup_rmap_ptes folio_try_dup_anon_rmap_ptes",
        "kernel/fork.c": "mm_init mmput vm_area_alloc vm_area_free",
        "kernel/rcu/tree.c": "rcu_report_qs_rdp",
        "kernel/sched/core.c": "schedule_tail",
        "lib/maple_tree.c": "mas_store",
        "mm/filemap.c": "find_lock_entries folio_end_writeback generic_file_direct_write",
        "mm/memory.c": "__pte_alloc copy_nonpresent_pte copy_pmd_range copy_present_ptes copy_pte_range free_pgtables"
        " free_pte_range lock_vma_under_rcu",
        "mm/mmap.c": "vma_complete vma_link vma_prepare",
        "mm/mmu_gather.c": "tlb_remove_folio_pages",
        "mm/pgtable-generic.c": "pgtable.ptep_set_access_flags",
        "mm/rmap.c": "flush_tlb_batched_pending rmap.folio_add_rmap_ptes rmap.folio_remove_rmap_ptes",
        "mm/shmem.c": "shmem_suitable_orders",
        "mm/userfaultfd.c": "uffd_wp_range",
    }.items()
    for name in names.split()
}
"""The files of functions that are not in the first one that their module names. A function has the
module before it where another module's is elsewhere.
"""


def kernel_file(function: str, file: str) -> str:
    """Return which file of the kernel, in which version, has a function of which a step was made in
    ``file``; ``""`` if that is a patch, or hardware.
    """
    module = next((m for m in list(sys.modules.values()) if getattr(m, "__file__", None) == file), None)
    about = (module.__doc__ or "") if module is not None and module.__name__.startswith("sim.") else ""
    named = list(dict.fromkeys(NAMED.findall(about.partition("\n\n")[0])))
    tail = module.__name__.rpartition(".")[2] if module is not None else ""
    first = [name for name in named if not VERSION.fullmatch(name)][:1]
    own = [ELSEWHERE[key] for key in (f"{tail}.{function}", function) if key in ELSEWHERE][:1]
    return ", ".join([*(own or first), *filter(VERSION.fullmatch, named)][:2]) if own or first else ""
