"""The kernel's side of conformance: a program in real processes, as /proc shows it.

- ``run``: a program in real processes, operation by operation;
- ``agents``: the processes: started, given calls, waited for, ended;
- ``agent_code``: the machine code that they execute;
- ``procfs``: reads pagemap, kpagecount, kpageflags, smaps and status;
- ``folio_sizes``: reads and sets the sizes of large folios (mTHP);
- ``events``: what the kernel did of its own accord; runs that are set aside for it.
"""
