"""Sites of the model that no execution visits on some profiles, and why.

What a campaign has not reached is either still to be reached, or is here.
``tests/scenarios/test_reach.py`` holds the table against what the scenarios reach: what is here is
not reached, and all else is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sim.core.profile import Profile
from stress.catalogue import CATALOGUE

Condition = Callable[[Profile], bool]


def always(profile: Profile) -> bool:
    """Return True: every profile has it."""
    return True


@dataclass(frozen=True)
class Absent:
    """Sites that no execution visits on some profiles.

    ``sites`` are names, or functions with a colon at the end.
    """

    sites: tuple[str, ...]
    where: Condition
    reason: str
    versions: tuple[str, ...] = ()
    """The versions for which this holds; none is all."""


ABSENT = (
    Absent(("(none):",), always, "stands for no step"),
    Absent(
        ("pte_offset_map_lock: pmd changed: unlock ptl", "page_vma_mapped_walk: pmd changed: unlock ptl"),
        lambda p: not p.reclaims_pt,
        "tables go while the mmap, VMA and rmap locks exclude whoever maps one: "
        "only khugepaged, not modelled, and PT_RECLAIM take one under a reader",
    ),
    Absent(
        (
            "vma_start_read: trylock the VMA",
            "vma_end_read: unlock the VMA",
            "vma_start_write: lock the VMA",
            "vma_start_write: unlock the VMA",
        ),
        always,
        "the lock of a VMA is a reference count",
        ("6.18", "7.3"),
    ),
    Absent(
        (
            "should_flush_tlb:",
            "switch_mm_irqs_off: set loaded_mm",
        ),
        lambda p: p.lazy_tlb,
        "which mm a CPU has loaded is not asked",
        ("6.9",),
    ),
    Absent(
        ("flush_tlb_func: clear mm_cpumask of an mm that is not loaded",),
        lambda p: p.lazy_tlb,
        "a CPU that switches away leaves the mask",
        ("6.9", "6.12"),
    ),
    Absent(
        ("deferred_split_folio: look whether it is queued",),
        always,
        "no look before the lock is taken",
        ("6.12", "6.18", "7.3"),
    ),
    Absent(
        ("folio_add_rmap_ptes: raise large mapcount", "folio_remove_rmap_ptes: lower large mapcount"),
        always,
        "the total changes under the lock of the mm ids",
        ("6.18", "7.3"),
    ),
    Absent(
        ("switch_mm_irqs_off: clear mm_cpumask of the last mm",),
        lambda p: p.lazy_tlb,
        "a CPU that switches away stays in the mask",
        ("6.18", "7.3"),
    ),
    Absent(
        ("try_get_and_clear_pmd:", "try_to_free_pte:", "free_pte:"),
        lambda p: not p.reclaims_pt,
        "MADV_DONTNEED frees no page tables (PT_RECLAIM)",
        ("6.18",),
    ),
    Absent(
        ("try_get_and_clear_pmd:", "try_to_free_pte:", "free_pte:"),
        always,
        "the functions that free an emptied table have new names",
        ("7.3",),
    ),
    Absent(
        ("zap_empty_pte_table:", "zap_pte_table_if_empty:", "zap_pte_range: uncount table"),
        lambda p: not p.reclaims_pt,
        "MADV_DONTNEED frees no page tables (PT_RECLAIM)",
        ("7.3",),
    ),
    Absent(
        ("synchronize_rcu:",),
        lambda p: p.reclaims_pt,
        "a table without a batch is freed by an RCU callback of its own",
        ("7.3",),
    ),
    Absent(
        ("finish_fault: read i_size",),
        always,
        "shared memory alone is mapped whole, and its end is not asked for",
        ("6.12",),
    ),
    Absent(
        ("ptep_test_and_clear_young: clear young",),
        lambda p: p.geometry("small").contpte > 1,
        "ageing clears whole contiguous blocks",
        ("7.3",),
    ),
    Absent(("synchronize_rcu:",), always, "only 7.3 sleeps for a grace period", ("6.9", "6.12", "6.18")),
    Absent(
        ("hardware_walk: fault until the walk cache is flushed",),
        lambda p: not p.reclaims_pt or p.fault_invalidates,
        "no walk cache has a table that was taken back under a user",
        ("7.3",),
    ),
    Absent(
        (
            "hardware_walk: read pmd",
            "hardware_walk: read pte",
            "hardware_walk: fill walk cache",
            "hardware_walk: set accessed and dirty",
            "invalidate: drop walk cache entry",
        ),
        lambda p: not p.walks_tables,
        "hardware walks no Linux page table",
    ),
    Absent(
        ("hash_page:", "pte_update:"), lambda p: p.walks_tables, "hardware walks Linux page tables: no hash entries"
    ),
    Absent(
        ("hardware_walk: set accessed and dirty",),
        lambda p: not (p.hardware_young or p.hardware_dirty),
        "young and dirty bits are set by faults",
    ),
    Absent(
        ("call_rcu:", "rcu_gp_kthread:", "rcu_report_qs_rdp:"),
        lambda p: not p.table_free,
        "tables go through the gather as pages",
    ),
    Absent(
        ("flush_tlb: read snoop filter", "hardware_walk: enter snoop filter", "invalidate: leave snoop filter"),
        lambda p: not p.components["tlbflush"].broadcasts,  # type: ignore[attr-defined]
        "flushes go to the CPUs that the kernel has noted",
    ),
    Absent(("flush_tlb_batched_pending:",), lambda p: not p.batched_unmap_flush, "reclaim does not defer flushes"),
    Absent(
        (
            "pte_install_uffd_wp_if_needed:",
            "uffd_wp_range:",
            "do_wp_page: read flush pending",
            "setup: write-protect for userfaultfd",
        ),
        lambda p: not p.uffd_wp,
        "no uffd-wp bit in the PTE",
    ),
    Absent(
        ("ptep_get_and_clear_full:",),
        lambda p: not (p.plain_fullmm_clear and p.walks_tables),
        "a fullmm clear is as atomic as any",
    ),
    Absent(("tlb_flush_rmap_batch:",), lambda p: not p.delays_rmap, "rmap removal is never delayed"),
    Absent(
        ("ptep_set_wrprotect: write-protect pte",),
        lambda p: not p.gathers,
        "an entry is invalidated and written again (ptep_xchg_lazy)",
    ),
    Absent(
        ("ptep_set_access_flags: set flags", "ptep_test_and_clear_young: clear young"),
        lambda p: not p.gathers,
        "an entry is invalidated and written again (ptep_xchg_direct)",
    ),
    Absent(
        ("filemap_map_pages:", "next_uptodate_folio:", "filemap_map_folio_range:"),
        lambda p: p.real.page_size >= 65536,
        "fault-around of 64 KiB is one page: none",
    ),
    Absent(
        ("flush_tlb: read mm_cpumask",),
        lambda p: not (p.mm_cpumask and p.gathers and p.walks_tables),
        "flushes are broadcast",
    ),
    Absent(("switch_mm:",), lambda p: p.lazy_tlb, "switch_mm_irqs_off instead"),
    Absent(("switch_mm: set mm_cpumask",), lambda p: not p.gathers, "cpu_attach_mask instead"),
    Absent(("switch_mm: set cpu_attach_mask",), lambda p: p.gathers, "mm_cpumask instead"),
    Absent(
        ("setup:", "mm_init:"),
        always,
        "made by the setup, before the executions",
    ),
)
"""What is not reached, and why, the most particular reason first. Sites that another architecture's
file declares need no mention.
"""


def why_absent(name: str, profile: Profile, version: str) -> str:
    """Return why no execution visits the site ``name`` on ``profile``, as it is in ``version``, or
    nothing where that is not known; a variant, VERSION-WORD, visits what its version does.
    """
    base = version.partition("-")[0]
    for absent in ABSENT:
        named = any(name == site or (site.endswith(":") and name.startswith(site)) for site in absent.sites)
        if named and base in (absent.versions or (base,)) and absent.where(profile):
            return absent.reason
    return ""


def unreachable(sites: Iterable[str], profiles: Iterable[str], version: str) -> dict[str, str]:
    """Return those of ``sites`` that no execution can visit on the profiles of these names, with
    the reason, which is known on each of them.
    """
    known = CATALOGUE.profiles()
    shapes = [CATALOGUE.profile(name).at(version) for name in profiles if name in known]
    found: dict[str, str] = {}
    for site in sorted(sites):
        reasons = [why_absent(site, profile, version) for profile in shapes]
        if reasons and all(reasons):
            found[site] = "; ".join(dict.fromkeys(reasons))
    return found
