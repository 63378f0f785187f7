"""The hardware below the kernel, and how the kernel flushes it.

- ``tlb``: each CPU's TLB and walk cache, user accesses, the arrival of flush requests;
- ``tlbflush``: flushing the TLBs of other CPUs, as far as it is the same everywhere.
"""
