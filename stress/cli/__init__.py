"""The command line: words in, exit status out.

- ``main``: finds the command, and turns its end into an exit status;
- ``options``: types, defaults and declarations of options that several commands take;
- ``verdicts``: the verdict of an execution as an exit status and as a line;
- ``campaign``, ``status``, ``recheck``, ``run``, ``replay``, ``show``, ``list``, ``selfcheck``,
  ``conform``, ``bench``: the commands, a file each.
"""
