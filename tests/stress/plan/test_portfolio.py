"""Which strategy is next: the shares, their floors, and that nothing but history decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from stress.workers.plan.portfolio import Portfolio
from stress.workers.settings import PORTFOLIO


def leases(portfolio: Portfolio, count: int, news: Callable[[str], bool] = lambda name: False) -> list[str]:
    """Return the strategies of so many leases; ``news`` says which of them show something new."""
    names = []
    for _ in range(count):
        name = portfolio.next()
        portfolio.shown(name, news(name))
        names.append(name)
    return names


def test_shares_sum_to_one() -> None:
    assert 1 == sum(PORTFOLIO.values())


def test_every_strategy_begins_some_cases_and_pct_most() -> None:
    begun = Counter(Portfolio(number).next() for number in range(1000))
    assert set(PORTFOLIO) == set(begun) and begun["pct"] > 800 and min(begun.values()) > 30


@pytest.mark.parametrize("best", PORTFOLIO)
def test_the_strategy_that_finds_has_most_leases_and_the_others_a_floor(best: str) -> None:
    counted = Counter(leases(Portfolio(7), 400, lambda name: name == best))
    others = [counted[name] for name in PORTFOLIO if name != best]
    assert counted[best] > 300 and min(others) > 15


def test_where_nothing_is_found_all_have_their_turn() -> None:
    assert min(Counter(leases(Portfolio(7), 300)).values()) > 60


def test_the_same_history_gives_the_same_leases() -> None:
    def news(name: str) -> bool:
        return name == "random"

    assert leases(Portfolio(3), 50, news) == leases(Portfolio(3), 50, news)
