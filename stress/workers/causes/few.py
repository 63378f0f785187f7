"""All schedules with few switches, from none on: what the search from the small end tries.

A schedule is an order in which the actors run to their ends, with preemptions: the first actor is
interrupted after so many steps, another makes so many, and so on. Those with k preemptions come
before those with k + 1, so the first that fails has as few as there can be.

Source: M. Musuvathi, S. Qadeer, "Iterative context bounding for systematic testing of multithreaded
programs", PLDI 2007. Deviation: an actor that is preempted runs on to its end when it has its turn
again, unless that is preempted too; actors that have not begun yet follow in the order of slots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise, product
from math import prod

from stress.workers.causes.attempts import ANY, Runs


def few_switches(lengths: Mapping[int, int], preemptions: int) -> Iterator[Runs]:
    """Yield the schedules with so many preemptions; ``lengths`` are the steps that each slot's
    actor makes when nobody interrupts it.
    """
    for order in orders(lengths, preemptions):
        for steps in product(*(range(1, lengths[slot] + 1) for slot in order[:-1])):
            yield [*zip(order, steps, strict=False), (order[-1], ANY)]


def orders(lengths: Mapping[int, int], preemptions: int) -> Iterator[tuple[int, ...]]:
    """Yield the orders in which actors have their turns."""
    for order in product(lengths, repeat=preemptions + 1):
        if all(one != other for one, other in pairwise(order)):
            yield order


def schedules_nr(lengths: Mapping[int, int], preemptions: int) -> int:
    """Return how many schedules :func:`few_switches` yields."""
    return sum(prod(lengths[slot] for slot in order[:-1]) for order in orders(lengths, preemptions))
