"""Compares two observations, field by field, without any state or input but the two.

The one field that is sometimes left out is named by :func:`stress.conform.linux.events.excluded`.
"""

from __future__ import annotations

from collections import Counter

from stress.conform.linux.events import excluded
from stress.conform.observation import Difference, Observation, Page, Process, Vma

PLACE_FIELDS = 5
"""Fields of a mapping that say where it is and what it maps: start, end, shared, file, pgoff."""


def differences(model: Observation, kernel: Observation) -> list[Difference]:
    """Return what differs, the most telling first: the result, which processes there are, then each
    process field by field.
    """
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
    """Return where a state contradicts itself, whatever the model says.

    No other process maps the frames seen, so that mapcounts, RSS and contents follow from the pages
    of all processes. What follows stands as the model's side of a difference.
    """
    mapped = Counter(page.frame for process in processes.values() for page in process.pages.values())
    contents: dict[int, int] = {}
    found = []
    for number, process in processes.items():
        for addr, page in process.pages.items():
            implied = page._replace(
                mapcount=mapped[page.frame] if page.frame else page.mapcount,
                once=page.mapcount == 1,
                exclusive=page.exclusive and (bool(page.order) or page.mapcount == 1),
                content=contents.setdefault(page.frame, page.content),
            )
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
        ours, theirs = model.pages.keys(), kernel.pages.keys()
        found.append(Difference("present", name, sorted(ours - theirs), sorted(theirs - ours)))
    for addr in model.pages:
        if addr in kernel.pages and model.pages[addr] != kernel.pages[addr]:
            fields = of_fields("page", f"{name} page {addr}", Page._fields, model.pages[addr], kernel.pages[addr])
            found += [difference for difference in fields if not excluded(difference.what, kernel.pages[addr])]
    found += of_mappings(name, model.vmas, kernel.vmas)
    for field in ("rss", "tables"):
        if getattr(model, field) != getattr(kernel, field):
            found.append(Difference(field, name, getattr(model, field), getattr(kernel, field)))
    return found


def of_mappings(name: str, model: tuple[Vma, ...], kernel: tuple[Vma, ...]) -> list[Difference]:
    """Compare the mappings of a process: their places and files, then what smaps says of each."""
    ours, theirs = ([tuple(vma[:PLACE_FIELDS]) for vma in vmas] for vmas in (model, kernel))
    if ours != theirs:
        return [Difference("vmas", name, ours, theirs)]
    return [
        difference
        for a, b in zip(model, kernel, strict=True)
        for difference in of_fields("vma", f"{name} vma {a.start}-{a.end}", Vma._fields, a, b)
    ]


def of_fields(
    kind: str, where: str, fields: tuple[str, ...], model: tuple[object, ...], kernel: tuple[object, ...]
) -> list[Difference]:
    """Compare two records field by field."""
    return [
        Difference(f"{kind}.{name}", where, a, b) for name, a, b in zip(fields, model, kernel, strict=True) if a != b
    ]
