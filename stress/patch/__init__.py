"""A user's patch: classes that override components of the model (law L5), in files of the user's.

- ``spec``: what ``--patch`` takes;
- ``load``: the files, their classes, and the hash of all that;
- ``scenario_file``: a scenario of the user's own, read and hashed like a patch;
- ``model``: what there is to be overridden;
- ``vet``: is what a class overrides there, and is it overridden as it is?
- ``awaits``: is every coroutine awaited?
- ``counting``: how often each override runs;
- ``dropped``: hears of coroutines that nobody has awaited;
- ``guard``: turns what a patch raises into a verdict;
- ``oops``: what a patched kernel does to objects that are not there;
- ``watchdog``: stops a body that spins without a step.

Every mistake in a patch is a line with its file and line, and exit status 2.
"""
