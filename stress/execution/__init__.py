"""One case, run once: set up, run, and what came of it. It knows no file on disk.

Bottom to top; each file imports only those before it:

- :mod:`~stress.execution.vetting`: whether a case is one that its scenario could rotate to;
- :mod:`~stress.execution.finished`: an execution as it ended, in the machine's log and the arena;
- :mod:`~stress.execution.overlaps`: the pairs of operations that may overlap;
- :mod:`~stress.execution.touches`: which location each step has touched, and who met whom there;
- :mod:`~stress.execution.outcome`: its verdict and digests;
- :mod:`~stress.execution.signature`: what makes two failures the same;
- :mod:`~stress.execution.steps`: the log in words, and what each step changed;
- :mod:`~stress.execution.reach`: the sites that a kernel and its scenario can visit;
- :mod:`~stress.execution.absent`: sites that no execution visits, and why;
- :mod:`~stress.execution.runner`: composes a case, runs its setup, and executes it;
- :mod:`~stress.execution.calls`: which methods and sites a case reaches.
"""
