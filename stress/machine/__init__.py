"""The first machine, lockstep: one actor moves at a time. It knows no case and no file.

Bottom to top; each file imports only those before it:

- :mod:`~stress.machine.protocols`: what a machine asks of a data tape and of a listener, and the
  verdict that it answers with;
- :mod:`~stress.machine.chance`: data tapes: what the actors of an execution draw;
- :mod:`~stress.machine.base`: what both machines share: running the bodies of actors;
- :mod:`~stress.machine.deadlock`: explains why no actor can move;
- :mod:`~stress.machine.livelock`: what happens once the step budget is spent;
- :mod:`~stress.machine.scheduler`: whose turn it is;
- :mod:`~stress.machine.pauses`: where the replay of a parallel run is audited, and a look at every
  state;
- :mod:`~stress.machine.lockstep`: what a step does;
- :mod:`~stress.machine.noted`: the same, and which words each transition touches;
- :mod:`~stress.machine.driver`: resumes and unwinds the actors, without trio; and
- :mod:`~stress.machine.trio_drivers`: the two drivers with trio, *fast* and *reference*.
"""
