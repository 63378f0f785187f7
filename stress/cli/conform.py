"""The model against the kernel that this machine runs: random programs in both, compared after
every operation.
"""

from __future__ import annotations

import argparse
import platform
import signal
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stress.cli.exports import export, export_options
from stress.cli.options import cores, directory_option, kernel_options, names_option, positive, seed, workers_option
from stress.cli.verdicts import never_ran
from stress.errors import CLEAN, INCONCLUSIVE, INTERRUPTED, VIOLATED
from stress.output import put, put_json, tell

if TYPE_CHECKING:
    from stress.conform.model.spec import ModelSpec
    from stress.conform.race_session import Races
    from stress.conform.session import SessionResult
    from stress.programs.program import Program

EXECUTIONS, SEED = 1000, 1
"""Of a run that is given none."""

LINE_SECONDS = 10.0
"""From one line on standard error to the next."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("--executions", type=positive, default=EXECUTIONS, metavar="N", help="programs to run (default: %(default)s)")
    add("--seed", type=seed, default=SEED, metavar="N", help="of the first program (default: %(default)s)")
    kernel_options(parser, None, "default: the model's nearest to the running kernel")
    names_option(
        parser,
        "--fault",
        "ID",
        "plant faults in the model, whose checkers are then not heard: a difference is to be found",
    )
    workers_option(parser)
    directory_option(parser, "conform", "where programs that differ are kept")
    export_options(parser)
    mode_options(parser)


def mode_options(parser: argparse.ArgumentParser) -> None:
    """Declare what is run in place of programs from seeds, and whether folio sizes are set."""
    parser.add_argument(
        "--racing",
        type=positive,
        metavar="ROUNDS",
        help="race real threads this often (or --program, if it is a race); each end must be one of the model's",
    )
    parser.add_argument("--program", type=Path, metavar="FILE", help="run this program alone, and print it")
    parser.add_argument(
        "--configure-mthp",
        action="store_true",
        help="as root: switch each size of large folios on in turn (--racing: one), and put everything back",
    )


def run(args: argparse.Namespace) -> int:
    """Compare, and print what was compared; SIGTERM ends the run as SIGINT does, with a summary."""

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
    from stress.conform.model.spec import ModelSpec, machine_profile, nearest_kernel
    from stress.conform.session import Request, save, summary
    from stress.conform.session import run as compare
    from stress.patch.guard import blaming

    known = args.catalogue
    kernel = args.kernel or nearest_kernel(platform.release(), list(known.kernels()))
    faults = tuple(choose("fault", name, known.faults()) for name in args.fault or ())
    model = ModelSpec(machine_profile(), kernel, faults, tuple(args.patch))
    if args.program or args.racing:
        with blaming(known.patch(model.patch, [(model.profile, model.kernel)])):
            return run_program(args, model) if args.program else run_races(args, model)
    request = Request(
        model, args.executions, args.seed, args.workers or cores(), args.configure_mthp, args.dir, spec_of(known)
    )
    result = compare(request, ProgressLine())
    save(result)
    data = of_patch(summary(result), args, model)
    put_json(data) if args.json else put(text(data))
    export_conform(args, data)
    return int(data["exit_status"])


def of_patch(data: dict[str, Any], args: argparse.Namespace, model: ModelSpec) -> dict[str, Any]:
    """Return a summary with the overrides of the patch that never ran: a comparison in which
    nothing differs says nothing of them.
    """
    idle = args.catalogue.never_ran(model.patch, (model.profile,), model.kernel, data["override_runs"])
    return data | {"never_ran": idle, "exit_status": data["exit_status"] or (INCONCLUSIVE if idle else CLEAN)}


def export_conform(args: argparse.Namespace, data: dict[str, Any]) -> None:
    """Write the files for CI that the options name."""
    from stress.campaign.report.suites import conform_suite

    export(args, lambda: conform_suite(data))


class ProgressLine:
    """Prints every LINE_SECONDS how far the run is."""

    def __init__(self) -> None:
        self.next = time.monotonic() + LINE_SECONDS

    def __call__(self, result: SessionResult) -> None:
        if time.monotonic() < self.next:
            return
        self.next = time.monotonic() + LINE_SECONDS
        done, counts = result.batches.executions, result.batches.counts
        line = f"executions={done}/{result.request.executions} pages={counts.pages} retried={counts.retried}"
        tell(f"{line} differences={len(result.signatures)}")


def run_races(args: argparse.Namespace, model: ModelSpec) -> int:
    """Race, and print what came of it."""
    from stress.conform.race_session import run as race
    from stress.conform.race_session import summary

    def progress(so_far: Races) -> None:
        line = f"rounds={so_far.rounds}/{args.racing} conclusive={so_far.conclusive}"
        tell(f"{line} unexplained={len(so_far.unexplained)}")

    races = race(model, args.catalogue, args.racing, args.seed, args.dir, progress, args.configure_mthp)
    return put_races(args, of_patch(summary(races), args, model))


def put_races(args: argparse.Namespace, data: dict[str, Any]) -> int:
    """Print what came of races; return the exit status."""
    put_json(data) if args.json else put(races_text(data))
    export_conform(args, data)
    return int(data["exit_status"])


def races_text(data: dict[str, Any]) -> str:
    """Return the summary of a racing run for people."""
    out = [
        f"{data['rounds']} rounds of {data['programs']} programs in {data['elapsed_s']:.1f} s:"
        f" {data['exhausted_programs']} programs searched to the end ({data['conclusive_rounds']} rounds conclusive);"
        f" {compared(data)}",
        f"ends: {data['model_ends']} of the model's exhausted programs, {data['kernel_ends']} seen",
        f"given up: {data['given_up']}{by_rule(data)}",
    ]
    for found in data["unexplained"]:
        smallest = "" if found["smallest"] else ", perhaps not the smallest"
        out += ["", f"UNEXPLAINED: {found['why']}; {found['program']}{smallest}", found["listing"]]
    return "\n".join([*out, last_line(data, races_verdict(data["exit_status"]))])


def last_line(data: dict[str, Any], words: str) -> str:
    """Return the last line of a run for people: ``words``, unless nothing is known of overrides of
    the patch.
    """
    idle = data["never_ran"] if data["exit_status"] == INCONCLUSIVE else []
    return f"no difference; inconclusive: {never_ran(idle)}" if idle else words


def races_verdict(status: int) -> str:
    """Return the last line of a racing run for people."""
    return {
        CLEAN: "every end is one of the model's",
        VIOLATED: "some ends are none of the model's",
        INCONCLUSIVE: "no end is unexplained, but not every program was searched to the end: inconclusive",
        INTERRUPTED: "interrupted; what was compared until then is above",
    }[status]


def run_program(args: argparse.Namespace, model: ModelSpec) -> int:
    """Run one program that was kept; or race it, if it is a racing program."""
    from stress.conform.race_session import ROUNDS_EACH, summary
    from stress.conform.race_session import run_program as race
    from stress.programs.file import load

    program = load(args.program)
    with folio_sizes(args, program):
        if program.race:
            races = race(model, args.catalogue, program, args.racing or ROUNDS_EACH, args.dir)
            return put_races(args, of_patch(summary(races), args, model))
        return check_program(args, model, program)


def folio_sizes(args: argparse.Namespace, program: Program) -> AbstractContextManager[object]:
    """Return a block in which the sizes that a program wants are on. Raises UsageError if they are
    off and are not to be configured.
    """
    from stress.conform.linux.folio_sizes import SHMEM_ENABLED, ConfiguredSizes, effective
    from stress.errors import UsageError

    if args.configure_mthp:
        sizes = ConfiguredSizes()
        sizes.set(program.orders, program.shmem_orders)
        return sizes
    anon, shmem = program.orders and program.orders != effective(), set(program.shmem_orders)
    if anon or not shmem <= set(effective(SHMEM_ENABLED)):
        raise UsageError(f"{args.program}: wants folio sizes on that are off now; add --configure-mthp, as root")
    return nullcontext()


def check_program(args: argparse.Namespace, model: ModelSpec, program: Program) -> int:
    """Run one program on both sides and print it, with what differs; return the exit status."""
    from stress.campaign.report.suites import program_suite
    from stress.conform.comparison import Rig
    from stress.conform.listing import listing
    from stress.conform.model.spec import composer

    with Rig(*composer(args.catalogue, model), blind=bool(model.faults)) as rig:
        found = rig.check(program)
    shown = listing(program, found)
    differences = [str(difference) for difference in found.differences] if found else []
    status = VIOLATED if found else INCONCLUSIVE if rig.counts.given_up else CLEAN
    data: dict[str, Any] = {"listing": shown, "differences": differences, "kernel": model.kernel, "exit_status": status}
    data = of_patch(data | {"override_runs": dict(rig.counts.override_runs)}, args, model)
    put_json(data) if args.json else put(f"{shown}\n{last_line(data, verdict(data['exit_status'], 1))}")
    export(args, lambda: program_suite(data))
    return int(data["exit_status"])


def verdict(status: int, programs: int) -> str:
    """Return the last line of a run for people."""
    what = "the program" if programs == 1 else f"{programs} programs"
    return {
        CLEAN: f"no difference: {what} did the same on both sides",
        VIOLATED: "the model and the running kernel differ",
        INCONCLUSIVE: "no difference, but some runs were set aside and none was left to compare: inconclusive",
        INTERRUPTED: "interrupted; what was compared until then is above",
    }[status]


def text(data: dict[str, Any]) -> str:
    """Return the summary for people."""
    out = [
        f"{data['executions']} programs, {data['operations']} operations, {data['pages']} pages compared"
        f" in {data['elapsed_s']:.1f} s ({data['executions_per_s']:.0f} programs/s): {compared(data)}",
        "folio sizes (kB): " + ", ".join(f"{sizes}: {count}" for sizes, count in data["sizes_kb"].items()),
        f"run again: {data['retried']}, given up: {data['given_up']}{by_rule(data)}",
    ]
    for found in data["differences"]:
        again = f"{found['count']} programs, again {found['reproduced']}"
        smallest = "" if found["smallest"] else ", perhaps not the smallest"
        out += ["", f"DIFFERENCE: {found['signature']} ({again}{smallest}); {found['program']}", found["listing"]]
    return "\n".join([*out, last_line(data, verdict(data["exit_status"], data["executions"]))])


def compared(data: dict[str, Any]) -> str:
    """Return which model was compared with which kernel."""
    return f"model {data['kernel']} on {data['profile']}, running {data['running']}"


def by_rule(data: dict[str, Any]) -> str:
    """Return how many runs were set aside, by rule."""
    return "".join(f", {rule}: {count}" for rule, count in data["excluded"].items())
