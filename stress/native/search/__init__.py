"""Exhaustive search on the native core: single transitions of a case, and all of its states.

- ``classes``: names the class of an execution, which is its partial order;
- ``explore``: depth first through all states;
- ``space``: make a transition, take it back, save and restore a state, its name, a transition's
  footprint.

The C is in ``stress/native/translate/``: ``search.c``, and behind it ``futures.c`` and ``sleep.c``
for the reductions, ``explore.c``, ``races.c`` and ``classes.c``.
"""
