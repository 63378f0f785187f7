"""The hardware below the kernel, and how the kernel flushes it.

- ``tlb``: each CPU's TLB and walk cache, user accesses, and the flush request (an IPI or a
  broadcast) as its target carries it out;
- ``tlbflush``: the side that asks other CPUs to flush, as far as it is the same everywhere.
"""
