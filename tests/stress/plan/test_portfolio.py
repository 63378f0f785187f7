"""Which strategy is next: the shares, their floors, and that nothing but history decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from stress.workers.plan.portfolio import FLOOR, FLOORS, Portfolio
from stress.workers.settings import PORTFOLIO


def leases(
    portfolio: Portfolio,
    count: int,
    news: Callable[[str], bool] = lambda name: False,
    spent: Callable[[str], float] = lambda name: 1.0,
) -> list[str]:
    """Return the strategies of so many leases; ``news`` says which of them show something new, and
    ``spent`` how long they take.
    """
    names = []
    for _ in range(count):
        name = portfolio.next()
        portfolio.shown(name, news(name), spent(name))
        names.append(name)
    return names


def test_shares_sum_to_one() -> None:
    assert sum(PORTFOLIO.values()) == pytest.approx(1)


def test_every_strong_strategy_begins_some_cases_and_pct_most() -> None:
    begun = Counter(Portfolio(number).next() for number in range(2000))
    assert {"pct", "pos", "pos-contested"} == set(begun) and begun.most_common(1)[0][0] == "pct"


def test_every_strategy_is_second_in_some_cases() -> None:
    assert set(PORTFOLIO) == {leases(Portfolio(number), 2)[1] for number in range(2000)}


@pytest.mark.parametrize("best", PORTFOLIO)
def test_the_strategy_that_finds_has_most_leases_and_the_others_a_floor(best: str) -> None:
    counted = Counter(leases(Portfolio(7), 1000, lambda name: name == best))
    assert counted[best] > 500
    for name in set(PORTFOLIO) - {best}:
        assert counted[name] >= 1000 * FLOORS.get(name, FLOOR) - 2


def test_the_random_walk_keeps_a_share_of_five_in_a_hundred() -> None:
    counted = Counter(leases(Portfolio(3), 2000, lambda name: name == "pct"))
    assert 0.05 <= counted["random"] / 2000 < 0.1


def test_news_count_for_the_time_that_they_took() -> None:
    """Two strategies show news in every lease, one in a quarter of the time."""
    shares = {"quick": 0.5, "slow": 0.5}
    counted = Counter(leases(Portfolio(1, shares), 400, lambda name: True, {"quick": 1.0, "slow": 4.0}.__getitem__))
    assert counted["quick"] > 2 * counted["slow"]


def test_where_nothing_is_found_all_have_their_turn() -> None:
    assert min(Counter(leases(Portfolio(7), 300)).values()) > 15


def test_the_same_history_gives_the_same_leases() -> None:
    def news(name: str) -> bool:
        return name == "random"

    assert leases(Portfolio(3), 50, news) == leases(Portfolio(3), 50, news)
