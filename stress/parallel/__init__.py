"""The parallel machine (law L3): several processes on one arena, recorded as a total order of
steps, and replayed in lockstep.

Layers, each importing only those above it:

- :mod:`~stress.parallel.board`: the shared words beside the arena: step counter, stripes, log,
  tapes, who waits for what;
- :mod:`~stress.parallel.native`: steps as native atomics, compiled when first asked for; the only
  module that needs numba;
- :mod:`~stress.parallel.machine`: the model's primitives, in one process, and
  :mod:`~stress.parallel.pace`, when actors give way;
- :mod:`~stress.parallel.unchecked_kernel`: the kernel without its step-time checkers;
- :mod:`~stress.parallel.member`: a process that runs some of the actors;
  :mod:`~stress.parallel.zygote` forks it;
- :mod:`~stress.parallel.recording`: what was recorded, and its replay in lockstep;
- :mod:`~stress.parallel.watch`: a run as the supervisor sees it; and
- :mod:`~stress.parallel.gang`: the processes of one tester, one run after another; the checker of
  the arena at rest.
"""
