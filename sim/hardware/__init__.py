"""The hardware below the kernel.

- ``tlb``: each CPU's TLB and walk cache, user accesses, interrupts;
- ``tlbflush``: how a flush reaches other CPUs.
"""
