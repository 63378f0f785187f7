"""Conformance: the model against the kernel that this machine runs (docs/conformance.md).

- ``session``: a run: programs from seeds, checked by all workers;
- ``race_session``: the same for races;
- ``pool``: the worker processes of a run, each with a rig;
- ``findings``: what a rig finds in the programs of some seeds;
- ``comparison``: a rig: one program on both sides, compared after each operation;
- ``race``: one race on both sides;
- ``listing``: a program in C;
- ``differences``: two observations, compared;
- ``draw``: programs from seeds;
- ``shrink``: a smaller program that shows the same;
- ``linux``: the kernel's side: real processes, and what /proc shows of them;
- ``model``: the model's side, and the search for the ends of a race;
- ``observation``: what is compared: the state of processes, in words that both sides share.

``linux`` and ``model`` import nothing of each other, and of the rest only ``observation``.
"""
