"""The second machine: several processes on one arena, truly at once, recorded as a total order of
steps and replayed in lockstep (law L3).

Bottom to top; each file imports only those before it:

- :mod:`~stress.parallel.settings`: how a run is made;
- :mod:`~stress.parallel.board`: the words shared beside the arena: step counter, stripes, log,
  tapes, what each actor waits for;
- :mod:`~stress.parallel.atomics`: LLVM's atomic instructions, for code that numba compiles;
- :mod:`~stress.parallel.native`: steps as native code; it and atomics alone need numba;
- :mod:`~stress.parallel.pace`: when actors give way, so that processes overlap;
- :mod:`~stress.parallel.machine`: the model's primitives in one process;
- :mod:`~stress.parallel.unchecked_kernel`: the kernel without its step-time checkers;
- :mod:`~stress.parallel.member`: a process that runs some of the actors;
- :mod:`~stress.parallel.zygote`: the process that forks members;
- :mod:`~stress.parallel.recording`: what was recorded, and its replay in lockstep;
- :mod:`~stress.parallel.watch`: a run as the supervisor sees it, and its symptom;
- :mod:`~stress.parallel.gang`: the processes of one tester, one run after another.
"""
