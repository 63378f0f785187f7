"""The cycle of actors that wait for each other."""

from __future__ import annotations

from stress.machine.deadlock import cycle


def test_cycle_of_a_wait_for_graph() -> None:
    """A cycle is found behind readers that wait for nobody, and where it does not begin at the
    first.
    """
    assert cycle({0: [1, 2], 1: [], 2: [0]}) == [0, 2]
    assert cycle({0: [1], 1: [2], 2: [1]}) == [1, 2]
    assert cycle({0: [7], 1: []}) == []
