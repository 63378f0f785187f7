"""A campaign's summary, read from its results directory (docs/file-formats.md has the fields)."""

from __future__ import annotations

import json
from typing import Any

from stress.campaign.store import Store
from stress.parallel.settings import PROCESSES

UNREACHED_NAMED_MAX = 5
"""Unreached sites that the summary for people names; of more it gives the number."""


def summary(store: Store, sites: list[str]) -> dict[str, Any]:
    """Return the summary as plain data; ``sites`` are the names of all sites that the workers know."""
    one = store.db.execute
    settings = store.settings()
    executions, steps, inconclusive = one(
        "SELECT TOTAL(executions), TOTAL(steps), TOTAL(inconclusive) FROM counters"
    ).fetchone()
    elapsed, sessions = one("SELECT TOTAL(elapsed_s), COUNT(*) FROM sessions").fetchone()
    reached = {row[0] for row in one("SELECT DISTINCT site FROM visits")}
    return {
        "executions": int(executions),
        "steps": int(steps),
        "inconclusive": int(inconclusive),
        "elapsed_s": round(elapsed, 3),
        "executions_per_s": round(executions / elapsed, 1) if elapsed else 0.0,
        "steps_per_s": round(steps / elapsed, 1) if elapsed else 0.0,
        **{
            name: settings[name]
            for name in ("seed", "scenarios", "profiles", "geometry", "strategy", "machine", "kernel", "faults")
        },
        "machines": machines(store),
        "violations": violations(store),
        "cells": cells(store),
        "pairs": {
            f"{first} / {second}": count
            for first, second, count in one("SELECT first, second, count FROM pairs ORDER BY count DESC, first, second")
        },
        "conflicts": one("SELECT COUNT(*) FROM conflicts").fetchone()[0],
        "distinct_schedules": store.sketch.estimate(),
        "sites_reached": len(reached),
        "sites_unreached": sorted(set(sites) - reached),
        "twins": dict(
            zip(
                ("run", "differing"),
                one("SELECT COUNT(*), COUNT(*) FILTER (WHERE NOT same) FROM twins").fetchone(),
                strict=True,
            )
        ),
        "worker_deaths": deaths(store),
        "unrecorded": unrecorded(store),
        "sessions": sessions,
        "dir": str(store.directory),
    }


def machines(store: Store) -> dict[str, dict[str, float]]:
    """Return what each machine has done. ``share`` is of the workers' time."""
    found: dict[str, dict[str, float]] = {}
    total = store.db.execute("SELECT TOTAL(busy_s) FROM counters").fetchone()[0]
    rows = store.db.execute(
        "SELECT strategy = 'parallel', TOTAL(executions), TOTAL(steps), TOTAL(busy_s) FROM counters GROUP BY strategy = 'parallel'"
    )
    for together, executions, steps, busy in rows:
        found["parallel" if together else "lockstep"] = {
            "executions": int(executions),
            "steps": int(steps),
            "share": round(busy / total, 3) if total else 0.0,
        }
    steps, switches, pauses = store.db.execute(
        "SELECT TOTAL(steps), TOTAL(switches), TOTAL(pauses) FROM together"
    ).fetchone()
    if "parallel" in found:
        found["parallel"] |= {
            "processes": PROCESSES,
            "switches_per_1000_steps": round(1000 * switches / steps, 1) if steps else 0.0,
            "pauses": int(pauses),
        }
    return found


def violations(store: Store) -> list[dict[str, Any]]:
    """Return one object per signature, the most frequent first."""
    rows = store.db.execute(
        "SELECT signature, checker, scenario, profile, seed, (SELECT SUM(count) FROM failure_cases c WHERE c.signature = f.signature) AS n,"
        " trace, kind, title, strategy FROM failures f ORDER BY n DESC, signature"
    )
    names = ("signature", "checker", "scenario", "profile", "seed", "count", "trace", "kind", "title", "strategy")
    found = [dict(zip(names, row, strict=True)) for row in rows]
    for failure in found:
        failure["trace"] = str(store.directory / failure["trace"]) if failure["trace"] else None
        failure["profiles"] = dict(
            store.db.execute(
                "SELECT profile, SUM(count) FROM failure_cases JOIN cases ON id = case_id WHERE signature = ? GROUP BY profile",
                (failure["signature"],),
            )
        )
    return found


def cells(store: Store) -> dict[str, dict[str, int]]:
    """Return the executions per scenario and profile, also those that are none."""
    rows = store.db.execute(
        "SELECT scenario, profile, TOTAL(executions) FROM cases LEFT JOIN counters ON case_id = id GROUP BY scenario, profile ORDER BY scenario, profile"
    )
    found: dict[str, dict[str, int]] = {}
    for scenario, profile, executions in rows:
        found.setdefault(scenario, {})[profile] = int(executions)
    return found


def deaths(store: Store) -> list[dict[str, Any]]:
    """Return the workers that died, with what each was running."""
    rows = store.db.execute(
        "SELECT worker, pid, scenario, profile, geometry, params, seed, exit_status, unrecorded FROM deaths"
        " LEFT JOIN cases c ON c.id = case_id ORDER BY deaths.id"
    )
    names = ("worker", "pid", "scenario", "profile", "geometry", "params", "seed", "exit_status", "unrecorded")
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return [death | {"params": json.loads(death["params"] or "null")} for death in found]


def unrecorded(store: Store) -> int:
    """Return the seeds of torn leases that are not accounted for: perhaps run, never run again."""
    return int(store.db.execute("SELECT TOTAL(count - done) FROM leases WHERE state = 'torn'").fetchone()[0])


def machine_words(name: str, row: dict[str, float]) -> str:
    """Return what a machine has done, in words."""
    words = f"{name}: {row['executions']} executions, {row['share']:.0%} of the time"
    if name == "parallel":
        words += f", {row['processes']} processes, {row['switches_per_1000_steps']:.0f} switches between them per 1,000 steps, {row['pauses']} audits at rest"
    return words


def text(data: dict[str, Any]) -> str:
    """Return the summary for people."""
    lines = [
        f"{data['executions']} executions, {data['steps']} steps in {data['elapsed_s']:.1f} s"
        f" ({data['executions_per_s']:.0f} executions/s, {data['steps_per_s']:.0f} steps/s), seed {data['seed']:#x}",
        f"{len(data['scenarios'])} scenarios on {len(data['profiles'])} profiles, kernel {data['kernel']}, strategy {data['strategy']}"
        + (f", faults {', '.join(data['faults'])}" if data["faults"] else ""),
        "; ".join(machine_words(name, row) for name, row in data["machines"].items()),
        f"{data['distinct_schedules']} distinct schedules, {len(data['pairs'])} pairs of operations overlapped, {data['sites_reached']} sites reached,"
        f" {len(data['sites_unreached'])} not, {data['twins']['run']} executions run twice",
    ]
    if 0 < len(data["sites_unreached"]) <= UNREACHED_NAMED_MAX:
        lines.append(f"not reached: {'; '.join(data['sites_unreached'])}")
    if data["inconclusive"]:
        lines.append(f"{data['inconclusive']} executions ran out of steps before a verdict")
    for death in data["worker_deaths"]:
        held = f"{death['scenario']} on {death['profile']}, seed {death['seed']}" if death["scenario"] else "nothing"
        lines.append(f"worker {death['worker']} died with status {death['exit_status']}; it held {held}")
    for found in data["violations"]:
        lines.append(
            f"{found['count']:>8} x {found['signature']}  {found['checker']} {found['title']}: {found['scenario']} on {', '.join(found['profiles'])}"
        )
        if found["trace"]:
            lines.append(f"           zapstress show {found['trace']}")
    lines.append("no violation" if not data["violations"] else f"{len(data['violations'])} signatures")
    return "\n".join(lines)
