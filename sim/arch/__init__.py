"""Architecture profiles: each file has a tuple ``PROFILES`` and the components that they override.

- ``arm64``: contpte blocks, broadcast invalidation; with pages of 4, 16 and 64 KiB;
- ``ppc64``: radix and hash page tables;
- ``riscv64``: IPIs to mm_cpumask, software young and dirty bits;
- ``s390x``: PTE changes that invalidate as they go, nothing gathered;
- ``x86_64``: IPIs, generations, lazy CPUs.
"""
