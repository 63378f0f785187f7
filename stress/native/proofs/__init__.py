"""Proofs: all interleavings of a case, and what is kept of them.

- ``result``: what came of a case: proved, violated, not reached, unfinished;
- ``certificate``: a proof on disk, and when it still holds;
- ``unfinished``: a search on disk that is not finished, with which another process goes on;
- ``proof``: one case, in this process;
- ``process``: a process that proves one case after the other;
- ``fleet``: several such processes, and the time that each case has.

docs/proofs.md is the page for people.
"""
