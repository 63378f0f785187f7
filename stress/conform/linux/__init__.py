"""The kernel's side of conformance: a program in real processes, as /proc shows it.

    run.py          a program in real processes, operation by operation
    agents.py       the processes: started, given calls, waited for, ended
    agent_code.py   the machine code that they execute
    procfs.py       reads pagemap, kpagecount, kpageflags, smaps and status
    folio_sizes.py  reads and sets the sizes of large folios (mTHP)
    events.py       what the kernel did of its own accord: runs that are set aside

Imports nothing of the model's side.
"""
