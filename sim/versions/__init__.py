"""The kernel versions that the model has, one module or package each; a new one is a new file here.

- ``v6_9``: the components of ``sim`` themselves;
- ``perpage``: 6.9 without the batching series;
- ``v6_12``, ``v6_18``, ``v7_3``: these as released, a file for each kernel file that differs;
- ``v6_18_flushfirst``, ``v7_3_flushfirst``: without the order that docs/findings.md is about.

Each defines ``VERSION`` (:class:`~sim.core.version.Version`) with the subclasses that it needs;
what differs by architecture too is data of the profile (``Profile.versions``).
"""

from __future__ import annotations

import importlib
import pkgutil
import re

from sim.core.version import Version


def _numbers(version: Version) -> list[tuple[int, str]]:
    """Return what versions are sorted by: 6.9 comes before 6.18."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", version.name)]


def _found() -> dict[str, Version]:
    """Return the VERSION of each module here, by name, oldest first."""
    modules = (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    versions: list[Version] = [module.VERSION for module in modules]
    return {version.name: version for version in sorted(versions, key=_numbers)}


VERSIONS = _found()
"""Every version, by name, oldest first."""
