"""The model's side of conformance: a program in the model, and the ends that a race can have there.

    spec.py    which model: profile, kernel version, faults; the nearest to this machine
    run.py     a program in the model, operation by operation
    search.py  every end of a race, by exhaustive search

Imports nothing of the kernel's side.
"""
