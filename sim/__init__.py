"""sim: an executable model of the part of Linux mm/ that tears address spaces down.

This is the map. From the bottom up; a file imports only from its own line and those above it:

- ``core/``: what the model is built on: the arena that holds all state, the step, the machine that
  makes steps, the base class of components, what an architecture is;
- ``hardware/``: TLBs and page walkers, and how a flush reaches other CPUs;
- ``mm/``: the modelled files of the kernel, one module per kernel file (``mm/rmap.py`` stands for
  mm/rmap.c), each a component;
- ``arch/``: the architecture profiles, one file per architecture;
- ``checks/``: what must hold, judged step by step, and for the whole arena when the world is quiet;
- ``task.py``: what a thread can do: accesses and system calls; ``setup.py``: what prepares a world
  before anything races;
- ``versions/``: what a kernel version replaces or adds;
- ``kernel.py``: one composed kernel, through which components reach each other;
- ``compose.py``: chooses the class of each component; the only file that imports them all.

Nothing here decides which actor makes the next step, reads a clock, draws a random number, or
imports ``stress`` or ``scenarios``. One import runs upward, for types only:
:mod:`sim.core.component` says why.
"""
