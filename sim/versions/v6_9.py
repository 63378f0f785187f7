"""Linux 6.9: the components of ``sim`` themselves."""

from __future__ import annotations

from sim.core.version import Version

VERSION = Version("6.9", "Linux 6.9, batched (the default)")
