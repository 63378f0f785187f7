"""What a search is aimed at: overrides, looks and their order, and the share of the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.calls import Reach
from stress.workers.messages import Batch, ReachAnswer, ReachOrder
from stress.workers.plan.aim import COMMON_LOOKS_MIN, SURVEY_SHARE, Aim, Change, overridden
from stress.workers.plan.laps import laps
from stress.workers.plan.leases import Plan
from stress.workers.plan.reach import ReachTable
from stress.workers.settings import Settings

SETTINGS = Settings(seed=1, scenarios=("a", "b", "c"), profiles=("p", "q"))
METHOD = "memory.delay_rmap"


def cases(geometry: str = "small", parameters: int = 2) -> list[list[Case]]:
    """Return so many parameter sets of every scenario on every profile."""
    return [
        [SETTINGS.case(s, {"order": order}, p, geometry) for s in SETTINGS.scenarios for p in SETTINGS.profiles]
        for order in range(parameters)
    ]


NUMBERS = {case: number for number, case in enumerate(case for g in ("small", "real") for r in cases(g) for case in r)}


def table(*scenarios: str) -> ReachTable:
    """Return a table with a row for each first parameter set: these scenarios reach METHOD."""
    made = ReachTable()
    for case in cases()[0]:
        methods = frozenset({METHOD} if case.scenario in scenarios else {"swap.folio_put"})
        made.add(case, Reach(methods, frozenset(), frozenset()))
    return made


def aim(known: ReachTable | None = None) -> Aim:
    return Aim([METHOD], cases(), NUMBERS, known if known is not None else ReachTable())


def answer(order: ReachOrder, differing: Collection[str]) -> ReachAnswer:
    """Return the answer of a worker for which the cases of some scenarios differ."""
    return ReachAnswer(differs=order.case.scenario in differing, violates=False, seconds=1.0)


def look(made: Aim, differing: Collection[str], count: int, spent_s: float = 1e6) -> list[ReachOrder]:
    """Have so many cases looked at, or as many as there are."""
    orders = []
    while len(orders) < count and (order := made.order(spent_s)) is not None:
        made.took(order, answer(order, differing))
        orders.append(order)
    return orders


def test_leases_are_aimed_while_the_sweep_goes_on() -> None:
    """The first case that differs changes the aim for all, each later one for its kind."""
    made, changes = aim(), []
    while made.sweep and (order := made.order(1e6)) is not None:
        changes.append((order.case.scenario, made.took(order, answer(order, {"b"})), len(made.sweep)))
    told = [change for scenario, change, _ in changes if scenario == "b"]
    assert [Change.ALL, Change.CELL] == told[:2]
    assert all(Change.NONE is change for scenario, change, left in changes if scenario != "b" and left)
    assert Change.ALL is changes[-1][1]


def test_a_look_is_told_what_the_case_does_without_the_patch() -> None:
    """As far as the table has it."""
    known, case = table("b"), next(case for case in cases()[0] if case.scenario == "b")
    known.add(case, Reach(frozenset({METHOD}), frozenset(), frozenset(), ("clean 1", "clean 2")))
    plain = {order.case: order.plain for order in look(aim(known), (), 1000)}
    assert plain.pop(case) == ["clean 1", "clean 2"]
    assert plain and not any(plain.values())


def test_a_look_is_at_every_side_of_a_comparison() -> None:
    """The aim is the same for all, so it is what any of them changes."""
    made = Aim([METHOD], cases(), NUMBERS, ReachTable(), [("other.py",)])
    order = made.order(1e6)
    assert order is not None and [replace(order.case, patch=("other.py",))] == order.sides


def test_what_faults_and_patches_override_has_names() -> None:
    assert [METHOD] == overridden(Settings(1, ("storm",), ("x86-64",), faults=("M21",)), CATALOGUE)
    assert [] == overridden(SETTINGS, CATALOGUE)


def test_the_sweep_sees_every_scenario_before_any_twice() -> None:
    order = list(laps(cases()[:1]))
    assert set("abc") == {case.scenario for case in order[:3]} and {"p", "q"} == {case.profile for case in order[:3]}
    assert sorted(map(repr, order)) == sorted(map(repr, cases()[0]))


def test_every_parameter_set_is_seen_before_any_on_a_second_profile() -> None:
    lap = {(case.scenario, case.params) for case in list(laps(cases()))[:6]}
    assert {(case.scenario, case.params) for rank in cases() for case in rank} == lap


def test_without_a_table_every_case_is_looked_at_once_and_the_table_is_filled() -> None:
    orders = look(aim(), "a", 100)
    looks = Counter(order.case for order in orders if not order.reach)
    assert {1} == set(looks.values()) and {case for rank in cases() for case in rank} == set(looks)
    assert set(cases()[0]) == {order.case for order in orders if order.reach}
    assert {order.case.params[0][1] for order in orders[:6]} == {0}


def test_with_a_table_the_sweep_is_of_what_reaches_an_override() -> None:
    orders = look(aim(table("b")), "b", 100)
    seen = [(order.case.scenario, order.case.params[0][1]) for order in orders]
    assert [("b", 0), ("b", 0), ("b", 1)] == seen[:3] and ("b", 1) == seen[4]
    assert {"a", "c"} == {scenario for scenario, _ in (seen[3], *seen[5:])}
    assert not any(order.reach for order in orders)


def test_the_search_aims_at_what_reaches_until_something_differs_and_then_at_that() -> None:
    made = aim(table("a", "b"))
    assert {"a", "b"} == {case.scenario for rank in cases() for case in rank if made.aimed(case)}
    look(made, "b", 4)
    assert {"b"} == {case.scenario for case in NUMBERS if made.aimed(case)}
    assert {"small", "real"} == {case.geometry for case in NUMBERS if made.aimed(case)}
    assert not made.aimed(SETTINGS.case("b", {"order": 1}, "p", "small")), "it was not looked at"


def test_looking_ends_where_nearly_every_case_differs() -> None:
    """The first look of a scenario and profile says nothing of the others."""
    ranks = cases(parameters=40)
    numbers = {case: number for number, case in enumerate(case for rank in ranks for case in rank)}
    made = Aim([METHOD], ranks, numbers, ReachTable())
    assert len(ranks[0]) + COMMON_LOOKS_MIN == len(look(made, "abc", 1000))
    assert all(made.aimed(case) for case in numbers)


def test_where_nothing_is_known_to_differ_looking_goes_on() -> None:
    """By turns with what is known to, as long as that is of any use; two of the looks that make it
    common fill the table.
    """
    ranks = cases(parameters=40)
    numbers = {case: number for number, case in enumerate(case for rank in ranks for case in rank)}
    made = Aim([METHOD], ranks, numbers, ReachTable())
    orders = [order for order in look(made, "a", 1000)[len(ranks[0]) :] if not order.reach]
    turns = ["a" == order.case.scenario for order in orders]
    end = turns.count(True)
    assert COMMON_LOOKS_MIN - 2 == end and [True, False] * end == turns[: 2 * end]
    assert [False] * (2 * 2 * 39 - end) == turns[2 * end :]
    assert {"a"} == {case.scenario for case in numbers if made.aimed(case)}


def test_leases_begin_as_soon_as_something_differs() -> None:
    """Nothing but looks until then; half of the time from then on."""
    made, leased_s = aim(), 0.0
    assert len(cases()[0]) == len(look(aim(), "", 100, spent_s=0.0))
    order = made.order(leased_s)
    while order is not None:
        made.took(order, answer(order, "abc"))
        order = made.order(leased_s)
    assert 1.0 == made.spent_s
    leased_s = 1.0
    assert SURVEY_SHARE == 0.5 and made.order(leased_s) is not None


def test_only_what_may_have_changed_is_aimed_anew() -> None:
    made = aim(table("a"))
    (first,) = look(made, "", 1)
    second = made.order(1e6)
    assert second is not None and (first.case.scenario, second.case.scenario) == ("a", "a")
    assert Change.ALL is made.took(second, answer(second, "a"))
    third = made.order(1e6)
    assert third is not None and Change.CELL is made.took(third, answer(third, "a"))
    fourth = made.order(1e6)
    assert fourth is not None and Change.NONE is made.took(fourth, answer(fourth, ""))


def test_cases_that_are_aimed_at_have_four_fifths_of_the_time_and_all_are_opened() -> None:
    made = Plan(SETTINGS, None, 1)
    for geometry in ("small", "real"):
        made.add(cases(geometry), NUMBERS, {}, lambda case: case.scenario == "b")
    time: Counter[bool] = Counter()
    opened = set()
    for _ in range(2000):
        lease = made.lease(0)
        assert lease is not None
        opened.add(lease.entry.number)
        time[lease.entry.case.scenario == "b"] += 1
        lease.took(Batch(done=1, last=True, numbers={"executing_s": 0.1}))
        lease.close()
    assert 0.78 < time[True] / 2000 < 0.82
    assert set(NUMBERS.values()) == opened


def test_a_change_of_aim_moves_cases_and_loses_none() -> None:
    made = Plan(SETTINGS, None, 1)
    made.add(cases(), NUMBERS, {})
    for aimed in ("a", "b"):
        made.aim(lambda case, aimed=aimed: case.scenario == aimed)  # type: ignore[misc]
        for _ in range(8):
            lease = made.lease(0)
            assert lease is not None
            lease.close()
        by_pool = {
            which: {e.case.scenario for (a, _), pool in made.pools.items() if a is which for e in pool.entries()}
            for which in (True, False)
        }
        assert {True: {aimed}, False: set("abc") - {aimed}} == by_pool
    assert 12 == sum(len(pool.entries()) for pool in made.pools.values())


def test_a_case_that_breaks_a_rule_under_a_look_is_leased_next() -> None:
    made = Plan(SETTINGS, None, 1)
    made.add(cases(), NUMBERS, {})
    number = NUMBERS[cases()[1][3]]
    made.hurry(number)
    lease = made.lease(0)
    assert lease is not None and number == lease.entry.number
