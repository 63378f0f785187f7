"""Each strategy does what its docstring says."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from sim.core.step import INDEX_MASK, KIND_SHIFT, READ, WRITE, place
from stress.catalogue import CATALOGUE
from stress.errors import Divergence, UsageError
from stress.machine.chance import RandomData, TapeData
from stress.rng import words
from stress.strategies import Strategy
from stress.strategies.pct import Pct
from stress.strategies.replay import Replay


def made_of(name: str, slots: int = 3) -> Strategy:
    """Return a new strategy, whose actors stand before steps that it knows nothing of."""
    strategy = CATALOGUE.strategy(name)
    strategy.parked = [0] * slots
    return strategy


def choices(name: str, seed: int, steps: int = 200, slots: int = 3) -> list[int]:
    """Return what a strategy chooses if all slots stay enabled, heeding the steps that it grants."""
    strategy = made_of(name, slots)
    strategy.start(seed, slots)
    made: list[int] = []
    chosen = 0
    while len(made) < steps:
        chosen = strategy.choose(list(range(slots)), chosen, len(made))
        made += [chosen] * (1 + strategy.free)
        if strategy.free > steps:
            break
    return made[:steps]


@pytest.mark.parametrize(
    "name", ["random", "pct", "pos", "pos-contested", "surw", "surw-contested", "rff", "round-robin", "sequential"]
)
def test_a_seed_is_a_schedule(name: str) -> None:
    """The same seed gives the same choices from the same object, whatever it did before."""
    strategy = made_of(name)
    for seed in (1, 2, 1):
        strategy.start(seed, 3)
        assert [strategy.choose([0, 1, 2], 0, step) for step in range(9)] == choices_each(name, seed, 9)


def choices_each(name: str, seed: int, steps: int) -> list[int]:
    """Return the choices of a fresh strategy that is asked at every step."""
    strategy = made_of(name)
    strategy.start(seed, 3)
    return [strategy.choose([0, 1, 2], 0, step) for step in range(steps)]


def test_random_is_uniform() -> None:
    """Every enabled actor is chosen about as often."""
    counts = Counter(choices("random", 5, 3000))
    assert all(900 < counts[slot] < 1100 for slot in range(3))


def test_round_robin_goes_round() -> None:
    """One step each, in the order of slots."""
    assert choices("round-robin", 0, 7) in ([0, 1, 2, 0, 1, 2, 0], [1, 2, 0, 1, 2, 0, 1], [2, 0, 1, 2, 0, 1, 2])


def test_sequential_stays() -> None:
    """No preemption: only an actor that blocks or ends gives up the turn."""
    strategy = CATALOGUE.strategy("sequential")
    strategy.start(0, 3)
    assert [strategy.choose(enabled, 1, 0) for enabled in ([0, 1, 2], [0, 2], [2])] == [1, 0, 2]


@pytest.mark.parametrize("depth", range(1, 6))
def test_pct_preempts_less_than_its_depth(depth: int) -> None:
    """With all actors enabled there are at most d - 1 switches, and often as many."""
    strategy = Pct(depth=depth)
    strategy.finish(40)
    switches = []
    for seed in range(40):
        strategy.start(seed, 3)
        made = [strategy.choose([0, 1, 2], 0, step) for step in range(60)]
        switches.append(sum(a != b for a, b in pairwise(made)))
    assert max(switches) == depth - 1


def test_pct_learns_the_length() -> None:
    """Change points are drawn over the longest execution seen."""
    strategy = Pct()
    strategy.finish(500)
    strategy.finish(50)
    assert strategy.length == 500


@pytest.mark.parametrize("name", CATALOGUE.strategies())
def test_what_is_learned_is_all_that_another_needs(name: str) -> None:
    """A fresh strategy that recalls what another has learned makes the same choices for a seed."""
    old, fresh, ignorant = (made_of(name) for _ in range(3))
    for seed in range(5):
        old.start(seed, 3)
        old.finish(300 * seed)
    fresh.recall(old.learned())
    assert old.learned() == fresh.learned()
    made = [[asked(each, seed) for seed in range(9)] for each in (old, fresh, ignorant)]
    assert made[0] == made[1]
    assert (made[0] == made[2]) == (not old.learned()), "only a strategy that learns has learned something"


def asked(strategy: Strategy, seed: int) -> list[int]:
    """Return what a strategy chooses if it is asked at each of many steps."""
    strategy.start(seed, 3)
    return [strategy.choose([0, 1, 2], 0, step) for step in range(1200)]


# -- strategies that see what actors stand before ----------------------------------------------------------------------


def step(cell: int, kind: int = WRITE) -> int:
    """Return the code of a step at a cell."""
    return kind << KIND_SHIFT | place(3, cell)


def execute(strategy: Strategy, bodies: list[list[int]], seed: int) -> list[int]:
    """Run actors whose bodies are lists of steps; return the slots in the order of their steps at
    cell 0.
    """
    at, order, made, current = [0] * len(bodies), [], 0, 0
    parked = strategy.parked = [body[0] for body in bodies]
    strategy.start(seed, len(bodies))
    while enabled := [slot for slot, body in enumerate(bodies) if at[slot] < len(body)]:
        current = strategy.choose(enabled, current, made)
        for _ in range(1 + strategy.free):
            if at[current] == len(bodies[current]):
                break
            order += [current] if bodies[current][at[current]] & INDEX_MASK == 0 else []
            at[current], made = at[current] + 1, made + 1
        parked[current] = bodies[current][at[current]] if at[current] < len(bodies[current]) else 0
    strategy.finish(made)
    return order


def firsts(strategy: Strategy, bodies: list[list[int]], executions: int = 1200) -> float:
    """Return the share of executions in which actor 0 is the first at cell 0."""
    return sum(execute(strategy, bodies, seed)[0] == 0 for seed in range(executions)) / executions


PRIVATE = [step(cell) for cell in range(10, 19)]
"""Steps at cells that no other actor touches."""


def test_pos_lets_a_step_wait_against_every_step_before_its_rival() -> None:
    """An actor with nine private steps ahead must win ten draws against the one priority of the
    other's step: it is first in one of eleven executions.
    """
    assert firsts(CATALOGUE.strategy("pos"), [[*PRIVATE, step(0)], [step(0)]]) == pytest.approx(1 / 11, abs=0.03)


def test_pos_draws_anew_where_steps_conflict() -> None:
    """Actor 1, having lost to a write of actor 0, is second at the cell in half of the executions;
    had it kept its low priority it were in a third.
    """
    bodies, strategy = [[step(0), step(0)], [step(0)]], CATALOGUE.strategy("pos")
    orders = Counter(tuple(execute(strategy, bodies, seed)) for seed in range(1200))
    assert orders[0, 1, 0] / (orders[0, 1, 0] + orders[0, 0, 1]) == pytest.approx(1 / 2, abs=0.06)


def test_pos_keeps_priorities_where_steps_only_read() -> None:
    """The same with reads, whose order means nothing."""
    bodies, strategy = [[step(0, READ), step(0, READ)], [step(0, READ)]], CATALOGUE.strategy("pos")
    orders = Counter(tuple(execute(strategy, bodies, seed)) for seed in range(1200))
    assert orders[0, 1, 0] / (orders[0, 1, 0] + orders[0, 0, 1]) == pytest.approx(1 / 3, abs=0.06)


def test_contested_pos_branches_at_contested_cells_alone() -> None:
    """Private steps dilute nothing: either actor is first as often, once the cell is known."""
    strategy = CATALOGUE.strategy("pos-contested")
    bodies = [[*PRIVATE, step(0), step(30)], [step(31), step(0)]]
    execute(strategy, bodies, 5000)
    assert strategy.learned()
    assert firsts(strategy, bodies) == pytest.approx(1 / 2, abs=0.06)


@pytest.mark.parametrize("name", ["surw", "surw-contested"])
def test_surw_is_uniform_over_the_orders_at_a_cell(name: str) -> None:
    """Three steps against one have four orders, and each is as likely, whatever else is to be done."""
    strategy = CATALOGUE.strategy(name)
    bodies = [[*PRIVATE, step(0), step(0), step(40), step(0)], [step(31), step(0), step(32)]]
    for seed in range(5000, 5016):
        execute(strategy, bodies, seed)
    orders = Counter(tuple(execute(strategy, bodies, seed)) for seed in range(1600))
    assert len(orders) == 4 and all(300 < count < 500 for count in orders.values()), orders


LATE, EARLY = [*PRIVATE, step(0)], [step(0, READ), step(20)]
"""Who writes after nine private steps, and who reads at once: under POS a read of what was written
is one execution of eleven.
"""


def test_rff_seeks_what_it_has_seen_read_from_what() -> None:
    """Once the rare pair has been seen, executions are made to show it again, or not to show the
    common one: it comes more than twice as often. The common one is not lost.
    """
    assert firsts(CATALOGUE.strategy("pos"), [LATE, EARLY]) == pytest.approx(1 / 11, abs=0.03)
    strategy = CATALOGUE.strategy("rff")
    firsts(strategy, [LATE, EARLY], 100)
    assert 2 == strategy.learned()["found"], "read from the beginning, and from the write"
    assert 0.2 < firsts(strategy, [LATE, EARLY]) < 0.6


def test_rff_gives_up_what_cannot_be() -> None:
    """A pair that no execution of these bodies shows holds nobody for ever."""
    strategy = CATALOGUE.strategy("rff")
    firsts(strategy, [LATE, EARLY], 100)
    for seed in range(64):
        assert [1] == execute(strategy, [[*PRIVATE], EARLY], seed)


def test_rff_recalls_its_pairs() -> None:
    """What is learned is recalled; what nobody has seen is not there."""
    old, fresh = CATALOGUE.strategy("rff"), CATALOGUE.strategy("rff")
    assert not old.learned()
    firsts(old, [LATE, EARLY], 100)
    fresh.recall(old.learned())
    assert fresh.learned() == old.learned()
    assert [execute(old, [LATE, EARLY], seed) for seed in range(64)] == [
        execute(fresh, [LATE, EARLY], seed) for seed in range(64)
    ]


@pytest.mark.parametrize("name", ["pos-contested", "surw", "surw-contested"])
def test_what_is_contested_is_learned_and_recalled(name: str) -> None:
    """A cell that two actors have read is not contested; a strategy that recalls goes on as the one
    that has learned.
    """
    old, fresh = CATALOGUE.strategy(name), CATALOGUE.strategy(name)
    execute(old, [[step(0, READ)], [step(0, READ)]], 1)
    assert not old.learned()
    bodies = [[step(0), step(1), step(0)], [step(0), step(2), step(0)]]
    for seed in range(8):
        execute(old, bodies, seed)
    assert 1 == old.learned()["contested"].bit_count()
    fresh.recall(old.learned())
    assert [execute(old, bodies, seed) for seed in range(8, 40)] == [
        execute(fresh, bodies, seed) for seed in range(8, 40)
    ]


def test_unknown_option_and_name() -> None:
    """Both are one line."""
    with pytest.raises(UsageError, match="strategy pct has no option breadth"):
        CATALOGUE.strategy("pct", breadth=3)
    with pytest.raises(UsageError, match="unknown strategy 'pcd'; did you mean pct?"):
        CATALOGUE.strategy("pcd")


def test_strict_replay_stops_where_it_cannot_follow() -> None:
    """A wanted actor that cannot run, and a tape that ends, are told apart."""
    strategy = Replay([(0, 2), (1, 1)])
    strategy.start(0, 2)
    assert [strategy.choose([0, 1], 0, 0), strategy.free] == [0, 1]
    with pytest.raises(Divergence, match="step 2: the trace wants actor 1, which cannot run"):
        strategy.choose([0], 0, 2)
    strategy.start(0, 2)
    assert [strategy.choose([0, 1], 0, step) for step in range(3)] == [0, 0, 1]
    with pytest.raises(Divergence, match="step 3: the trace wants the end"):
        strategy.choose([0, 1], 0, 3)


def test_tolerant_replay_goes_on() -> None:
    """The wanted actor, else the current one, else the lowest; and it says where it left the tape."""
    strategy = Replay([(1, 1), (0, 1), (1, 5)], tolerant=True)
    strategy.start(0, 3)
    assert [strategy.choose([0, 1], 0, 0), strategy.choose([1, 2], 1, 1), strategy.choose([0, 2], 1, 2)] == [1, 1, 0]
    assert strategy.diverged == 1


def test_continue_with() -> None:
    """At the tape's end another strategy goes on."""
    strategy = Replay([(1, 2)], then=CATALOGUE.strategy("sequential"))
    strategy.parked = [0] * 3
    strategy.start(0, 3)
    assert [strategy.choose([0, 1, 2], 1, step) for step in range(4)] == [1, 1, 1, 1]
    assert strategy.choose([0, 2], 1, 4) == 0


def test_the_stream_is_fixed_for_ever() -> None:
    """Traces and seeds of past versions depend on these very words."""
    word = words(7, "schedule")
    assert [word() for _ in range(3)] == [840941223, 1715589480, 3692201687]


def test_data_is_mostly_plain() -> None:
    """0 three times out of four, else uniform; recorded per slot."""
    data = RandomData(3)
    counts = Counter(data.draw(step % 2, "what", 4) for step in range(4000))
    assert 2900 < counts[0] < 3100
    assert all(280 < counts[choice] < 390 for choice in (1, 2, 3))
    assert sorted(data.tapes) == [0, 1]
    assert len(data.tapes[0]) == 2000


def test_tape_data() -> None:
    """What was recorded; then, and for a choice that is not there any more, 0."""
    data = TapeData({0: [2, 3], 1: [1]})
    assert [
        data.draw(0, "", 4),
        data.draw(1, "", 2),
        data.draw(0, "", 3),
        data.draw(0, "", 4),
        data.draw(2, "", 2),
    ] == [2, 1, 0, 0, 0]
    assert data.tapes == {0: [2, 0, 0], 1: [1], 2: [0]}
