"""Patches with a mistake in them, one method each: what ``zapstress selfcheck --patches`` measures
the search with.

Each is a file as a user would write it, given with ``--patch``. Beside the class stand KERNEL, the
version that the patch is for, PROFILES, where it applies (everywhere, if it names none), and KIND:
a mistake of SEQUENCE is wrong with a single thread, one of INTERLEAVING needs another party at the
wrong moment. A planted fault (:mod:`scenarios.faults`) is a regression test of the checkers, and
they were written side by side; these were written from the kernel's code without a look at the
checkers, so that what is found of them says something about patches that nobody has seen yet.

The first sentence of a file says what is wrong, the rest what the kernel does, and where.
"""
