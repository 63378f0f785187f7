"""How fast the native core is, beside the Python machine in the same run, on one core: restore,
execution, step-time checks and audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

from stress.bench.rates import ROUNDS, STRATEGIES, Clock, rate
from stress.case import Case
from stress.errors import ZapstressError
from stress.execution.runner import open_runner
from stress.files import MIB
from stress.native.build import compiled
from stress.native.compilers import FAST, QUICK
from stress.native.files import files_of
from stress.native.kernels import KernelKey, library, searchable, translate
from stress.native.runner import Library, NativeCase, NotCovered
from stress.native.search.explore import Ended, Exploration, StateReduction
from stress.native.search.space import StateSpace
from stress.native.translate.subset import Unsupported

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

BATCH = 64
"""Executions that are asked for at once."""

TRANSITIONS, STATES_WORDS = 1 << 14, 1 << 20
"""Transitions that are asked for at once, and the size of the table of states."""

JUDGED = {"largest": "steps_per_s", "smallest": "executions_per_s"}
"""What counts of each case in ``native_over_lockstep``."""


def native_rate(native: NativeCase, strategy: Any, seconds: float, clock: Clock) -> tuple[float, float]:
    """Return (executions, steps) per second. What is not clean is given up, and counts as nothing."""
    seed = executions = steps = 0
    began = now = clock()
    while now - began < seconds:
        ran = native.run(strategy, seed, BATCH)
        seed += ran.clean + (ran.why > 0)
        executions, steps, now = executions + ran.clean, steps + ran.steps, clock()
    return executions / (now - began), steps / (now - began)


async def rows_of(
    case: Case, kernel: Library, seconds: float, catalogue: Catalogue, clock: Clock = process_time
) -> list[dict[str, Any]]:
    """Return the rates of one case on either machine under each strategy, measured in turn."""
    async with open_runner(case, catalogue=catalogue) as runner:
        native = NativeCase(kernel, runner)
        rates: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for _ in range(ROUNDS):
            for name in STRATEGIES:
                rates.setdefault(("lockstep", name), []).append(rate(runner, name, seconds, catalogue, clock))
                chooser = catalogue.strategy(name)
                rates.setdefault(("native", name), []).append(native_rate(native, chooser, seconds, clock))
    found = []
    for (machine, name), measured in rates.items():
        executions, steps = (median(values) for values in zip(*measured, strict=True))
        found.append(
            {
                "machine": machine, "scenario": case.scenario, "params": dict(case.params), "profile": case.profile,
                "strategy": name, "steps_per_s": round(steps), "executions_per_s": round(executions, 1),
            }
        )  # fmt: skip
    return found


def compile_times(key: KernelKey, catalogue: Catalogue) -> dict[str, Any]:
    """Return the seconds that it takes to translate a kernel with all scenarios, and to compile it
    at either level with nothing kept; and the MiB that are kept then.
    """
    began = perf_counter()
    files = files_of(translate(key, sorted(catalogue.scenarios()), catalogue))
    found: dict[str, Any] = {"translate_s": round(perf_counter() - began, 2)}
    with TemporaryDirectory() as scratch:
        for name, level in (("quick_s", QUICK), ("fast_s", FAST)):
            began = perf_counter()
            compiled(files, level, Path(scratch))
            found[name] = round(perf_counter() - began, 2)
        kept = sum(file.stat().st_size for file in Path(scratch).iterdir())
    return found | {"mib": round(kept / MIB, 1)}


async def bench_native(chosen: dict[str, Case], seconds: float, catalogue: Catalogue) -> dict[str, Any]:
    """Return ``compile``, ``transition``, ``rows`` and ``native_over_lockstep``; only why, if the
    cases cannot run natively.

    ``chosen`` is the smallest and the largest case, of one kernel.
    """
    scenarios = sorted({case.scenario for case in chosen.values()})
    try:
        kernel = library(KernelKey.of(chosen["smallest"]), scenarios, catalogue)
        rows = {which: await rows_of(case, kernel, seconds, catalogue) for which, case in chosen.items()}
    except (Unsupported, NotCovered, ZapstressError) as error:
        return {"native_unavailable": str(error)}
    return {
        "compile": compile_times(KernelKey.of(chosen["smallest"]), catalogue),
        "transition": await transition_of(chosen["smallest"], scenarios, seconds, catalogue),
        "rows": [row for found in rows.values() for row in found],
        "native_over_lockstep": round(min(ratio for which in rows for ratio in ratios(rows[which], JUDGED[which])), 1),
    }


async def transition_of(
    case: Case, scenarios: Sequence[str], seconds: float, catalogue: Catalogue, clock: Clock = process_time
) -> dict[str, Any]:
    """Return how many microseconds a transition of an exhaustive search takes: the step, the name
    of the state that it leads to, and taking it back. A space that is done too soon is explored
    again.
    """
    kernel = searchable(KernelKey.of(case), scenarios, catalogue)
    async with open_runner(case, "plain", catalogue=catalogue) as runner:
        space, made = StateSpace(kernel, runner), 0
        began = now = clock()
        while now - began < seconds:
            exploration, ended = Exploration(space, StateReduction.NONE, STATES_WORDS), Ended.NOT_YET
            while ended == Ended.NOT_YET and now - began < seconds:
                ended, now = exploration.go_on(TRANSITIONS), clock()
            extent = exploration.extent()
            made += extent.transitions
    return {
        "scenario": case.scenario, "params": dict(case.params), "profile": case.profile, "states": extent.states,
        "transitions": extent.transitions, "microseconds": round(1e6 * (now - began) / made, 3),
    }  # fmt: skip


def ratios(rows: list[dict[str, Any]], what: str) -> list[float]:
    """Return, for each strategy, how many times the Python machine's rate the native one is."""
    found = {(row["machine"], row["strategy"]): float(row[what]) for row in rows}
    return [found["native", name] / found["lockstep", name] for name in STRATEGIES]


def text(data: dict[str, Any]) -> str:
    """Return the measurements for people."""
    if "rows" not in data:
        return f"native: not measured: {data['native_unavailable']}"
    lines = [
        f"{row['machine']:<8} {row['scenario']:<20} {row['strategy']:<7}"
        f" {row['steps_per_s']:>12,} steps/s {row['executions_per_s']:>11,.0f} executions/s"
        for row in data["rows"]
    ]
    one, made = data["transition"], data["compile"]
    lines.append(
        f"a kernel: translated in {made['translate_s']:.1f} s, compiled in {made['quick_s']:.1f} s, and in"
        f" {made['fast_s']:.1f} s for speed; {made['mib']:.1f} MiB"
    )
    lines.append(f"a transition of an exhaustive search of {one['scenario']}: {one['microseconds']:.2f} us")
    return "\n".join([*lines, f"native over lockstep: {data['native_over_lockstep']:.1f} x at least"])
