"""The table of counts: what each version does to a page and to a folio, by operation and size.

``python -m tests.stress.zap.table`` writes ``counts.txt`` anew. Nothing in it is a time: it is the
same on every machine, and a change of it is a change of what the model does.
"""

from __future__ import annotations

from pathlib import Path

from stress.bench.zap import OPERATIONS
from stress.bench.zap.counting import PER_FOLIO, PER_PAGE, TOTALS
from stress.bench.zap.measure import Teardown, counts_of
from stress.catalogue import CATALOGUE

FILE = Path(__file__).with_name("counts.txt")
SIZE = 4 << 20
"""Two page tables full."""


def rows(version: str) -> list[str]:
    """Return a version's lines: operation, folio size, and each count with its name."""
    found = []
    for operation in OPERATIONS:
        selection = Teardown(operation, SIZE, kernels=(version,))
        for kib, columns in counts_of(selection, CATALOGUE).items():
            counts = columns[version]
            parts = [f"{name}={counts['per_page'][name]:g}" for name in PER_PAGE]
            parts += [f"{name}={counts['per_folio'][name]:g}" for name in PER_FOLIO]
            parts += [f"{name}={counts[name]}" for name in TOTALS]
            found.append(f"{version} {operation} {kib} {' '.join(parts)}")
    return found


if __name__ == "__main__":
    FILE.write_text("\n".join(row for version in CATALOGUE.kernels() for row in rows(version)) + "\n")
