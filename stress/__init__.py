"""stress: the tester. It runs the model of ``sim`` under every interleaving that it can find.

The rooms, top to bottom; each imports only what stands below it, and ``sim``:

- :mod:`~stress.cli`: words in, exit status out; one file per command;
- :mod:`~stress.bench`: how fast the machines and a campaign are;
- :mod:`~stress.selfcheck`: every planted fault on every profile, every patch with a mistake in it:
  are they found, and is the clean kernel clean? And a first look at a user's patch;
- :mod:`~stress.campaign`: a search with memory: its supervisor, the results directory, the summary;
- :mod:`~stress.workers`: the processes that execute leases, for a campaign or a selfcheck; which
  case has the next lease; what workers and supervisor tell each other;
- :mod:`~stress.native`: the lockstep machine without Python: kernels, scenarios, checkers and
  strategies translated to C, compiled and run;
- :mod:`~stress.conform`: the model against the Linux that runs on this computer;
- :mod:`~stress.parallel`: the second machine: several processes at once on one arena, recorded, and
  replayed in lockstep;
- :mod:`~stress.trace`: an execution on disk: its file, its replay, the page that shows a failure;
- :mod:`~stress.execution`: one case, run once: set up, run, and what came of it;
- :mod:`~stress.machine`: the first machine, lockstep: one actor at a time; it asks a strategy which
  actor is next, and makes the step;
- :mod:`~stress.catalogue`: finds scenarios, faults, profiles, strategies, kernels and checkers by
  the names of their files;
- :mod:`~stress.strategies`: the rules by which the next actor is chosen, one file each;
- :mod:`~stress.programs`: what user space can do, each operation declared once;
- :mod:`~stress.patch`: a user's patch and scenarios: loaded, vetted, counted, judged;
- :mod:`~stress.sources`: the model's source files, and their hash;
- :mod:`~stress.scenario`: the base class of scenarios, in scenarios/;
- :mod:`~stress.fault`: the base class of planted faults, in scenarios/faults/;
- :mod:`~stress.case`: what is to be run, as plain values;
- :mod:`~stress.files`: reads plain files of bounded size, writes a file whole or not at all;
- :mod:`~stress.output`: standard output and error, and what is never shown on them;
- :mod:`~stress.errors`: the exceptions, each with its exit status;
- :mod:`~stress.rng`: the one source of random words.

``scenarios`` imports :mod:`~stress.scenario`, :mod:`~stress.fault`, :mod:`~stress.rng` and
:mod:`~stress.programs`, and nothing else of this package. Nothing here imports ``scenarios``: the
catalogue finds its files by name.
"""
