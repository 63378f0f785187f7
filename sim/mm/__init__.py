"""The modelled files of the kernel, one module per kernel file: ``memory.py`` stands for
mm/memory.c.

- ``mm_types``: struct page, folio, mm_struct and vm_area_struct as columns;
- ``mmap``, ``madvise``, ``fork``: VMAs, munmap and exit; MADV_DONTNEED; copying an address space;
- ``memory``: the zap ladder, from ``unmap_vmas`` down to ``zap_present_folio_ptes``, and where RSS
  is folded;
- ``mmu_gather``: gathers, their batches of pages, batches of tables;
- ``rmap``: mapcounts, anon_vmas, walks from a folio to its VMAs; ``page_vma_mapped``: from there to
  its PTEs;
- ``pgtable``: page tables and the PTE primitives that architectures override;
- ``page_fault``: the fault half of mm/memory.c; ``filemap``: the page cache, fault-around;
- ``swap``, ``swapfile``: putting pages and LRU batches; swap counts;
- ``page_alloc``, ``huge_memory``: the buddy allocator; the deferred-split queue;
- ``page_writeback``, ``vmscan``: write-out; ageing;
- ``truncate``, ``unmap_mapping``: removing pages from the page cache, and from all address spaces
  before; ``filesystem``: ftruncate, hole punching and direct writes, which call them;
- ``rcu``: grace periods, as far as page tables need them.
"""
