"""The user's own code: a patch, which is classes that override components of the model (law L5),
and scenarios; and whose mistake it is when something is raised.

- ``spec``: what ``--patch`` takes;
- ``typed``: how commands that are printed name an execution with the user's files;
- ``load``: the files, their classes, and the hash of all that;
- ``scenario``: a scenario of the user's own, and the mistakes that there can be in any;
- ``model``: what there is to be overridden;
- ``vet``: is what a class overrides there, and is it overridden as it is?
- ``awaits``: is every coroutine awaited?
- ``counting``: how often each override runs;
- ``dropped``: hears of coroutines that nobody has awaited;
- ``guard``: turns what a patch raises into a verdict;
- ``oops``: what a patched kernel does to objects that are not there;
- ``watchdog``: stops a body that spins without a step.

Every mistake in a patch or a scenario is a line with its file and line, and exit status 2.
"""
