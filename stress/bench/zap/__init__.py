"""``zapstress bench zap``: memory torn down, one page at a time and in batches, by the model's own
source; for each folio size and kernel how long it takes and what it does.

- ``measure``: the runs, and the rows that come of them;
- ``counting``: what a counted run did, per page and per folio;
- ``linux``: the running kernel, at the same range;
- ``page``: the table for people;
- ``picture``: the table as a picture.
"""

from __future__ import annotations

OPERATIONS = ("munmap", "dontneed", "exit", "fork")
"""What can be measured."""
