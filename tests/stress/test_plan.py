"""The order of leases: breadth first, a share of real geometry, budgets kept, seeds used once."""

from __future__ import annotations

from collections import Counter

from sim.core.profile import REAL, SMALL
from stress.case import Case
from stress.workers.leases import LEASE_SECONDS_MAX, REAL_EVERY, Lease, Plan
from stress.workers.settings import PARALLEL, PARALLEL_SEEDS, PORTFOLIO, SEED_BITS, Settings

SETTINGS = Settings(seed=1, scenarios=("a", "b", "c"), profiles=("p", "q"))


def ranks(geometry: str) -> list[list[Case]]:
    """Return two parameter sets of three scenarios on two profiles."""
    return [
        [SETTINGS.case(s, {"order": order}, p, geometry) for s in SETTINGS.scenarios for p in SETTINGS.profiles]
        for order in (0, 2)
    ]


def plan(executions: int | None = None, workers: int = 1, geometries: tuple[str, ...] = (SMALL, REAL)) -> Plan:
    made = Plan(SETTINGS, executions, workers)
    cases = [case for geometry in geometries for rank in ranks(geometry) for case in rank]
    numbers = {case: number for number, case in enumerate(cases)}
    for geometry in geometries:
        made.add(ranks(geometry), numbers, {})
    return made


def done(lease: Lease, executions: int) -> None:
    """Close a lease of which so many executions are accounted for."""
    lease.done = executions
    lease.close()


def take(made: Plan, count: int, worker: int = 0) -> list[Lease]:
    """Take and close so many leases."""
    leases = []
    for _ in range(count):
        lease = made.lease(worker)
        assert lease is not None
        done(lease, lease.count)
        leases.append(lease)
    return leases


def test_every_scenario_on_every_profile_comes_first_and_once() -> None:
    leases = take(plan(), 6)
    assert 6 == len({(lease.entry.case.scenario, lease.entry.case.profile) for lease in leases})
    assert {(SMALL, 0, 1)} == {(lease.entry.case.geometry, lease.entry.rank, lease.count) for lease in leases}


def test_then_other_parameters_then_depth() -> None:
    leases = take(plan(geometries=(SMALL,)), 24)
    assert {1} == {lease.entry.rank for lease in leases[6:12]}
    assert {2} == set(Counter(lease.entry.number for lease in leases).values())


def test_one_lease_in_sixteen_is_of_real_geometry() -> None:
    leases = take(plan(), 10 * REAL_EVERY)
    assert 10 == sum(lease.entry.case.geometry == REAL for lease in leases)


def test_a_chosen_geometry_is_the_only_one() -> None:
    assert {REAL} == {lease.entry.case.geometry for lease in take(plan(geometries=(REAL,)), 40)}


def test_the_portfolio_takes_turns_within_a_case() -> None:
    leases = [lease for lease in take(plan(geometries=(SMALL,)), 36) if lease.entry.number == 0]
    assert set(PORTFOLIO) == {lease.strategy for lease in leases}


def test_leases_grow_to_their_bound() -> None:
    leases = take(plan(geometries=(SMALL,)), 12 * 20)
    assert 1 == leases[0].count and LEASE_SECONDS_MAX == leases[-1].slice_s
    assert [lease.slice_s for lease in leases] == sorted(lease.slice_s for lease in leases)


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
        made.add([[case]], {case: 4}, {(4, machine): ((1 << SEED_BITS) + above + 10, 1)})
        lease = made.lease(0)
        assert lease is not None
        order = lease.order(number=3, directory="results", slice_s=0.5)
        assert (3, 4, case, machine, processes) == (
            order.lease,
            order.number,
            order.case,
            order.machine,
            order.processes,
        )
        assert ((1 << SEED_BITS) + above + 10, lease.count) == (order.first, order.count)
