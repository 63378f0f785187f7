"""What a lease has brought by and by, as one batch: it arrives at once, and is recorded at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from stress.workers.messages import Answer, Batch
from stress.workers.metrics import MAX, METRICS


def joined(answers: Iterable[Answer]) -> list[Answer]:
    """Return answers with each run of batches joined to one."""
    found: list[Answer] = []
    for answer in answers:
        if found and isinstance(answer, Batch) and isinstance(found[-1], Batch):
            found[-1] = both(found[-1], answer)
        else:
            found.append(answer)
    return found


def both(one: Batch, other: Batch) -> Batch:
    """Return what two batches of a lease, one after the other, have brought."""
    numbers = dict(one.numbers)
    for name, value in other.numbers.items():
        known = numbers.get(name, 0)
        numbers[name] = max(known, value) if METRICS[name].merge == MAX else known + value
    counts = {name: Counter(one.counts.get(name, {})) for name in one.counts.keys() | other.counts.keys()}
    for name, more in other.counts.items():
        counts[name].update(more)
    hashes = {name: [*one.hashes.get(name, ()), *other.hashes.get(name, ())] for name in one.hashes | other.hashes}
    return Batch(
        done=one.done + other.done,
        last=other.last,
        numbers=numbers,
        counts={name: dict(found) for name, found in counts.items()},
        hashes=hashes,
        failures=[*one.failures, *other.failures],
        twins=[*one.twins, *other.twins],
        deaths=[*one.deaths, *other.deaths],
    )
