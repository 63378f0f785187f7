"""The bound on a chance, and what blocks of measured executions say of the next one."""

from __future__ import annotations

import random
from math import comb

import pytest

from stress.workers.measure.blocks import FIRST, Blocks, Memory
from stress.workers.measure.bound import CONFIDENCE, Block, at_most, most, risk


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 59), (1, 8), (3, 40), (39, 40), (200, 1000)])
def test_the_bound_is_exact(successes: int, trials: int) -> None:
    """With the chance that is told, so few successes come in one of twenty."""
    chance = most(successes, trials)
    exact = sum(comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(successes + 1))
    assert abs(exact - (1 - CONFIDENCE)) < 1e-9
    assert abs(at_most(successes, trials, chance) - exact) < 1e-9


def test_nothing_is_known_of_nothing() -> None:
    assert (1.0, 1.0, 1.0, 0.0) == (most(0, 0), most(8, 8), risk([None, None]), risk([]))


def test_cases_of_which_nothing_is_known_count_as_unseen() -> None:
    block = Block(100, 0)
    assert most(0, 100) == risk([block]) < risk([block, None]) == 0.5 + 0.5 * most(0, 100)
    assert most(2, 200) == risk([Block(150, 0), Block(50, 2)])


def block_of(classes: list[int]) -> Blocks:
    blocks = Blocks(Memory())
    for name in classes:
        blocks.begin({"random": 1.0}, lambda name: {})
        blocks.add(name)
    return blocks


def test_a_block_is_held_against_all_before_it() -> None:
    first = list(range(FIRST))
    assert block_of(first[:-1]).newest() is None
    assert Block(FIRST, FIRST, 0) == block_of(first).newest()
    assert Block(FIRST, 2, FIRST) == block_of([*first, 0, 1, 2, 3, 4, 5, 98, 98]).newest(), "as often as they came"
    blocks = block_of(first + first + first[:-1])
    assert Block(FIRST, 0, FIRST) == blocks.newest(), "one that has begun is shorter still"
    assert 2 * FIRST == blocks.begin({}, lambda name: {}).size


def test_a_block_is_drawn_from_what_was_frozen() -> None:
    """Shares and what was learned stay as they were when it began."""
    blocks = Blocks(Memory())
    frozen = blocks.begin({"pct": 0.75, "random": 0.25}, lambda name: {"k": len(name)})
    assert frozen is blocks.begin({"pos": 1.0}, lambda name: {})
    assert {"pct": {"k": 3}, "random": {"k": 6}} == frozen.learned
    drawn = [frozen.draw(seed) for seed in range(4000)]
    assert abs(drawn.count("pct") / 4000 - 0.75) < 0.03


def test_what_cannot_be_remembered_counts_as_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stress.workers.measure.blocks.OF_ALL_MAX", 3)
    found = block_of([*range(FIRST), *range(FIRST)]).newest()
    assert found is not None
    assert FIRST - 3 == found.unseen


def test_the_bound_holds() -> None:
    """Over a sampler whose classes have known chances: in 95 of 100 campaigns, and near the truth."""
    chance = random.Random(14)
    weights = [1 / (k + 1) for k in range(300)]
    names, held, ratios = range(300), 0, []
    for _ in range(400):
        blocks = block_of(chance.choices(names, weights, k=512))
        truth = sum(weights[name] for name in names if name not in blocks.seen) / sum(weights)
        found = blocks.newest()
        assert found is not None
        held += risk([found]) >= truth
        ratios.append(risk([found]) / truth)
    assert held >= 0.94 * 400
    assert sorted(ratios)[200] < 3
