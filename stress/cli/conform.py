"""The model against the kernel that this machine runs: random programs in both, compared after
every operation.
"""

from __future__ import annotations

import argparse
import platform
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stress.cli.campaign import RESULTS, cores, directory, seed
from stress.cli.options import positive
from stress.cli.output import put, put_json
from stress.errors import CLEAN, INCONCLUSIVE, VIOLATED

if TYPE_CHECKING:
    from stress.conform.session import Outcome
    from stress.conform.worker import Setting

EXECUTIONS, SEED, LINE_SECONDS = 1000, 1, 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("--executions", type=positive, default=EXECUTIONS, metavar="N", help="programs to run (default: %(default)s)")
    add("--seed", type=seed, default=SEED, metavar="N", help="of the first program (default: %(default)s)")
    add("--kernel", metavar="VERSION|FILE.py:CLASS", help="default: the model's nearest to the running kernel")
    add(
        "--fault",
        nargs="+",
        action="extend",
        metavar="ID",
        help="plant faults in the model, whose checkers are then not heard: a difference is to be found",
    )
    add(
        "--configure-mthp",
        action="store_true",
        help="as root: switch each size of large folios on in turn (--racing: one), and put everything back",
    )
    add("--workers", type=positive, metavar="N", help="worker processes (default: the cores)")
    add(
        "--dir",
        type=directory,
        default=Path(RESULTS, "conform"),
        metavar="DIR",
        help="where programs that differ are kept (default: %(default)s)",
    )
    add(
        "--racing",
        type=positive,
        metavar="ROUNDS",
        help="race real threads this often (or --program, if it is a race); each end must be one of the model's",
    )
    add("--program", type=Path, metavar="FILE", help="run this program alone, and print it")


def run(args: argparse.Namespace) -> int:
    """Compare, and print what was compared; SIGTERM ends it in good order, as SIGINT does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        return chosen(args)
    finally:
        signal.signal(signal.SIGTERM, before)


def chosen(args: argparse.Namespace) -> int:
    """Run what is asked for: one program, races, or programs from seeds."""
    from stress.catalogue import choose, spec_of
    from stress.conform.session import Plan, exit_status, machine_profile, nearest_kernel, save, summary
    from stress.conform.session import run as compare
    from stress.conform.worker import Setting

    known = args.catalogue
    kernel = args.kernel or nearest_kernel(platform.release(), list(known.kernels()))
    faults = tuple(choose("fault", name, known.faults()) for name in args.fault or ())
    setting = Setting(machine_profile(), kernel, faults)
    if args.program:
        return run_program(args, setting)
    if args.racing:
        return run_races(args, setting)
    plan = Plan(
        setting, args.executions, args.seed, args.workers or cores(), args.configure_mthp, args.dir, spec_of(known)
    )
    outcome = compare(plan, Teller())
    save(outcome)
    put_json(summary(outcome)) if args.json else put(text(summary(outcome)))
    return exit_status(outcome)


class Teller:
    """Tells every ten seconds how far it is."""

    def __init__(self) -> None:
        self.next = time.monotonic() + LINE_SECONDS

    def __call__(self, outcome: Outcome) -> None:
        if time.monotonic() < self.next:
            return
        self.next = time.monotonic() + LINE_SECONDS
        done, tally = outcome.result.executions, outcome.result.tally
        line = f"executions={done}/{outcome.plan.executions} pages={tally.pages} retried={tally.retried} differences={len(outcome.signatures)}"
        print(line, file=sys.stderr, flush=True)


def run_races(args: argparse.Namespace, setting: Setting) -> int:
    """Race, and print what came of it."""
    from stress.conform import race_session as races

    def tell(so_far: races.Races) -> None:
        print(
            f"rounds={so_far.rounds}/{args.racing} conclusive={so_far.conclusive} unexplained={len(so_far.unexplained)}",
            file=sys.stderr,
            flush=True,
        )

    outcome = races.run(setting, args.catalogue, args.racing, args.seed, args.dir, tell, args.configure_mthp)
    return tell_races(args, races.summary(outcome))


def tell_races(args: argparse.Namespace, data: dict[str, Any]) -> int:
    """Print what came of races; return the status."""
    put_json(data) if args.json else put(races_text(data))
    return int(data["exit_status"])


def races_text(data: dict[str, Any]) -> str:
    """Return the summary of a racing run for people."""
    out = [
        f"{data['rounds']} rounds of {data['programs']} programs in {data['elapsed_s']:.1f} s: {data['exhausted_programs']} programs searched to the end"
        f" ({data['conclusive_rounds']} rounds conclusive); model {data['kernel']} on {data['profile']}, running {data['running']}",
        f"ends: {data['model_ends']} of the model's exhausted programs, {data['kernel_ends']} seen",
        f"given up: {data['given_up']}" + "".join(f", {rule}: {count}" for rule, count in data["excluded"].items()),
    ]
    for found in data["unexplained"]:
        out += [
            "",
            f"UNEXPLAINED: {found['why']}; {found['program']}{'' if found['smallest'] else ', perhaps not the smallest'}",
            found["listing"],
        ]
    return "\n".join(out)


def run_program(args: argparse.Namespace, setting: Setting) -> int:
    """Run one program that was kept; or race it, if it is one of racing mode."""
    from contextlib import ExitStack

    from stress.conform import race_session as races
    from stress.conform.comparison import Rig
    from stress.conform.linux.folio_sizes import SHMEM_ENABLED, Configured, effective
    from stress.conform.listing import listing
    from stress.conform.worker import composer
    from stress.errors import UsageError
    from stress.programs.program import load

    program = load(args.program)
    with ExitStack() as stack:
        if args.configure_mthp:
            stack.enter_context(Configured()).set(program.orders, program.shmem_orders)
        elif (program.orders and program.orders != effective()) or not set(program.shmem_orders) <= set(
            effective(SHMEM_ENABLED)
        ):
            raise UsageError(f"{args.program}: wants folio sizes on that are off now; add --configure-mthp, as root")
        if program.race:
            outcome = races.run_program(setting, args.catalogue, program, args.racing or races.ROUNDS_EACH, args.dir)
            return tell_races(args, races.summary(outcome))
        rig = stack.enter_context(Rig(*composer(args.catalogue, setting), blind=bool(setting.faults)))
        found = rig.check(program)
    shown = listing(program, found)
    differences = [str(difference) for difference in found.differences] if found else []
    put_json({"listing": shown, "differences": differences, "kernel": setting.kernel}) if args.json else put(shown)
    return VIOLATED if found else INCONCLUSIVE if rig.tally.given_up else CLEAN


def text(data: dict[str, Any]) -> str:
    """Return the summary for people."""
    out = [
        f"{data['executions']} programs, {data['operations']} operations, {data['pages']} pages compared in {data['elapsed_s']:.1f} s"
        f" ({data['executions_per_s']:.0f} programs/s): model {data['kernel']} on {data['profile']}, running {data['running']}",
        "folio sizes (kB): " + ", ".join(f"{sizes}: {count}" for sizes, count in data["sizes_kb"].items()),
        f"run again: {data['retried']}, given up: {data['given_up']}"
        + "".join(f", {rule}: {count}" for rule, count in data["excluded"].items()),
    ]
    for found in data["differences"]:
        out += [
            "",
            f"DIFFERENCE: {found['signature']} ({found['count']} programs, again {found['reproduced']}"
            f"{'' if found['smallest'] else ', perhaps not the smallest'}); {found['program']}",
            found["listing"],
        ]
    return "\n".join(out)
