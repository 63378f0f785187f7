"""Writes the table of docs/proofs.md from the certificates in a directory:
``python -m tests.proofs DIR``. Rows of versions of which the directory has nothing stay.
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


def rows_of(directory: Path) -> list[str]:
    """Return the rows of the certificates in a directory, without faults and patches."""
    read = [read_certificate(file) for file in sorted(directory.glob("*.json"))]
    return [row(one) for one in read if one is not None and not one.faults and not one.patch]


def place(line: str) -> tuple[str, str, str, str]:
    """Return what rows are ordered by: scenario, kernel, profile, parameters."""
    _, scenario, params, kernel, profile, *_ = (cell.strip() for cell in line.split("|"))
    return scenario, kernel, profile, params


def written(page: str, rows: list[str]) -> str:
    """Return the page with ``rows`` in place of those of the same versions."""
    known = re.search(f"{BEGIN}\n{re.escape(HEAD)}(.*?){END}", page, re.DOTALL)
    kernels = {place(line)[1] for line in rows}
    stay = [line for line in known[1].splitlines(keepends=True) if place(line)[1] not in kernels] if known else []
    lines = "".join(sorted([*stay, *rows], key=place))
    return re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{HEAD}{lines}{END}", page, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), rows_of(Path(sys.argv[1]))), encoding="utf-8")
