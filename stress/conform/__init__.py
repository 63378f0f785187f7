"""Conformance: the model against the kernel that this machine runs (docs/conformance.md).

    session.py       a run: programs from seeds, by all workers
    race_session.py  the same for races
    pool.py          the worker processes of a run, each with a rig
    findings.py      what a rig finds in the programs of some seeds
    comparison.py    a rig: one program on both sides, compared after each operation
    race.py          one race on both sides
    listing.py       a program in C
    differences.py   two observations, compared
    draw.py          programs from seeds
    shrink.py        a smaller program that shows the same
    linux/           the kernel's side: real processes, and what /proc shows of them
    model/           the model's side, and the search for the ends of a race
    observation.py   what is compared: the state of processes in words that both sides share

Each imports only what stands below it; linux/ and model/ import nothing of each other.
"""
