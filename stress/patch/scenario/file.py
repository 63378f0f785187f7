"""A user's own scenario: a file that ``--scenario FILE.py`` names.

It is read, hashed and kept as a patch's files are, and it is run only when the user names it.
"""

from __future__ import annotations

import inspect

from stress.errors import UsageError
from stress.patch.load import Patch, digest, imported, read, run
from stress.patch.spec import SUFFIX
from stress.scenario import Scenario

OPTION = "--scenario"


def is_file(scenario: str) -> bool:
    """Return whether ``scenario`` is the name of a file, and not of a scenario that is built in."""
    return scenario.endswith(SUFFIX)


def load_scenario(path: str) -> Patch:
    """Read and run the file at ``path``; return it with the one scenario that it defines.

    Raises UsageError for a file that cannot be read or run, or that defines no scenario, or more
    than one.
    """
    file = read(path, OPTION)
    module = run(file)
    found = [
        cls
        for name, cls in vars(module).items()
        if inspect.isclass(cls) and issubclass(cls, Scenario) and cls.__module__ == module.__name__ and name[:1] != "_"
    ]
    if len(found) != 1:
        names = f" ({', '.join(cls.__name__ for cls in found)})" if found else ""
        raise UsageError(
            f"{OPTION} {path}: defines {len(found)} scenarios{names}, and should define one: "
            "a class whose base is stress.scenario.Scenario; a name that begins with _ does not count"
        )
    every = (file, *imported((file,)))
    return Patch((path,), every, (found[0],), digest(every, found))
