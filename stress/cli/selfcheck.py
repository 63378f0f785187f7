"""Plant every fault on every profile: the checkers must find it, and find nothing in the clean
kernel. With ``--patches``: search for each patch that has a mistake in it.
"""

from __future__ import annotations

import argparse
from statistics import median
from typing import TYPE_CHECKING, Any

import trio

from stress.case import DEFAULT_KERNEL
from stress.cli.exports import export, export_options
from stress.cli.options import (
    cores,
    directory_option,
    duration,
    kernel_options,
    names_option,
    positive,
    seed,
    selection_options,
)
from stress.cli.verdicts import never_ran
from stress.errors import INCONCLUSIVE, UsageError
from stress.fault import kernels_of
from stress.output import put, put_json, tell

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.selfcheck.faults import Selfcheck

LINE_SECONDS = 10.0

SEED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    names_option(parser, "--fault", "ID", "only these faults (default: all)")
    add("--patches", nargs="*", metavar="NAME", help="search for the patches of scenarios/patches, or for these")
    selection_options(parser)
    kernel_options(parser, None, f"default: {DEFAULT_KERNEL}, or the first version that a fault is for")
    add("--executions", type=positive, metavar="N", help="per cell (default: 50000 to find, 2000 to be silent)")
    add("--duration", type=duration, metavar="TIME", help="for each patch, unless --executions is given (default: 60s)")
    add("--seeds", type=positive, default=1, metavar="N", help="searches of each cell that is to be found; medians")
    add("--shrink", type=duration, metavar="TIME", help="shrink each find for so long, and explain it for as long")
    add("--table", action="store_true", help="print the table of docs/faults.md")
    add("--seed", type=seed, default=SEED, metavar="N", help="default: %(default)s")
    add(
        "--workers",
        type=positive,
        metavar="N",
        help="worker processes (default: the cores; for patches 1, as what is measured is one worker's search)",
    )
    directory_option(parser, "selfcheck", "where the traces go")
    export_options(parser)


def run(args: argparse.Namespace) -> int:
    """Fill the matrix and print it, or try the patches."""
    known, chosen = args.catalogue, {}
    chosen["scenarios"] = tuple(map(known.choose_scenario, args.scenario or known.scenarios()))
    for kind in ("fault", "profile"):
        chosen[f"{kind}s"] = choices(known, f"{kind}s", kind, getattr(args, kind))
    if args.patches is not None:
        from stress.cli.trials import run_patches

        return run_patches(
            args, choices(known, "patches", "patch", args.patches), chosen["scenarios"], chosen["profiles"]
        )
    return run_faults(args, chosen)


def run_faults(args: argparse.Namespace, chosen: dict[str, tuple[str, ...]]) -> int:
    """Fill the matrix of the faults and profiles that are chosen, and print it."""
    from stress.campaign.report.suites import selfcheck_suite
    from stress.catalogue import choose, spec_of
    from stress.selfcheck.faults import Selfcheck, matrix, run_selfcheck

    known = args.catalogue
    if args.duration is not None:
        raise UsageError("--duration is for --patches: a cell of a fault ends by its executions")
    if not chosen["faults"]:
        raise UsageError("there are no faults to plant")
    kernel = choose("kernel", args.kernel or DEFAULT_KERNEL, known.kernels())
    known.check_patch(tuple(args.patch), chosen["profiles"], kernel)
    faults = faults_of(known, args.kernel, chosen["faults"], bool(args.fault)) if args.kernel else chosen["faults"]
    cells = matrix(faults, chosen["profiles"], args.executions, known, args.seeds, args.kernel)
    check = Selfcheck(
        cells,
        chosen["scenarios"],
        args.workers or cores(),
        args.seed,
        args.dir,
        spec_of(known),
        kernel,
        tuple(args.patch),
        args.shrink or 0.0,
    )
    most = sum(cell.budget for cell in cells)
    tell(f"selfcheck of {len(cells)} cells, {most} executions at most; how long it takes is told as it goes")
    data = run_selfcheck(check, lines)
    put_json(data) if args.json else put(table(data, known) if args.table else text(data))
    export(args, lambda: selfcheck_suite(data, complaints(data)))
    return int(data["exit_status"])


def faults_of(known: Catalogue, kernel: str, faults: tuple[str, ...], named: bool) -> tuple[str, ...]:
    """Return those of ``faults`` that ``kernel`` can have. Raises UsageError if one that was
    ``named`` is for other versions.
    """
    if named:
        return tuple(name for name in faults if known.fault_for(name, kernel))
    return tuple(name for name in faults if kernel in (kernels_of(known.fault_class(name)) or (kernel,)))


def choices(known: Catalogue, kind: str, one: str, given: list[str] | None) -> tuple[str, ...]:
    """Return the names given of a kind, each of which must exist, or all there are; ``one`` is what
    a single thing of the kind is called.
    """
    from stress.catalogue import choose

    names = known.list(kind)
    return tuple(choose(one, name, names) for name in given) if given else tuple(names)


async def lines(check: Selfcheck) -> None:
    """Print every LINE_SECONDS how far the run is."""
    while True:
        await trio.sleep(LINE_SECONDS)
        left = sum(not cell.over for cell in check.cells)
        found = sum(cell.found for cell in check.cells)
        executions = sum(cell.executions for cell in check.cells)
        seconds = check.left_s()
        about = "-" if seconds is None else f"{seconds:.0f}"
        tell(f"cells={len(check.cells)} left={left} found={found} executions={executions} left_s={about}")


def text(data: dict[str, Any]) -> str:
    """Return the matrix for people.

    A cell has the executions that it took to find the fault, or "silent". A cell that is not as
    expected is in capitals, and explained below the matrix.
    """
    from stress.selfcheck.faults import CLEAN_KERNEL

    cells = {(cell["fault"], cell["profile"]): cell for cell in data["cells"]}
    width = max(map(len, data["profiles"])) + 2
    out = ["fault " + "".join(profile.rjust(width) for profile in data["profiles"])]
    for fault in (CLEAN_KERNEL, *data["faults"]):
        out.append(fault.ljust(6) + "".join(word(cells[fault, profile]).rjust(width) for profile in data["profiles"]))
    out += ["", *forms(data)]
    out += [f"{fault} on {profile}: {words}" for (fault, profile), words in complaints(data).items()]
    judged = "interrupted" if data["interrupted"] else "as expected" if data["ok"] else "NOT as expected"
    unknown = f"; inconclusive: {never_ran(data['never_ran'])}" if data["exit_status"] == INCONCLUSIVE else ""
    last = f"{data['executions']} executions in {data['elapsed_s']:.1f} s; {judged}; traces in {data['dir']}"
    out.append(last + (unknown if data["never_ran"] else ""))
    return "\n".join(out)


def table(data: dict[str, Any], known: Catalogue) -> str:
    """Return the table of docs/faults.md: a row for each fault, with the checkers that find it, and
    for each profile executions, seconds, and the steps of the smallest form if it was looked for.
    """
    cells = {(cell["fault"], cell["profile"]): cell for cell in data["cells"]}
    names = data["profiles"]
    out = [f"| fault | what is wrong | depth | found by | {' | '.join(names)} |", "|---" * (4 + len(names)) + "|"]
    for fault in data["faults"]:
        row = [cells[fault, profile] for profile in names]
        checkers = ", ".join(dict.fromkeys(cell["checker"] for cell in row if cell["found"]))
        depth = getattr(known.fault_class(fault), "depth", 0)
        shown = [shown_in_table(cell) for cell in row]
        out.append(f"| {fault} | {known.faults()[fault].rstrip('.')} | {depth} | {checkers} | {' | '.join(shown)} |")
    return "\n".join(out)


def shown_in_table(cell: dict[str, Any]) -> str:
    """Return a cell of the table: executions, seconds, and the steps of the smallest form."""
    if not cell["found"]:
        return word(cell)
    steps = f"; {cell['shrunk']['steps']} steps" if cell["shrunk"] else ""
    return f"{word(cell)} ({cell['seconds']:.1f} s{steps})"


def forms(data: dict[str, Any]) -> list[str]:
    """Return how small the finds have become, in lines for people; none if none was shrunk."""
    shrunk = [cell for cell in data["cells"] if cell["shrunk"] or cell["unshrunk"]]
    found = [cell["shrunk"] for cell in shrunk if cell["shrunk"]]
    out = [f"{cell['fault']} on {cell['profile']}: {form(cell)}" for cell in shrunk]
    if found:
        steps, orderings = (median(one[what] for one in found) for what in ("steps", "orderings"))
        out += [f"median of {len(found)} forms: {steps:g} steps, {orderings:g} orderings", ""]
    return out


def form(cell: dict[str, Any]) -> str:
    """Return in words how small a find has become."""
    if not cell["shrunk"]:
        return f"not shrunk: {cell['unshrunk']}"
    words = "{actors} actors, {switches} switches, {steps} steps, {orderings} orderings".format(**cell["shrunk"])
    return f"{words}; but {cell['unshrunk']}" if cell["unshrunk"] else words


def word(cell: dict[str, Any]) -> str:
    """Return a cell of the matrix."""
    if cell["error"]:
        return "ERROR"
    if cell["interrupted"]:
        return "-"
    if cell["found"]:
        return str(cell["executions"]) if cell["ok"] else "FOUND"
    return "silent" if cell["ok"] else "MISSED"


def complaints(data: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Return what is not as expected, by fault and profile."""
    wrong = [cell for cell in data["cells"] if not cell["ok"] and not cell["interrupted"]]
    return {(cell["fault"], cell["profile"]): complaint(cell) for cell in wrong}


def complaint(cell: dict[str, Any]) -> str:
    """Say what is not as expected about a cell."""
    if cell["error"]:
        return str(cell["error"])
    if not cell["found"]:
        return f"not found in {cell['executions']} executions"
    what = f"{cell['checker']} {cell['title']} (signature {cell['signature']}, {cell['scenario']}, {cell['trace']})"
    if cell["expected"] == "silent":
        return f"found by {what} after {cell['executions']} executions, though it is to be silent: {cell['reason']}"
    return f"found by {what}, but " + (
        "it does not replay" if not cell["replays"] else "the trace does not end clean without the fault"
    )
