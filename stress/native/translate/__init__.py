"""Translates the composed kernel, its scenarios, checkers and strategies to C.

In the order in which they build on one another:

- ``values``: what an expression of the model is while it is translated;
- ``subset``: what lies outside the subset of Python, and what is said of it;
- ``sources``: live functions, as syntax trees;
- ``unit``: what the functions of one kernel share;
- ``emitter``, ``expressions``, ``loops``, ``calls``, ``steps``, ``statements``: what a function is
  made of, each a layer above the one before;
- ``flow``: which words of a coroutine's frame are still read from where it stands;
- ``function``: one function of the model as one function of C;
- ``assemble``: a whole file of C.

The C that all this stands on is in ``words.h`` and ``runtime.h``. docs/native.md has the subset.
"""
