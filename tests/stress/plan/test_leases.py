"""Leases: the first round, shares of time, budgets kept, seeds used once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from sim.core.profile import REAL, SMALL
from stress.case import Case
from stress.workers.messages import FOREVER_S, Batch
from stress.workers.plan.leases import (
    LEASE_SECONDS_MAX,
    LEASE_SECONDS_SURVEY,
    OPENINGS_FIRST,
    OPENINGS_MIN,
    Lease,
    Plan,
    Progress,
)
from stress.workers.plan.pools import PROMISE_MIN
from stress.workers.settings import LOCKSTEP, PARALLEL, PARALLEL_SEEDS, SEED_BITS, Settings

SETTINGS = Settings(seed=1, scenarios=("a", "b", "c"), profiles=("p", "q"))


def ranks(geometry: str, settings: Settings = SETTINGS, parameters: int = 2) -> list[list[Case]]:
    """Return so many parameter sets of the scenarios on the profiles."""
    return [
        [settings.case(s, {"order": order}, p, geometry) for s in settings.scenarios for p in settings.profiles]
        for order in range(parameters)
    ]


def plan(
    executions: int | None = None,
    workers: int = 1,
    geometries: tuple[str, ...] = (SMALL, REAL),
    parameters: int = 2,
    **settings: Any,
) -> Plan:
    """Return a plan; ``settings`` take the place of those in SETTINGS."""
    what = replace(SETTINGS, **settings)
    made = Plan(what, executions, workers)
    sets = {geometry: ranks(geometry, what, parameters) for geometry in geometries}
    numbers = {case: number for number, case in enumerate(case for each in sets.values() for r in each for case in r)}
    for each in sets.values():
        made.add(each, numbers, {})
    return made


def done(lease: Lease, executions: int, seconds: float = 0.0, counts: dict[str, dict[str, int]] | None = None) -> None:
    """Close a lease whose only answer tells of so many executions, of the time they took, and of
    what they showed.
    """
    lease.took(Batch(done=executions, last=True, numbers={"executing_s": seconds}, counts=counts or {}))
    lease.close()


def take(
    made: Plan, count: int, worker: int = 0, seconds: float | None = None, executions: int | None = None
) -> list[Lease]:
    """Take and close so many leases, each of which took its time, or ``seconds``, for all of its
    executions, or for so many.
    """
    leases = []
    for _ in range(count):
        lease = made.lease(worker)
        assert lease is not None
        many = lease.count if executions is None else executions
        done(lease, many, lease.slice_s if seconds is None else seconds)
        leases.append(lease)
    return leases


def names(leases: list[Lease]) -> list[tuple[str, str]]:
    """Return the scenario and the profile of each lease."""
    return [(lease.entry.case.scenario, lease.entry.case.profile) for lease in leases]


def test_every_scenario_on_every_profile_comes_first_and_once() -> None:
    leases = take(plan(), 6)
    assert 6 == len(set(names(leases)))
    assert {(SMALL, 0)} == {(lease.entry.case.geometry, lease.entry.rank) for lease in leases}


def test_of_a_round_what_is_ready_comes_first() -> None:
    """Kernels are compiled one after the other, and what can be executed natively need not wait. A
    case that is known to break a rule waits for nothing.
    """
    made = plan(geometries=(SMALL,))
    made.prefer(lambda case: case.profile == "q")
    assert [("b", "q"), ("a", "q")] == names(take(made, 2))
    made.hurry(next(n for n, entry in made.entries.items() if entry.case == ranks(SMALL)[1][4]))
    leases = take(made, 5)
    assert [("c", "p"), ("c", "q"), ("a", "p"), ("c", "p"), ("b", "p")] == names(leases)
    assert [1, 0, 0, 0, 0] == [dict(lease.entry.case.params)["order"] for lease in leases]


def test_lengths_are_the_means_of_what_was_sampled() -> None:
    made = plan(scenarios=("a", "b"))
    for steps, name in ((10, "a"), (40, "b"), (90, "a")):
        lease = made.lease(0)
        assert lease is not None and name == lease.entry.case.scenario
        lease.took(Batch(done=3, last=True, numbers={"steps": 3.0 * steps}))
    assert {("a", SMALL): 50.0, ("b", SMALL): 40.0} == made.lengths()


def test_under_a_budget_a_scenario_is_executed_once_first() -> None:
    assert [1] * 6 == [lease.count for lease in take(plan(executions=100), 6)]


def test_cases_that_were_never_opened_have_half_of_the_time() -> None:
    """Three cases of the first round, and nine more; as long as these last, every other lease opens
    one, the leases being equally long.
    """
    leases = take(plan(geometries=(SMALL,), parameters=4), 6 + 30, seconds=0.1)
    opening = [lease for lease in leases[6:] if lease.entry.leases == 1 or lease.widening]
    assert 15 <= len(opening) <= 18
    assert sorted(lease.entry.rank for lease in opening) == [lease.entry.rank for lease in opening]


def test_one_second_in_sixteen_is_of_real_geometry() -> None:
    leases = take(plan(), 6 + 320, seconds=0.1)[6:]
    assert 18 <= sum(lease.entry.case.geometry == REAL for lease in leases) <= 22


def test_a_chosen_geometry_is_the_only_one() -> None:
    assert {REAL} == {lease.entry.case.geometry for lease in take(plan(geometries=(REAL,)), 40)}


def test_a_case_that_shows_nothing_new_has_an_eighth_of_the_time_of_one_that_does() -> None:
    """Of two cases one shows a new site in each lease. Neither starves."""
    made = plan(geometries=(SMALL,), scenarios=("a", "b"), profiles=("p",), parameters=1)
    time: Counter[str] = Counter()
    for round_ in range(2000):
        lease = made.lease(0)
        assert lease is not None
        scenario = lease.entry.case.scenario
        shown = {"visits": {f"site {round_}": 1}} if scenario == "a" else {}
        time[scenario] += 1
        done(lease, 1, seconds=0.1, counts=shown)
    assert 1 / (PROMISE_MIN + 1) == pytest.approx(time["a"] / 2000, abs=0.01)


def test_what_is_new_is_new_once_on_each_profile() -> None:
    made = plan(geometries=(SMALL,), scenarios=("a",), parameters=1)
    found = []
    for _ in range(4):
        lease = made.lease(0)
        assert lease is not None
        done(lease, 1, seconds=0.1, counts={"conflicts": {"f: load / g: store": 3}})
        found.append((lease.entry.case.profile, lease.news))
    assert [("p", True), ("q", True)] == found[:2] and {False} == {news for _, news in found[2:]}


def test_time_that_a_lease_took_beyond_its_bound_is_charged() -> None:
    """A slow case has fewer leases: shares are of time."""
    made = plan(geometries=(SMALL,), scenarios=("a", "b"), profiles=("p",), parameters=1)
    leases: Counter[str] = Counter()
    for _ in range(400):
        lease = made.lease(0)
        assert lease is not None
        leases[lease.entry.case.scenario] += 1
        done(lease, 1, seconds=0.4 if lease.entry.case.scenario == "a" else 0.1)
    assert 4 == pytest.approx(leases["b"] / leases["a"], rel=0.05)


def test_leases_grow_to_their_bound() -> None:
    leases = take(plan(geometries=(SMALL,)), 12 * 20)
    assert LEASE_SECONDS_SURVEY == leases[0].slice_s and LEASE_SECONDS_MAX == leases[-1].slice_s
    first = [lease.slice_s for lease in leases if lease.entry.number == 0]
    assert first == sorted(first)


def test_no_time_ends_a_lease_under_a_budget() -> None:
    """The run is the same on every machine."""
    leases = take(plan(executions=500), 20, seconds=0.1)
    assert {FOREVER_S} == {lease.slice_s for lease in leases}


def test_a_resumed_plan_goes_on_where_the_time_is_lacking() -> None:
    """Of two cases one had ten seconds and the other one: the second is next until it has as much.
    The one that was never opened comes before both, and begins where the needier of them is.
    """
    made = Plan(SETTINGS, None, 1)
    cases = [SETTINGS.case(name, {}, "p", SMALL) for name in ("a", "b", "c")]
    had = {0: (10.0, 5), 1: (1.0, 2)}
    made.add(
        [cases],
        {case: number for number, case in enumerate(cases)},
        {
            (number, LOCKSTEP): Progress(made.base + 50, leases, seconds, 50)
            for number, (seconds, leases) in had.items()
        },
    )
    leases = take(made, 6, seconds=1.0)
    assert ["c", "b", "b", "c", "b", "c"] == [name for name, _ in names(leases)]
    assert 50 == leases[1].first


def test_the_budget_is_handed_out_exactly() -> None:
    made = plan(executions=100, workers=2)
    total = 0
    while (lease := made.lease(total % 2)) is not None:
        total += lease.count
        done(lease, lease.count)
    assert 100 == total


def test_what_a_lease_did_not_use_is_handed_out_again() -> None:
    made = plan(executions=1, geometries=(SMALL,))
    lease = made.lease(0)
    assert lease is not None and made.lease(0) is None
    done(lease, 0)
    again = made.lease(0)
    assert again is not None and again.count == 1


def test_seeds_of_a_torn_lease_are_not_used_again() -> None:
    made = Plan(SETTINGS, None, 1)
    (case, *_), _ = ranks(SMALL)
    made.add([[case]], {case: 0}, {})
    first = made.lease(0)
    assert first is not None
    first.close(torn=True)
    second = made.lease(0)
    assert second is not None and second.first == first.first + first.count


def test_workers_keep_their_own_cases() -> None:
    made = plan(geometries=(SMALL,))
    owners: dict[int, set[int]] = {}
    for round_ in range(60):
        (lease,) = take(made, 1, worker=round_ % 2)
        owners.setdefault(lease.entry.number, set()).add(round_ % 2)
    assert {1} == {len(workers) for workers in owners.values()}


def test_a_worker_without_cases_of_its_own_helps() -> None:
    made = Plan(SETTINGS, None, 2)
    (case, *_), _ = ranks(SMALL)
    made.add([[case]], {case: 0}, {})
    first, second = made.lease(0), made.lease(1)
    assert first is not None and second is not None
    assert second.first == first.first + first.count


def test_an_order_says_what_the_lease_is() -> None:
    """Seeds are the campaign's, shifted, plus the case's own; the parallel machine's lie above."""
    for machine, processes, above in (("lockstep", 0, 0), (PARALLEL, 2, PARALLEL_SEEDS)):
        made = Plan(SETTINGS, None, 1, machine=machine)
        (case, *_), _ = ranks(SMALL)
        made.add([[case]], {case: 4}, {(4, machine): Progress((1 << SEED_BITS) + above + 10, 1)})
        lease = made.lease(0)
        assert lease is not None
        order = lease.order(number=3, slice_s=0.5, left_s=9.0)
        assert (3, 4, case, machine, processes) == (
            order.lease,
            order.number,
            order.case,
            order.machine,
            order.processes,
        )
        assert ((1 << SEED_BITS) + above + 10, lease.count) == (order.first, order.count)


def test_a_seed_that_ended_its_worker_is_repeated_alone_and_next() -> None:
    made = plan()
    torn = made.lease(0)
    assert torn is not None
    torn.took(Batch(done=2, last=False))
    torn.close(torn=True)
    made.repeat(torn, made.base + torn.first + 2)
    again, other = made.lease(1), made.lease(1)
    assert again is not None and other is not None
    assert (torn.entry, torn.strategy, torn.first + 2, 1) == (again.entry, again.strategy, again.first, again.count)
    done(again, 1, seconds=0.1)
    assert torn.entry.out == 0 and other.entry is not torn.entry
    assert torn.entry.after == torn.first + torn.count


def test_leases_of_the_first_round_and_first_ones_of_what_is_aimed_at_are_short() -> None:
    made = Plan(SETTINGS, None, 1)
    sets = ranks(SMALL, parameters=1)
    made.add(sets, {case: number for number, case in enumerate(sets[0])}, {}, lambda case: case.scenario == "a")
    leases = take(made, 8)
    first = [lease for lease in leases if not lease.first]
    quick = [lease for lease in first if lease.entry.case.scenario == "a" or not lease.entry.rank]
    assert {OPENINGS_FIRST} == {lease.openings for lease in quick}
    assert {LEASE_SECONDS_SURVEY} == {lease.slice_s for lease in quick}
    assert {OPENINGS_MIN} == {lease.openings for lease in leases if lease not in quick}
    assert OPENINGS_FIRST == quick[0].order(number=1, slice_s=1, left_s=1).openings


def test_what_is_aimed_at_is_opened_in_laps() -> None:
    """Every scenario once, by turns on each profile; then it is another profile's turn, or another
    parameter set's, beside what is open.
    """
    made, sets = Plan(SETTINGS, None, 1), ranks(SMALL, parameters=3)
    numbers = {case: number for number, case in enumerate(case for rank in sets for case in rank)}
    made.add(sets, numbers, {}, lambda case: True)
    opened = [lease for lease in take(made, 60, seconds=0.1) if not lease.first]
    assert set("abc") == {lease.entry.case.scenario for lease in opened[:3]}
    assert {("p", 0), ("q", 0)} == {(lease.entry.case.profile, lease.entry.rank) for lease in opened[:3]}
    assert [0] * 3 + [1] * 6 + [2] * 6 + [3] * 3 == [lease.pool.round(lease.entry) for lease in opened]
    assert [False] * 3 + [True] * 15 == [lease.widening for lease in opened]


def test_the_parallel_machine_takes_no_case_whose_cpus_speculate() -> None:
    """It could not replay what they do."""
    cases = [SETTINGS.case("a", params, "p", SMALL) for params in ({"order": 0}, {"order": 0, "speculation": 1})]
    for machine, taken in ((LOCKSTEP, cases), (PARALLEL, cases[:1])):
        made = Plan(SETTINGS, None, 1, machine=machine)
        made.add([[case] for case in cases], {case: at for at, case in enumerate(cases)}, {})
        assert taken == [entry.case for entry in made.entries.values()]
        made.hurry(1)


def of_two(number: int, speculating: tuple[str, ...], executions: int | None = None) -> Plan:
    """Return a plan of ``number`` scenarios, of which some have CPUs that speculate."""
    made = Plan(SETTINGS, executions, 2)
    names = [chr(ord("a") + at) for at in range(number)]
    cases = [SETTINGS.case(name, {"speculation": 1} if name in speculating else {}, "p", SMALL) for name in names]
    made.add([cases], {case: at for at, case in enumerate(cases)}, {})
    return made


@pytest.mark.parametrize("budget", [None, 100_000])
def test_one_execution_in_four_at_most_has_cpus_that_speculate(budget: int | None) -> None:
    """Also while two workers hold leases, whose cases are executed the faster the more of them
    speculate.
    """
    made, held = of_two(4, ("a", "b"), budget), list[Lease]()
    total, speculating = 0, 0
    for turn in range(400):
        lease = made.lease(turn % 2)
        assert lease is not None
        held.append(lease)
        if len(held) == 2:
            lease = held.pop(0)
            count = min(lease.count, 5000 if lease.entry.rationed else 300)
            done(lease, count, lease.slice_s)
            total, speculating = total + count, speculating + (count if lease.entry.rationed else 0)
            assert 4 * speculating <= total
    assert 5 * speculating >= total


def test_what_is_left_may_speculate() -> None:
    """Cases whose CPUs speculate wait for others, as long as there are any that are not proved;
    what breaks a rule is opened at once.
    """
    made = of_two(3, ("a", "b"))
    assert ["c", "c"] == [lease.entry.case.scenario for lease in take(made, 2, seconds=0.1, executions=8)]
    made.hurry(0)
    assert ["a", "c"] == [lease.entry.case.scenario for lease in take(made, 2, seconds=0.1, executions=8)]
    made.retire(2)
    lease = made.lease(0)
    assert lease is not None and lease.entry.rationed and lease.count > 1000


def test_executions_of_earlier_runs_count_for_the_share() -> None:
    made = Plan(SETTINGS, None, 1)
    cases = [SETTINGS.case("a", params, "p", SMALL) for params in ({"speculation": 1}, {})]
    known = {(at, LOCKSTEP): Progress(0, 1, 1.0, executions) for at, executions in enumerate((30, 90))}
    made.add([cases], {case: at for at, case in enumerate(cases)}, known)
    assert (120, 30, 0) == (made.ration.executed, made.ration.rationed, made.ration.left)
