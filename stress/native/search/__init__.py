"""Exhaustive search on the native core: single transitions of a case, and all of its states.

- ``explore``: depth first through all states;
- ``space``: make a transition, take it back, save and restore a state, its name, a transition's
  footprint.

The C is ``search.c`` and ``explore.c`` in ``stress/native/translate/``.
"""
