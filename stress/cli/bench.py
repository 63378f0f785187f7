"""Measure how fast steps, executions and campaigns are, beside trio's own hand-over; or how fast
strategies find planted faults.
"""

from __future__ import annotations

import argparse
from typing import Any

from stress.case import DEFAULT_KERNEL
from stress.cli.options import kernel_options, names_option, positive
from stress.errors import CLEAN, UsageError
from stress.output import put, put_json

SECONDS, SECONDS_MAX = 1.0, 3600

SEEDS, EXECUTIONS = 15, 10_000
"""Of ``search``."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add(
        "what",
        choices=("steps", "search"),
        help="steps: rates of steps, executions and campaigns; search: executions and seconds to each planted fault "
        "that needs a schedule, per strategy",
    )
    add("--profile", default="x86-64", metavar="NAME", help="default: %(default)s")
    names_option(parser, "--scenario", "NAME", "the smallest and the largest of these (default: of all)")
    kernel_options(parser, DEFAULT_KERNEL, "default: %(default)s")
    add("--seconds", type=float, default=SECONDS, metavar="S", help="per measurement (default: %(default)s)")
    names_option(parser, "--fault", "ID", "search: only these faults (default: all of depth 2 and more)")
    add("--seeds", type=positive, default=SEEDS, metavar="N", help="search: searches of each (default: %(default)s)")
    add(
        "--executions",
        type=positive,
        default=EXECUTIONS,
        metavar="N",
        help="search: after which one is given up (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    if args.what == "search":
        return run_search(args)
    if not 0 < args.seconds <= SECONDS_MAX:
        raise UsageError(f"--seconds is a number of seconds from 0 to {SECONDS_MAX}")
    from stress.bench.steps import Selection, bench_steps
    from stress.catalogue import spec_of

    known = args.catalogue.scenarios()
    scenarios = tuple(args.catalogue.choose_scenario(name) for name in args.scenario or known)
    selection = Selection(scenarios, args.profile, args.kernel, tuple(args.patch), args.seconds)
    data = bench_steps(selection, args.catalogue, spec_of(args.catalogue))
    put_json(data) if args.json else put(text(data))
    return CLEAN


def run_search(args: argparse.Namespace) -> int:
    """Search for the faults and print the table."""
    from stress.bench.search import bench_search, faults_of_depth
    from stress.bench.search import text as table
    from stress.machine.driver import run_plain

    faults = faults_of_depth(args.fault or (), args.catalogue)
    data = run_plain(bench_search(faults, args.seeds, args.executions, args.catalogue))
    put_json(data) if args.json else put(table(data))
    return CLEAN


def text(data: dict[str, Any]) -> str:
    """Return the measurements for people."""
    out = []
    for which in ("smallest", "largest"):
        row = data[which]
        params = " ".join(f"{name}={value}" for name, value in row["params"].items())
        out.append(f"{which}: {row['scenario']} {params} on {row['profile']}, {row['actors']} actors")
        out.append(f"  {'ring':<7} {row['ring_handovers_per_s']:>10,} hand-overs/s of bare trio tasks")
        for name in ("random", "pct"):
            rates = row[name]
            out.append(
                f"  {name:<7} {rates['steps_per_s']:>10,} steps/s = {rates['times_ring']:.2f} x the ring"
                f" ({rates['times_ring_without_audit']:.2f} without the final audit),"
                f" {rates['executions_per_s']:>9,.0f} executions/s of {rates['steps_per_execution']:.0f} steps"
            )
    if data["parallel"]:
        from stress.bench.parallel import text as parallel_text

        out.append(parallel_text(data["parallel"]))
    from stress.bench.native import text as native_text

    out.append(native_text(data))
    campaign = data["campaign"]
    rates = ", ".join(
        f"{row['workers']} worker{'s' * (row['workers'] > 1)} {row['executions_per_s']:,.0f} executions/s"
        for row in campaign["rates"]
    )
    out.append(f"campaign of {campaign['scenario']}: {rates}: {campaign['two_over_one']:.2f} x")
    return "\n".join(out)
