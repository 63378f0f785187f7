"""A campaign's summary, made of what its directory holds (docs/file-formats.md has the fields)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stress.campaign.directory import expected_in, form_of
from stress.campaign.proving.table import lines
from stress.campaign.report.sides import table as sides
from stress.campaign.results import Results
from stress.errors import CLEAN, FAILED, INCONCLUSIVE, INTERRUPTED, VIOLATED
from stress.execution import overlaps
from stress.execution.absent import unreachable
from stress.output import plural
from stress.parallel.settings import PROCESSES
from stress.patch.typed import within
from stress.sources import ended_words
from stress.workers.measure.bound import risk_words
from stress.workers.metrics import (
    CAMPAIGN,
    MACHINES,
    TIME_SHARE,
    Counts,
    Distinct,
    Number,
    declared,
)
from stress.workers.plan.leases import LEASED
from stress.workers.settings import NATIVE, PARALLEL

BOUND = 3.0
"""If n executions of n are equal, the share of those that are not is below BOUND / n, with a
confidence of 95 %.
"""

UNREACHED_NAMED_MAX = 5
"""Unreached sites that the summary for people names; of more it gives the number."""

SCENARIOS_NAMED_MAX, OVERRIDES_NAMED_MAX = 8, 4
"""Scenarios in which an override ran, and overrides that never ran, that are named."""

SETTINGS_SHOWN = (
    "seed",
    "scenarios",
    "profiles",
    "geometry",
    "strategy",
    "machine",
    "kernel",
    "patch",
    "versus",
    "faults",
)

SIDE_FAILURE = ("signature", "checker", "title", "count", "first", "trace")
"""What is told of a failure of a side of a comparison."""

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
        "time_share": time_share(totals),
        "violations": violations(results),
        **old_failures(results),
        "overrides": results.overrides(),
        "versus": versus(results, settings),
        **whose(results),
        "cases": results.cases(),
        "cells": results.cells(),
        "coverage": results.coverage(),
        "risk": results.risk(),
        "growth": results.growth(),
        **counted(results),
        "sites_reached": len(reached),
        "sites_unreached": sorted(visits.keys() - reached),
        "unreachable": unreachable(visits.keys() - reached, settings["profiles"], settings["kernel"]),
        "twins": results.twins(),
        "worker_deaths": results.deaths(),
        "unrecorded": results.unrecorded(),
        "sessions": sessions,
        "this_run": this_run(results),
        "dir": str(results.directory),
    }


def whose(results: Results) -> dict[str, Any]:
    """Return whose executions count: of which generation, and of which campaigns that were merged."""
    return {
        "generation": results.generation,
        "generations": results.generations(),
        "merged": results.merged(),
    }


def violations(results: Results) -> list[dict[str, Any]]:
    """Return the failures of the newest generation; ``expected`` is why one is expected, or None,
    ``shrunk`` and ``explanation`` its smallest form and why that fails, or None.
    """
    expected = expected_in(results.directory)
    return [
        {**failure, "expected": expected.get(name), **form_of(results.directory, name)}
        for failure in results.failures()
        if (name := failure["signature"])
    ]


def unexpected(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the failures that nobody has marked as expected: they decide the exit status."""
    return [failure for failure in data["violations"] if failure["expected"] is None]


def this_run(results: Results) -> dict[str, Any]:
    """Return what the latest run alone has brought: a campaign's totals are of all its runs."""
    latest = results.latest()
    number = latest.pop("id")
    found = [failure["signature"] for failure in results.failures() if failure["session"] == number]
    return {**latest, "elapsed_s": round(latest["elapsed_s"], 3), "found": found}


def old_failures(results: Results) -> dict[str, list[dict[str, Any]]]:
    """Return the failures of earlier generations that the newest does not show: those that are
    gone, and those that were not seen again so far.

    One is gone once its trace, replayed tolerantly, has ended clean, and enough executions of its
    case were clean too.
    """
    gone: list[dict[str, Any]] = []
    not_seen_again: list[dict[str, Any]] = []
    for failure in results.old_failures():
        del failure["case_id"]
        enough = failure["retried"] == "clean" and failure["clean"] >= failure["clean_needed"]
        (gone if enough else not_seen_again).append(failure)
    return {"gone": gone, "not_seen_again": not_seen_again}


def versus(results: Results, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the sides of a comparison, the campaign's own patch first; none if there is none."""
    if not settings["versus"]:
        return []
    own = [{name: failure[name] for name in SIDE_FAILURE} for failure in results.failures()]
    made = int(sum(row["executions"] for row in results.totals().values()))
    found: list[dict[str, Any]] = [{"patch": settings["patch"], "executions": made, "violations": own}]
    executions = results.sides()
    for number, specs in enumerate([*([spec] for spec in settings["versus"]), []], 1):
        made, failures = executions.get(number, 0), results.side_failures(number)
        found.append({"patch": specs, "executions": made, "violations": failures})
    return found


def never_ran(data: dict[str, Any]) -> list[str]:
    """Return the overrides that could have run and did not: of them nothing is said."""
    return [row["method"] for row in data["overrides"] if not row["runs"] and row["here"]]


def exit_status(data: dict[str, Any]) -> int:
    """Return the exit status that a summary stands for."""
    if data["ended"] == "interrupted":
        return INTERRUPTED
    wrong = unexpected(data)
    if any(failure["checker"] != NATIVE for failure in wrong):
        return VIOLATED
    if wrong or data["worker_deaths"] or data["ended"] in ("failed", "full"):
        return FAILED
    judged = data["executions"] > data["inconclusive"] and not never_ran(data) and not risk_missed(data)
    return CLEAN if judged else INCONCLUSIVE


def risk_missed(data: dict[str, Any]) -> str:
    """Return in words that a run ended before the risk was as small as was asked, or ``""``."""
    asked = data.get("until_risk")
    if asked is None or not asked["above"]:
        return ""
    above = f"{asked['above']} of {plural(len(data['coverage']), 'pair')} of scenario and profile have more"
    return f"--until-risk {asked['asked']:g} was not reached: {above}"


def total(metric: Number, totals: Totals) -> float:
    """Return a number over all machines."""
    return metric.merged([row[metric.name] for row in totals.values() if metric.name in row])


def numbers(totals: Totals) -> dict[str, float]:
    """Return the numbers that are shown of a campaign."""
    return {metric.name: total(metric, totals) for metric in declared(Number) if CAMPAIGN in metric.shown}


def counted(results: Results) -> dict[str, Any]:
    """Return the counts by key, or how many keys there are, and the distinct counts."""
    found: dict[str, Any] = {"pairs_missing": overlaps.missing(results.counts("pairs"))}
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


def time_share(totals: Totals) -> dict[str, float]:
    """Return each account's share of the workers' time; the shares sum to 1 unless there is none."""
    seconds = {
        metric.name.removesuffix("_s"): total(metric, totals)
        for metric in declared(Number)
        if TIME_SHARE in metric.shown
    }
    spent = sum(seconds.values())
    return {account: passed / spent if spent else 0.0 for account, passed in seconds.items()}


def leased(row: Mapping[str, float]) -> float:
    """Return the seconds that a machine's leases took."""
    return sum(row[name] for name in LEASED)


def machines(totals: Totals) -> dict[str, dict[str, float]]:
    """Return what each machine has done. ``share`` is of the time that leases took."""
    found: dict[str, dict[str, float]] = {}
    busy_s = sum(map(leased, totals.values()))
    for machine, row in totals.items():
        metrics = [metric.name for metric in declared(Number) if MACHINES in metric.shown]
        shown = {name: row[name] for name in metrics if name in row}
        found[machine] = {**shown, "share": round(leased(row) / busy_s, 3) if busy_s else 0.0}
        if machine == PARALLEL:
            steps = row["recorded_steps"]
            found[machine]["processes"] = PROCESSES
            found[machine]["switches_per_1000_steps"] = round(1000 * row["switches"] / steps, 1) if steps else 0.0
    return found


# -- for people ----------------------------------------------------------------------------------------------------


def text(data: dict[str, Any]) -> str:
    """Return the summary for people. The verdict is the last line."""
    return "\n".join(
        [
            *_what_was_run(data),
            *_what_was_reached(data),
            *_what_ran(data),
            *_what_was_before(data),
            *_what_was_found(data),
            *sides(data["versus"]),
            *lines(data["coverage"]),
            risk_words(data["risk"]),
            verdict(data),
        ]
    )


def _what_was_run(data: dict[str, Any]) -> Iterator[str]:
    """Yield how much was executed, and of what; after a resume, also what of it in this run, and
    after a change of the code that counts began anew.
    """
    run = data["this_run"]
    yield from _what_counts(data)
    if data["sessions"] > 1:
        new = f"{len(run['found'])} new signatures" if run["found"] else "no new signature"
        yield f"this run: {run['executions']} executions, {run['steps']} steps in {run['elapsed_s']:.1f} s, {new}"
    all_runs = f"all {data['sessions']} runs: " if data["sessions"] > 1 else ""
    yield (
        f"{all_runs}{data['executions']} executions, {data['steps']} steps in {data['elapsed_s']:.1f} s"
        f" ({data['executions_per_s']:.0f} executions/s, {data['steps_per_s']:.0f} steps/s), seed {data['seed']:#x}"
    )
    yield _what_of(data)
    if data["machines"]:
        yield "; ".join(machine_words(name, row) for name, row in data["machines"].items())
        yield f"time: {', '.join(f'{share:.0%} {account}' for account, share in data['time_share'].items())}"
    cases = data["cases"]
    yield (
        f"{cases['opened']} of {cases['known']} cases sampled, with {plural(cases['executions_min'], 'execution')}"
        f" or more each and {cases['executions_median']} in the median; {cases['never_opened']} never opened"
    )
    yield from _what_ran_natively(data)


def _what_counts(data: dict[str, Any]) -> Iterator[str]:
    """Yield whose executions count: of the newest generation, and of campaigns that were merged."""
    if data["generation"] > 1:
        before = sum(row["executions"] for row in data["generations"][:-1])
        yield (
            f"generation {data['generation']}: the code has changed and counts began anew;"
            f" {before} executions of earlier generations do not count"
        )
    if data["merged"]:
        seeds = ", ".join(f"{row['seed']:#x}" for row in data["merged"])
        yield f"merged from {plural(len(data['merged']), 'campaign')}: seeds {seeds}"


def _what_of(data: dict[str, Any]) -> str:
    """Return which scenarios, profiles and kernel the campaign has."""
    faults = f", patch {', '.join(data['patch'])}" if data["patch"] else ""
    faults += f", faults {', '.join(data['faults'])}" if data["faults"] else ""
    return (
        f"{plural(len(data['scenarios']), 'scenario')} on {plural(len(data['profiles']), 'profile')},"
        f" kernel {data['kernel']}, strategy {data['strategy']}{faults}"
    )


def _what_ran_natively(data: dict[str, Any]) -> Iterator[str]:
    """Yield how much the native core executed, and how often that was compared with Python's."""
    if data["native"]:
        unjudged = f", {data['unjudged']} unjudged" if data["unjudged"] else ""
        yield (
            f"native core: {data['native']} of these executions;"
            f" {data['compared']} made in Python too, and compared{unjudged}"
        )
        if data["compared"] and not any(failure["checker"] == NATIVE for failure in data["violations"]):
            share = min(1.0, BOUND / data["compared"])
            yield f"all compared ones are equal: with 95 % confidence less than {share:.2g} of all would differ"


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
        f"{plural(data['classes'], 'class')} of executions among {data['measured']} measured, which show"
        f" {plural(data['reads_from'], 'reads-from pair')} and {plural(data['states'], 'state')},"
        f" {len(data['pairs'])} of {len(overlaps.PAIRS)} pairs of operations overlapped,"
        f" {data['sites_reached']} sites reached, {len(data['sites_unreached'])} not,"
        f" {data['twins']['run']} executions run twice"
    )
    if data["pairs_missing"]:
        yield f"never overlapped: {overlaps.words(data['pairs_missing'])}"
    open_still = [site for site in data["sites_unreached"] if site not in data["unreachable"]]
    if 0 < len(open_still) <= UNREACHED_NAMED_MAX:
        yield f"not reached: {'; '.join(open_still)}"
    if data["unreachable"]:
        reasons = Counter(data["unreachable"].values())
        words = "; ".join(f"{reason} ({count})" for reason, count in reasons.items())
        yield f"cannot be reached here: {plural(len(data['unreachable']), 'site')}: {words}"
    if data["inconclusive"]:
        yield f"{data['inconclusive']} executions ran out of steps before a verdict"


def _what_ran(data: dict[str, Any]) -> Iterator[str]:
    """Yield how often each override of the patch ran, and where."""
    for row in data["overrides"]:
        if not row["here"]:
            yield f"override {row['method']} cannot run here: {'; '.join(dict.fromkeys(row['absent'].values()))}"
        elif not row["runs"]:
            yield f"override {row['method']} never ran"
        else:
            yield (
                f"override {row['method']} ran {row['runs']} times: on {', '.join(row['profiles'])};"
                f" in {_some(row['scenarios'], SCENARIOS_NAMED_MAX)}"
            )


def _some(names: Sequence[str], most: int) -> str:
    """Return names in words; of too many, the first, and how many more there are."""
    more = len(names) - most
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:most])} and {more} more"


def _what_was_before(data: dict[str, Any]) -> Iterator[str]:
    """Yield what has become of the failures of earlier generations."""
    for failure in data["gone"]:
        yield (
            f"gone: {_named(failure)} of generation {failure['generation']}; its trace ends clean now, and"
            f" {failure['clean']} executions of its case were clean"
        )
    for failure in data["not_seen_again"]:
        trace = {"": "was not run again", "clean": "ends clean now"}.get(
            failure["retried"], f"ends {failure['retried']} now"
        )
        yield (
            f"not seen again: {_named(failure)} of generation {failure['generation']}; its trace {trace}, and"
            f" {failure['clean']} of the {failure['clean_needed']} clean executions of its case were made"
        )


def _named(failure: dict[str, Any]) -> str:
    return f"{failure['signature']}  {failure['checker']} {failure['title']}: {failure['scenario']}"


def _what_was_found(data: dict[str, Any]) -> Iterator[str]:
    """Yield what died and what was violated."""
    for death in data["worker_deaths"]:
        held = f"{death['scenario']} on {death['profile']}, seed {death['seed']}" if death["scenario"] else "nothing"
        yield f"worker {death['worker']} {ended_words(death['exit_status'])}; it held {held}"
    for found in data["violations"]:
        new = ", new in this run" if data["sessions"] > 1 and found["signature"] in data["this_run"]["found"] else ""
        not_ours = ", the unpatched kernel's too" if found["unpatched"] else ""
        not_new = f", expected: {found['expected']}" if found["expected"] is not None else ""
        yield f"{found['count']:>8} x {_named(found)} on {', '.join(found['profiles'])}{new}{not_ours}{not_new}"
        typed = within(found["trace"] or "", data["patch"], found["scenario"], data["dir"])
        show = f"zapstress show {typed.file}{typed.more}"
        yield f"           {show if found['trace'] else 'its trace was deleted'}"
        if found["explanation"] is not None:
            yield f"           {found['explanation']['sentence']}"
    if data.get("ended") == "full":
        yield "ended because the directory is as large as --disk-mib-max allows; what was recorded is kept"


def verdict(data: dict[str, Any]) -> str:
    """Return the last line: how many signatures, and how many are the patch's own."""
    found, idle = data["violations"], never_ran(data)
    words = f"{plural(len(found), 'signature')}{_whose(data)}" if found else "no violation"
    known = len(found) - len(unexpected(data))
    words += f", {known} of them expected" if known else ""
    old = len(data["not_seen_again"])
    words += f", {old} old {'ones' if old > 1 else 'one'} not seen again" if old else ""
    if idle:
        words += f"; inconclusive: {_some(idle, OVERRIDES_NAMED_MAX)} never ran"
    words += f"; inconclusive: {missed}" if (missed := risk_missed(data)) else ""
    return words


def _whose(data: dict[str, Any]) -> str:
    """Return how many of the signatures are the patch's own; nothing where there is no patch."""
    if not data["overrides"]:
        return ""
    kinds = [found["unpatched"] for found in data["violations"]]
    words = [f"{kinds.count(False)} the patch's own"]
    words += [f"{kinds.count(True)} the unpatched kernel's too"] if True in kinds else []
    words += [f"{kinds.count(None)} not yet searched for without the patch"] if None in kinds else []
    return f": {', '.join(words)}"
