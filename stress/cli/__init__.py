"""The command line: words in, exit status out.

- ``main``: finds the command, and turns its end into an exit status;
- ``options``: types, defaults and declarations of options that several commands take;
- ``output``: standard output, as text or as one JSON object;
- ``verdicts``: the verdict of an execution as an exit status and as a line;
- ``campaign``, ``run``, ``replay``, ``show``, ``list``, ``selfcheck``, ``conform``, ``bench``: the
  commands, a file each.
"""
