"""A campaign's summary, made of what its directory holds (docs/file-formats.md has the fields)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from stress.campaign.results import Results
from stress.parallel.settings import PROCESSES
from stress.patch.spec import options
from stress.workers.metrics import CAMPAIGN, MACHINES, Counts, Distinct, Number, declared
from stress.workers.settings import PARALLEL

UNREACHED_NAMED_MAX = 5
"""Unreached sites that the summary for people names; of more it gives the number."""

SETTINGS_SHOWN = ("seed", "scenarios", "profiles", "geometry", "strategy", "machine", "kernel", "patch", "faults")

Totals = Mapping[str, Mapping[str, float]]
"""Numbers by machine and metric."""


def summary(results: Results) -> dict[str, Any]:
    """Return the summary as plain data."""
    settings, totals, visits = results.settings(), results.totals(), results.counts("visits")
    sessions, elapsed = results.sessions()
    reached = {site for site, count in visits.items() if count}
    return {
        **numbers(totals),
        **rates(totals, elapsed),
        **{name: settings[name] for name in SETTINGS_SHOWN},
        "machines": machines(totals),
        "violations": results.failures(),
        "cells": results.cells(),
        **counted(results),
        "sites_reached": len(reached),
        "sites_unreached": sorted(set(visits) - reached),
        "twins": results.twins(),
        "worker_deaths": results.deaths(),
        "unrecorded": results.unrecorded(),
        "sessions": sessions,
        "this_run": this_run(results),
        "dir": str(results.directory),
    }


def this_run(results: Results) -> dict[str, Any]:
    """Return what the latest run alone has brought: a campaign's totals are of all its runs."""
    latest = results.latest()
    number = latest.pop("id")
    found = [failure["signature"] for failure in results.failures() if failure["session"] == number]
    return {**latest, "elapsed_s": round(latest["elapsed_s"], 3), "found": found}


def total(metric: Number, totals: Totals) -> float:
    """Return a number over all machines."""
    return metric.merged([row[metric.name] for row in totals.values() if metric.name in row])


def numbers(totals: Totals) -> dict[str, float]:
    """Return the numbers that are shown of a campaign."""
    return {metric.name: total(metric, totals) for metric in declared(Number) if CAMPAIGN in metric.shown}


def counted(results: Results) -> dict[str, Any]:
    """Return the counts by key, or how many keys there are, and the distinct counts."""
    found: dict[str, Any] = {}
    for metric in declared(Counts):
        if metric.shown:
            counts = results.counts(metric.name)
            found[metric.name] = counts if metric.listed else len(counts)
    return found | {
        metric.name: results.distinct[metric.name].estimate() for metric in declared(Distinct) if metric.shown
    }


def rates(totals: Totals, elapsed_s: float) -> dict[str, float]:
    """Return the time that all runs took, and what came of it per second."""
    found = {"elapsed_s": round(elapsed_s, 3)}
    for name in ("executions", "steps"):
        done = sum(row[name] for row in totals.values())
        found[f"{name}_per_s"] = round(done / elapsed_s, 1) if elapsed_s else 0.0
    return found


def machines(totals: Totals) -> dict[str, dict[str, float]]:
    """Return what each machine has done. ``share`` is of the workers' time."""
    found: dict[str, dict[str, float]] = {}
    busy_s = sum(row["busy_s"] for row in totals.values())
    for machine, row in totals.items():
        metrics = [metric.name for metric in declared(Number) if MACHINES in metric.shown]
        shown = {name: row[name] for name in metrics if name in row}
        found[machine] = {**shown, "share": round(row["busy_s"] / busy_s, 3) if busy_s else 0.0}
        if machine == PARALLEL:
            steps = row["recorded_steps"]
            found[machine]["processes"] = PROCESSES
            found[machine]["switches_per_1000_steps"] = round(1000 * row["switches"] / steps, 1) if steps else 0.0
    return found


# -- for people ----------------------------------------------------------------------------------------------------


def text(data: dict[str, Any]) -> str:
    """Return the summary for people."""
    return "\n".join([*_what_was_run(data), *_what_was_reached(data), *_what_was_found(data)])


def _what_was_run(data: dict[str, Any]) -> Iterator[str]:
    """Yield how much was executed, and of what; after a resume, also what of it in this run."""
    run, all_runs = data["this_run"], ""
    if data["sessions"] > 1:
        new = f"{len(run['found'])} new signatures" if run["found"] else "no new signature"
        yield f"this run: {run['executions']} executions, {run['steps']} steps in {run['elapsed_s']:.1f} s, {new}"
        all_runs = f"all {data['sessions']} runs: "
    yield (
        f"{all_runs}{data['executions']} executions, {data['steps']} steps in {data['elapsed_s']:.1f} s"
        f" ({data['executions_per_s']:.0f} executions/s, {data['steps_per_s']:.0f} steps/s), seed {data['seed']:#x}"
    )
    faults = f", patch {', '.join(data['patch'])}" if data["patch"] else ""
    faults += f", faults {', '.join(data['faults'])}" if data["faults"] else ""
    yield (
        f"{len(data['scenarios'])} scenarios on {len(data['profiles'])} profiles, kernel {data['kernel']},"
        f" strategy {data['strategy']}{faults}"
    )
    if data["machines"]:
        yield "; ".join(machine_words(name, row) for name, row in data["machines"].items())
    if data["native"]:
        unjudged = f", {data['unjudged']} unjudged" if data["unjudged"] else ""
        yield (
            f"native core: {data['native']} of these executions;"
            f" {data['compared']} made in Python too, and compared{unjudged}"
        )


def machine_words(name: str, row: dict[str, float]) -> str:
    """Return what a machine has done, in words."""
    words = f"{name}: {row['executions']} executions, {row['share']:.0%} of the time"
    if name == PARALLEL:
        words += (
            f", {row['processes']} processes, {row['switches_per_1000_steps']:.0f} switches between them per 1,000"
            f" steps, {row['pauses']} audits at rest"
        )
    return words


def _what_was_reached(data: dict[str, Any]) -> Iterator[str]:
    """Yield what the executions covered."""
    yield (
        f"{data['distinct_schedules']} distinct schedules, {len(data['pairs'])} pairs of operations overlapped,"
        f" {data['sites_reached']} sites reached, {len(data['sites_unreached'])} not,"
        f" {data['twins']['run']} executions run twice"
    )
    if 0 < len(data["sites_unreached"]) <= UNREACHED_NAMED_MAX:
        yield f"not reached: {'; '.join(data['sites_unreached'])}"
    if data["inconclusive"]:
        yield f"{data['inconclusive']} executions ran out of steps before a verdict"


def _what_was_found(data: dict[str, Any]) -> Iterator[str]:
    """Yield what died and what was violated."""
    for death in data["worker_deaths"]:
        held = f"{death['scenario']} on {death['profile']}, seed {death['seed']}" if death["scenario"] else "nothing"
        yield f"worker {death['worker']} died with status {death['exit_status']}; it held {held}"
    for found in data["violations"]:
        new = ", new in this run" if data["sessions"] > 1 and found["session"] == data["sessions"] else ""
        yield (
            f"{found['count']:>8} x {found['signature']}  {found['checker']} {found['title']}:"
            f" {found['scenario']} on {', '.join(found['profiles'])}{new}"
        )
        shown = f"zapstress show {shlex.quote(found['trace'])}{options(data['patch'])}" if found["trace"] else ""
        yield f"           {shown or 'its trace was deleted'}"
    if data.get("ended") == "full":
        yield "ended because the directory is as large as --disk-mib-max allows; what was recorded is kept"
    yield "no violation" if not data["violations"] else f"{len(data['violations'])} signatures"
