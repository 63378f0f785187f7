"""Search a case's interleavings to the end: all of them, with every choice that is drawn. What is
proved is kept as a certificate, which holds while no function that ran has changed.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import trio

from stress.case import DEFAULT_KERNEL, Case
from stress.cli.exports import export, export_options
from stress.cli.options import (
    GEOMETRIES,
    cores,
    directory_option,
    kernel_options,
    positive,
    selection_options,
    workers_option,
)
from stress.cli.verdicts import never_ran as words
from stress.errors import CLEAN, INCONCLUSIVE, UsageError
from stress.files import make_folder
from stress.output import complain, put, put_json, tell

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.native.proofs.fleet import Provers
    from stress.native.proofs.result import Answer

LINE_SECONDS = 5.0
MINUTES = 1.0
MEMORY_MIB = 1024


def minutes(text: str) -> float:
    """Parse a time in minutes."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of minutes")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    selection_options(parser)
    add("--all", action="store_true", help="all scenarios, on 6.9 and the newest kernel unless --kernel is given")
    kernel_options(parser, None, f"the kernel version (default: {DEFAULT_KERNEL})")
    add("--fault", action="append", default=[], metavar="ID", help="plant a fault; may be repeated")
    add("--geometry", choices=GEOMETRIES, default=GEOMETRIES[0], help="default: %(default)s")
    add("--param", action="append", default=[], metavar="K=V", help="another parameter than the first set has")
    add("--minutes", type=minutes, default=MINUTES, metavar="N", help="for all of it (default: %(default)g)")
    add("--memory-mib-max", type=positive, default=MEMORY_MIB, metavar="N", help="default: %(default)s")
    add("--check", action="store_true", help="confirm the certificates by the other search; prove nothing new")
    workers_option(parser)
    directory_option(parser, "proofs", "where certificates and traces are kept")
    export_options(parser)


def run(args: argparse.Namespace) -> int:
    """Prove, and print what came of it."""
    from stress.campaign.report.suites import proofs_suite
    from stress.catalogue import spec_of
    from stress.native.compilers import require
    from stress.native.proofs.fleet import Provers
    from stress.native.proofs.result import DIFFERS, status_of

    if not args.all and not args.scenario:
        raise UsageError("name scenarios with --scenario, or say --all")
    require()
    make_folder(args.dir)
    cases = list(cases_of(args, args.catalogue))
    if not cases:
        raise UsageError("there is no such case: these scenarios do not run on these profiles")
    workers, seconds = min(args.workers or cores(), len(cases)), 60 * args.minutes
    fleet = Provers(
        cases, seconds, workers, args.memory_mib_max, str(args.dir), spec_of(args.catalogue), heard, args.check
    )
    results: list[Answer] = trio.run(proved, fleet)
    export(args, lambda: proofs_suite(results))
    idle = never_ran(results, args.catalogue)
    put_json(data(results) | {"never_ran": idle}) if args.json else put("\n".join(text(results, idle)))
    if differing := [result for result in results if result.kind == DIFFERS]:
        complain(f"zapstress: {words_of(differing)}")
    return status_of(results) or (INCONCLUSIVE if idle else CLEAN)


def never_ran(results: list[Answer], known: Catalogue) -> list[str]:
    """Return the overrides of the patch that could have run in some case that was proved, and ran
    in none.
    """
    ran: Counter[str] = Counter()
    for result in results:
        ran.update(result.override_runs)
    cases = [result.case for result in results]
    idle = [name for case in cases for name in known.never_ran(case.patch, (case.profile,), case.kernel, ran)]
    return list(dict.fromkeys(idle))


def cases_of(args: argparse.Namespace, known: Catalogue) -> list[Case]:
    """Return what is to be proved: the first parameter set of each scenario, by kernel."""
    from stress.catalogue import choose

    newest = newest_of(known.kernels())
    kernels = [args.kernel] if args.kernel else [DEFAULT_KERNEL, newest] if args.all else [DEFAULT_KERNEL]
    profiles = [choose("profile", name, known.profiles()) for name in args.profile or known.profiles()]
    scenarios = [known.choose_scenario(name) for name in args.scenario or known.scenarios()]
    found = []
    for kernel in dict.fromkeys(choose("kernel", kernel, known.kernels()) for kernel in kernels):
        known.check_patch(tuple(args.patch), profiles, kernel)
        for profile in profiles:
            for scenario in scenarios:
                sets = known.parameters(scenario, known.profile(profile).at(kernel), args.geometry)
                if sets:
                    params = tuple(sorted((dict(sets[0]) | parameters(args.param)).items()))
                    faults, patch = tuple(fault.upper() for fault in args.fault), tuple(args.patch)
                    found.append(Case(scenario, params, profile, args.geometry, kernel, faults, patch))
    return found


def newest_of(kernels: Iterable[str]) -> str:
    """Return the newest version; a variant, VERSION-WORD, is none."""
    return max((name for name in kernels if "-" not in name), key=lambda name: [int(part) for part in name.split(".")])


def parameters(words: list[str]) -> dict[str, int]:
    """Parse what ``--param`` was given."""
    found = {}
    for word in words:
        name, _, value = word.partition("=")
        try:
            found[name] = int(value, 0)
        except ValueError:
            raise UsageError(f"--param {word}: write NAME=NUMBER") from None
    return found


async def proved(fleet: Provers) -> list[Answer]:
    """Return what comes of a fleet's cases; say now and then what it is at."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lines, fleet)
        results = await fleet.run()
        nursery.cancel_scope.cancel()
    return results


async def lines(fleet: Provers) -> None:
    """Print every LINE_SECONDS how far it is."""
    while True:
        await trio.sleep(LINE_SECONDS)
        kinds = [result.kind for result in fleet.results.values()]
        counts = " ".join(f"{kind}={kinds.count(kind)}" for kind in dict.fromkeys(kinds))
        tell(f"cases={len(fleet.cases)} {counts}; {'; '.join(fleet.doing.values())}")


def heard(result: Answer) -> None:
    """Say what came of a case."""
    tell(line_of(result))


def data(results: list[Answer]) -> dict[str, Any]:
    """Return what ``--json`` prints."""
    from stress.native.proofs.result import DIFFERS, LISTS, UNFINISHED

    kept = {kind: [result.entry() for result in results if result.kind == kind] for kind in LISTS}
    kept[UNFINISHED] += [result.entry() for result in results if result.kind == DIFFERS]
    return kept


def line_of(result: Answer) -> str:
    """Return a result in a line."""
    case = result.case
    params = " ".join(f"{name}={value}" for name, value in case.params)
    where = f"{case.scenario} {params} on {case.profile}, {'+'.join((case.kernel, *case.faults, *case.patch))}"
    counts = f"{result.states:,} states, {result.transitions:,} transitions, {result.classes:,} ends"
    words = "; ".join(filter(None, [counts if result.states else "", f"{result.seconds:.1f} s", result.words]))
    return f"{result.kind.replace('_', ' '):<11} {where}: {words}"


def words_of(differing: list[Answer]) -> str:
    """Return what to do about cases of which two searches, or two machines, say different things."""
    first, more = differing[0], len(differing) - 1
    others = f", and {more} more" if more else ""
    remedy = "remove their certificates if somebody has edited them, else please report this"
    return f"{first.case.scenario} on {first.case.profile}: {first.words}{others}; {remedy}"


def text(results: list[Answer], idle: list[str]) -> list[str]:
    """Return what came of it, for people."""
    from stress.native.proofs.result import status_of

    kinds = [result.kind for result in results]
    counts = ", ".join(f"{kinds.count(kind)} {kind.replace('_', ' ')}" for kind in dict.fromkeys(kinds))
    files = [f"{' ' * 12}{result.certificate}" if result.certificate else "" for result in results]
    shown = [line for result, file in zip(results, files, strict=True) for line in (line_of(result), file) if line]
    unknown = f"; inconclusive: {words(idle)}" if idle and not status_of(results) else ""
    return [*shown, counts + unknown]
