"""Forward and back through a trace, by commands named as gdb's and rr's (``replay --shell``).

A trace is replayed once, and filmed: what each step has changed in the arena, where every actor
stood, in which calls. From there on nothing is executed, so that every state is as near as the
next, and back costs what forward does.

Bottom to top; each file imports only those before it:

- :mod:`~stress.trace.shell.film`: the film, and the replay that makes it;
- :mod:`~stress.trace.shell.state`: the arena after so many steps;
- :mod:`~stress.trace.shell.words`: places, sites and conditions, parsed; what is close to a name;
- :mod:`~stress.trace.shell.stops`: breakpoints, watchpoints, conditions, and the search for them;
- :mod:`~stress.trace.shell.pages`: who holds a folio, which TLBs reach a page, an address space;
- :mod:`~stress.trace.shell.actors`: where each actor stands, and in which calls;
- :mod:`~stress.trace.shell.kernel_files`: which file of the kernel has a function;
- :mod:`~stress.trace.shell.origins`: where steps are made, in the kernel and in the model;
- :mod:`~stress.trace.shell.overview`: a whole state, and what a step changed in it, for a page;
- :mod:`~stress.trace.shell.commands`: the commands;
- :mod:`~stress.trace.shell.session`: reads commands from the command line, a file, or a terminal.
"""
