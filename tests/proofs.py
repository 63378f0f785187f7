"""Writes the table of docs/proofs.md from the certificates in a directory:
``python -m tests.proofs DIR``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from stress.native.proofs.certificate import Certificate, read_certificate
from stress.sources import ROOT

PAGE = ROOT / "docs" / "proofs.md"
BEGIN, END = "<!-- proofs -->", "<!-- end -->"
HEAD = (
    "| scenario | parameters | kernel | profile | states | transitions | ends | longest | seconds |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
)


def row(found: Certificate) -> str:
    """Return the row of a certificate."""
    params = " ".join(f"{name}={value}" for name, value in sorted(found.parameters.items()))
    counts = " | ".join(f"{n:,}" for n in (found.states, found.transitions, found.classes, found.longest))
    where = f"{found.scenario} | {params} | {found.kernel} | {found.profile}"
    return f"| {where} | {counts} | {found.seconds:.1f} |\n"


def table(directory: Path) -> str:
    """Return the table of the certificates in a directory, without faults and patches."""
    read = [read_certificate(file) for file in sorted(directory.glob("*.json"))]
    found = [one for one in read if one is not None and not one.faults and not one.patch]
    return HEAD + "".join(row(one) for one in sorted(found, key=lambda one: (one.scenario, one.kernel, one.profile)))


def written(page: str, rows: str) -> str:
    """Return the page with ``rows`` in place of its table."""
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{rows}{END}", page, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), table(Path(sys.argv[1]))), encoding="utf-8")
