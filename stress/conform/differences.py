"""Compares two observations: pure, total, and told which fields are left out."""

from __future__ import annotations

from collections import Counter

from stress.conform.linux.events import excluded
from stress.conform.observation import Difference, Observation, Page, Process, Vma


def differences(model: Observation, kernel: Observation) -> list[Difference]:
    """Return what differs, the most telling first: what is there at all, then field by field."""
    found = []
    if model.returned != kernel.returned:
        found.append(Difference("result", "the operation", model.returned, kernel.returned))
    if list(model.processes) != list(kernel.processes):
        found.append(Difference("processes", "the program", list(model.processes), list(kernel.processes)))
    for number in model.processes:
        if number in kernel.processes:
            found += of_process(f"process {number}", model.processes[number], kernel.processes[number])
    return found


def broken(processes: dict[int, Process]) -> list[Difference]:
    """Return what is wrong with a state by itself, whatever the model says: every mapping of the
    frames seen is in these processes.

    What a difference has as the model's is what the rest of the state implies.
    """
    mapped = Counter(page.frame for process in processes.values() for page in process.pages.values())
    contents: dict[int, int] = {}
    found = []
    for number, process in processes.items():
        for addr, page in process.pages.items():
            implied = page._replace(
                mapcount=mapped[page.frame] if page.frame else page.mapcount, once=page.mapcount == 1,
                exclusive=page.exclusive and (bool(page.order) or page.mapcount == 1), content=contents.setdefault(page.frame, page.content),
            )  # fmt: skip
            found += of_fields("page", f"process {number} page {addr}", Page._fields, implied, page)
        anon = sum(page.anon for page in process.pages.values())
        others = sum(not page.anon and page.frame > 0 for page in process.pages.values())
        if process.rss[0] != anon or sum(process.rss[1:]) != others:
            found.append(Difference("rss", f"process {number}", (anon, others), process.rss))
    return found


def of_process(name: str, model: Process, kernel: Process) -> list[Difference]:
    """Compare one process."""
    found = []
    if model.pages.keys() != kernel.pages.keys():
        found.append(
            Difference(
                "present",
                name,
                sorted(model.pages.keys() - kernel.pages.keys()),
                sorted(kernel.pages.keys() - model.pages.keys()),
            )
        )
    for addr in model.pages:
        if addr in kernel.pages and model.pages[addr] != kernel.pages[addr]:
            fields = of_fields("page", f"{name} page {addr}", Page._fields, model.pages[addr], kernel.pages[addr])
            found += [difference for difference in fields if not excluded(difference.what, kernel.pages[addr])]
    if [v[:5] for v in model.vmas] != [v[:5] for v in kernel.vmas]:
        found.append(Difference("vmas", name, [tuple(v[:5]) for v in model.vmas], [tuple(v[:5]) for v in kernel.vmas]))
    elif model.vmas != kernel.vmas:
        for ours, theirs in zip(model.vmas, kernel.vmas, strict=True):
            found += of_fields("vma", f"{name} vma {ours.start}-{ours.end}", Vma._fields, ours, theirs)
    for field in ("rss", "tables"):
        if getattr(model, field) != getattr(kernel, field):
            found.append(Difference(field, name, getattr(model, field), getattr(kernel, field)))
    return found


def of_fields(
    kind: str, where: str, fields: tuple[str, ...], model: tuple[object, ...], kernel: tuple[object, ...]
) -> list[Difference]:
    """Compare two records field by field."""
    return [
        Difference(f"{kind}.{name}", where, a, b) for name, a, b in zip(fields, model, kernel, strict=True) if a != b
    ]
