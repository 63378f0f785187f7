"""The model's side of conformance: a program in the model, and the ends that a race can have there.

- ``run``: a program in the model, operation by operation;
- ``search``: every end of a race, by exhaustive search;
- ``spec``: which model: profile, kernel version, faults; the nearest to this machine.
"""
