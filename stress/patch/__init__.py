"""A user's patch: classes that override components of the model (law L5), in files of the user's.

- ``spec``: what ``--patch`` takes;
- ``load``: the files, their classes, and the hash of all that;
- ``model``: what there is to be overridden;
- ``vet``: is what a class overrides there, and is it overridden as it is?
- ``awaits``: is every coroutine awaited?
- ``counting``: how often each override runs;
- ``dropped``: hears of coroutines that nobody has awaited;
- ``guard``: turns what a patch raises into a verdict;
- ``watchdog``: stops a body that spins without a step.

Every mistake in a patch is a line with its file and line, and exit status 2.
"""
