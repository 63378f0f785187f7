"""Measure how fast steps, executions and campaigns are; how fast strategies find planted faults;
whether what campaigns say of the rest is true; or how long the model itself takes to tear memory
down, beside the running kernel.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from stress.bench.zap import OPERATIONS
from stress.case import DEFAULT_KERNEL
from stress.cli.options import kernel_options, names_option, positive, seed
from stress.errors import CLEAN, INCONCLUSIVE, UsageError
from stress.output import put, put_json

SECONDS, SECONDS_MAX = 1.0, 3600
SEEDS, EXECUTIONS = 15, 10_000
CAMPAIGNS, MEASURED = 1_000, 1_024
SIZE_UNITS = {"K": 10, "M": 20, "G": 30}


def size(text: str) -> int:
    """Parse a size as 64M or 1G; a bare number is bytes."""
    number, shift = (text[:-1], SIZE_UNITS[text[-1]]) if text[-1:] in SIZE_UNITS else (text, 0)
    try:
        value = int(number) << shift
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size as 64M or 1G") from None
    if not 1 << 16 <= value <= 64 << 30:
        raise argparse.ArgumentTypeError(f"{text} is not a size from 64K to 64G")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    about = (
        "steps: rates of steps, executions and campaigns; search: executions and seconds to each planted fault that "
        "needs a schedule, per strategy; risk: how often the bound on the chance of a new class holds, and how large "
        "it is beside the true chance, in short campaigns of proved spaces; zap: times and counts of teardown, for "
        "each folio size"
    )
    add("what", choices=("steps", "search", "risk", "zap"), help=about)
    add("--profile", default="x86-64", metavar="NAME", help="default: %(default)s")
    kernel_options(parser, None, "the kernel version (default: 6.9; zap: all versions)")
    about = "steps: the smallest and the largest of these (default: of all); risk: the spaces (default: six small ones)"
    names_option(parser, "--scenario", "NAME", about)
    add("--seconds", type=float, default=SECONDS, metavar="S", help="steps: per measurement (default: %(default)s)")
    names_option(parser, "--fault", "ID", "search: only these faults (default: all of depth 2 and more)")
    add("--seeds", type=positive, default=SEEDS, metavar="N", help="search: searches of each (default: %(default)s)")
    about = (
        f"search: after which one is given up (default: {EXECUTIONS}); "
        f"risk: measured ones of the longest campaign, the shortest has half as many (default: {MEASURED})"
    )
    add("--executions", type=positive, metavar="N", help=about)
    add("--campaigns", type=positive, default=CAMPAIGNS, metavar="N", help="risk: in all spaces (default: %(default)s)")
    add("--seed", type=seed, default=1, metavar="N", help="risk: of the campaigns (default: %(default)s)")
    add("--operation", choices=OPERATIONS, default=OPERATIONS[0], help="zap: what is done (default: %(default)s)")
    add("--size", type=size, default=1 << 30, metavar="SIZE", help="zap: memory, as 64M or 64G (default: 1G)")
    add("--configure-mthp", action="store_true", help="zap: set the running kernel's folio sizes; put them back")
    add("--picture", type=Path, metavar="FILE.svg", help="zap: draw the table there")


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    return {"steps": steps, "search": search, "risk": risk, "zap": zap}[args.what](args)


def search(args: argparse.Namespace) -> int:
    """Search for planted faults; print the table."""
    from stress.bench.search import bench_search, faults_of_depth
    from stress.bench.search import text as table
    from stress.machine.driver import run_plain

    faults = faults_of_depth(args.fault or (), args.catalogue)
    data = run_plain(bench_search(faults, args.seeds, args.executions or EXECUTIONS, args.catalogue))
    put_json(data) if args.json else put(table(data))
    return CLEAN


def risk(args: argparse.Namespace) -> int:
    """Make many short campaigns; print how what they say compares with the truth."""
    from stress.bench.risk import SPACES, Experiment, bench_risk, spaces
    from stress.bench.risk import text as table
    from stress.machine.driver import run_plain

    names = [args.catalogue.choose_scenario(name) for name in args.scenario or SPACES]
    cases = spaces(names, args.profile, args.kernel or DEFAULT_KERNEL, tuple(args.patch), args.catalogue)
    experiment = Experiment(args.campaigns, args.executions or MEASURED, args.seed)
    data = run_plain(
        bench_risk(cases, experiment, args.catalogue, lambda words: print(words, file=sys.stderr, flush=True))
    )
    put_json(data) if args.json else put(table(data))
    return CLEAN if data["good"] else INCONCLUSIVE


def zap(args: argparse.Namespace) -> int:
    """Measure teardown; print the table, and draw it."""
    from stress.bench.zap.measure import BATCHED, PERPAGE, Teardown, bench_zap
    from stress.bench.zap.page import text as page
    from stress.bench.zap.picture import drawn
    from stress.native.translate.subset import Unsupported

    known = args.catalogue.kernels()
    if args.kernel is not None and args.kernel not in known:
        raise UsageError(f"unknown kernel version {args.kernel!r}: use one of {', '.join(known)}")
    kernels = tuple(dict.fromkeys((PERPAGE, BATCHED, args.kernel) if args.kernel else (PERPAGE, BATCHED, *known)))
    selection = Teardown(
        args.operation, args.size, args.profile, kernels, args.kernel or BATCHED, tuple(args.patch), args.configure_mthp
    )
    if args.picture:
        _check_picture(args.picture, args.profile)
    try:
        data = bench_zap(selection, args.catalogue, lambda words: print(words, file=sys.stderr, flush=True))
    except Unsupported as error:
        raise UsageError(f"the kernel cannot be translated: {error}") from None
    if args.picture:
        args.picture.write_text(drawn(data), encoding="utf-8")
    put_json(data) if args.json else put(page(data))
    return CLEAN


def _check_picture(path: Path, profile: str) -> None:
    """Raise UsageError, before anything is measured, if there will be no picture."""
    from stress.bench.zap.measure import TIMED

    if profile != TIMED:
        raise UsageError(f"--picture draws times, and {profile} has none: times are of {TIMED} alone")
    if path.is_dir():
        raise UsageError(f"--picture: {path} is a folder; name a file")
    if not path.parent.is_dir():
        raise UsageError(f"--picture: {path} cannot be written, as there is no folder {path.parent}; make it first")


def steps(args: argparse.Namespace) -> int:
    """Measure rates of steps."""
    if not 0 < args.seconds <= SECONDS_MAX:
        raise UsageError(f"--seconds is a number of seconds from 0 to {SECONDS_MAX}")
    from stress.bench.steps import Selection, bench_steps
    from stress.catalogue import spec_of

    known = args.catalogue.scenarios()
    scenarios = tuple(args.catalogue.choose_scenario(name) for name in args.scenario or known)
    selection = Selection(scenarios, args.profile, args.kernel or DEFAULT_KERNEL, tuple(args.patch), args.seconds)
    data = bench_steps(selection, args.catalogue, spec_of(args.catalogue))
    put_json(data) if args.json else put(text(data))
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
