"""The kernel versions that the model has: which components each replaces or adds.

6.9 is the components themselves (``sim/*.py``). Another version is a module here with subclasses of
those that differ, or a package with a file for each, under its kernel name; what differs by
architecture too is data of the profile (``Profile.versions``).
"""

from __future__ import annotations

from sim.core.component import Component
from sim.versions import perpage, v6_18

VERSIONS: dict[str, tuple[type[Component], ...]] = {
    "6.9": (),
    "6.9-perpage": perpage.COMPONENTS,
    "6.18": v6_18.COMPONENTS,
}
"""What each version replaces or adds."""

ABOUT = {
    "6.9": "Linux 6.9, batched (the default)",
    "6.9-perpage": "6.9 without the batching series, its own baseline",
    "6.18": "Linux 6.18: mapcounts per mm, reuse of large folios, batches of swap entries, empty tables reclaimed",
}
"""One line about each version."""
