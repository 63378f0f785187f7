"""Search: many executions over scenarios, profiles and strategies, with every failure kept."""

from __future__ import annotations

import argparse
import secrets
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stress.cli.campaign_all import ALL, search_all
from stress.cli.exports import export, export_options
from stress.cli.options import (
    GEOMETRIES,
    PATCH,
    RESULTS,
    chance,
    cores,
    directory,
    duration,
    kernel_options,
    names_option,
    port,
    positive,
    seed,
    selection_options,
    share,
    workers_option,
)
from stress.cli.serve import HOST, PORT, require_pages
from stress.errors import INTERRUPTED, NoScheduler, Skipped, UsageError, foremost
from stress.files import write_atomically
from stress.output import put, put_json, talk, tell
from stress.patch.scenario.file import is_file
from stress.patch.spec import options

if TYPE_CHECKING:
    from stress.campaign.code import Code
    from stress.catalogue import Catalogue
    from stress.workers.fleet import Workforce
    from stress.workers.settings import Budget, Settings

DISK_MIB_MAX = 500
"""How large a results directory may become by default."""

SELECTION = (
    "seed",
    "scenario",
    "profile",
    "geometry",
    "kernel",
    "patch",
    "versus",
    "fault",
    "strategy",
    "depth",
    "machine",
)
"""Options that say what is searched: a directory that holds a campaign remembers them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    about = "take options that are not given here from FILE, as zapstress.toml: a table [campaign] of long options"
    parser.add_argument("--file", type=Path, metavar="FILE", help=about)
    selection_options(parser)
    search_options(parser)
    budget_options(parser)
    parser.add_argument(
        "--dir",
        type=directory,
        metavar="DIR",
        help=f"results; if it holds a campaign, go on with it (default: a new one in {RESULTS}/)",
    )
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="make the database of --dir anew from the failures that are saved in it, and go on",
    )
    about = "fail only for signatures that the campaign in DIR has not shown; its list is taken over into --dir"
    parser.add_argument("--baseline", type=directory, metavar="DIR", help=about)
    about = "show the campaign's page on the loopback while it runs (default port: %(const)s; 0 is any that is free)"
    parser.add_argument("--serve", type=port, nargs="?", const=PORT, metavar="PORT", help=about)
    export_options(parser)
    about = "write the failures to FILE too: SARIF, with the files and lines of the patch"
    parser.add_argument("--sarif", type=Path, metavar="FILE", help=about)


def search_options(parser: argparse.ArgumentParser) -> None:
    """Declare how the cases are searched: kernel, faults, strategy, machine, seed."""
    add = parser.add_argument
    add("--geometry", choices=GEOMETRIES, help="sizes of tables and batches (default: small, with a share of real)")
    kernel_options(parser, None, "the kernel version (default: 6.9), or all: each in turn, with the budget of one")
    about = "execute this patch, and the unpatched kernel, on the same seeds as --patch; may be repeated"
    add("--versus", action="append", metavar=PATCH, default=[], help=about)
    names_option(parser, "--fault", "ID", "put these faults in")
    add(
        "--strategy",
        metavar="NAME",
        help="default: portfolio, all by turns, most of the time what shows most (docs/strategies.md)",
    )
    add("--depth", type=positive, metavar="N", help="of pct: bugs of depth N (default: drawn for each execution)")
    add(
        "--machine",
        choices=("lockstep", "parallel", "both"),
        help="default: both where there are cores for it and numba, else lockstep",
    )
    add("--seed", type=seed, metavar="N", help="default: drawn, and printed")


def budget_options(parser: argparse.ArgumentParser) -> None:
    """Declare when the search ends, and how many workers it has."""
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--duration", type=duration, metavar="TIME", help="how long, as 60s, 5m or 2h (default: 60s)")
    budget.add_argument("--executions", type=positive, metavar="N", help="how many executions in this run")
    about = "end when the risk of every scenario and profile is that small, as 1e-3: see docs/reports.md"
    parser.add_argument("--until-risk", type=chance, metavar="CHANCE", help=about)
    workers_option(parser)
    about = "have the workers of this dask scheduler execute, as tcp://HOST:PORT, in place of processes here"
    parser.add_argument("--dask", metavar="SCHEDULER-ADDRESS", help=about)
    parser.add_argument("--stop-on-first", action="store_true", help="end at the first failure that is not expected")
    parser.add_argument(
        "--disk-mib-max",
        type=positive,
        default=DISK_MIB_MAX,
        metavar="N",
        help="end when the directory has so many MiB (default: %(default)s)",
    )
    about = "of the workers' time, how much goes into proofs at most: 0 to 0.9, 0 for none (default: a third)"
    parser.add_argument("--prove-share", type=share, metavar="SHARE", help=about)
    parser.add_argument("--no-native", action="store_true", help="compile no kernels: Python runs everything, slower")


def run(args: argparse.Namespace) -> int:
    """Run the campaign that the command line, and the file that it names, ask for."""
    if args.file is not None:
        from stress.cli.campaign_file import fill

        fill(args, args.file)
        talk(args.quiet, args.verbose)
    if args.kernel == ALL:
        return search_all(args, search, new_directory)
    data = search(args)
    if args.json:
        put_json(data)
    return int(data["exit_status"])


def search(args: argparse.Namespace) -> dict[str, Any]:
    """Run the campaign; print its summary, unless it is wanted as JSON, and write the files for
    CI. Return the summary.
    """
    from stress.campaign.progress import show
    from stress.campaign.summary import text
    from stress.campaign.supervisor import run_campaign
    from stress.catalogue import spec_of

    if args.rebuild and args.dir is None:
        raise UsageError("--rebuild wants --dir, the directory whose database is to be made anew")
    settings, where = settle(args)
    budget = budget_of(args, settings)
    if args.rebuild:
        rebuild(where, settings)
    tell(f"campaign of seed {settings.seed:#x} in {where}")
    crew = cluster_of(args, settings)
    with nothing_left(where), page_beside(args, where, settings):
        data = run_campaign(where, settings, budget, spec_of(args.catalogue), show, crew)
    if not args.json:
        put(text(data))
    write_exports(args, where)
    if data["exit_status"] == INTERRUPTED:
        tell(f"go on with: {resume_words(args, where, settings)}")
    return data


def budget_of(args: argparse.Namespace, settings: Settings) -> Budget:
    """Return how long the search goes on: a minute if nothing is said of it."""
    from stress.workers.settings import Budget

    budget = Budget(
        args.duration,
        args.executions,
        1 if args.dask else args.workers or workers(settings),
        args.stop_on_first,
        disk_mib_max=args.disk_mib_max,
        native=not args.no_native,
        baseline=args.baseline,
    )
    if args.prove_share is not None:
        budget.prove_share = args.prove_share
    if args.until_risk is not None:
        budget.risk = args.until_risk
    elif budget.duration_s is None and budget.executions is None:
        budget.duration_s = 60.0
    return budget


def cluster_of(args: argparse.Namespace, settings: Settings) -> Callable[[Code], Workforce] | None:
    """Return what makes the crew of a cluster, if one is to execute. Raises Skipped without dask,
    and UsageError for what a cluster does not do.
    """
    if args.dask is None:
        return None
    from stress.workers.settings import LOCKSTEP

    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise Skipped(f"--dask wants the package distributed ({error}): pip install 'zapstress[cluster]'") from error
    if args.workers is not None:
        raise UsageError("--dask: the cluster's workers execute; leave --workers out")
    if settings.machine != LOCKSTEP:
        raise UsageError(f"--dask: a cluster's workers run lockstep, not {settings.machine}; say --machine lockstep")
    from stress.campaign.cluster.crew import crew_at

    return crew_at(args.dask, settings, args.catalogue)


@contextmanager
def nothing_left(where: Path) -> Iterator[None]:
    """Take away a directory that was made for a campaign which nobody was there to execute."""
    made = [path for path in (where, *where.parents) if not path.exists()]
    try:
        yield
    except (UsageError, BaseExceptionGroup) as error:
        cause = foremost(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(cause, NoScheduler) and made:
            shutil.rmtree(where, ignore_errors=True)
            with suppress(OSError):
                for path in made[1:]:
                    path.rmdir()
        raise


@contextmanager
def page_beside(args: argparse.Namespace, where: Path, settings: Settings) -> Iterator[None]:
    """Serve the campaign's page while it runs, if that was asked for."""
    if args.serve is None:
        yield
        return
    from stress.campaign.serve.beside import beside

    require_pages()
    own = [name for name in settings.scenarios if is_file(name)]
    words = [word for spec in settings.patch for word in ("--patch", spec)]
    words += ["--scenario", *own] if len(own) == len(settings.scenarios) == 1 else []
    with beside(where, HOST, args.serve, words) as address:
        tell(f"its page, while it runs: {address}")
        yield


def write_exports(args: argparse.Namespace, where: Path) -> None:
    """Write the files for CI that the options name, of what the directory holds."""
    from stress.campaign.report.facts import gather
    from stress.campaign.report.sarif import sarif
    from stress.campaign.report.suites import campaign_suite

    export(args, lambda: campaign_suite(gather(where)))
    if args.sarif is not None:
        write_atomically(args.sarif, sarif(gather(where)).encode())


def resume_words(args: argparse.Namespace, where: Path, settings: Settings) -> str:
    """Return the command that goes on with the campaign in ``where``, to be typed in this folder."""
    words = ["zapstress", "campaign", "--dir", str(where)]
    if args.duration is not None:
        words += ["--duration", f"{args.duration:g}s"]
    elif args.executions is not None:
        words += ["--executions", str(args.executions)]
    if any(name.endswith(".py") for name in settings.scenarios):
        words += ["--scenario", *settings.scenarios]
    for spec in settings.versus:
        words += ["--versus", spec]
    return shlex.join(words) + options(settings.patch)


def rebuild(where: Path, settings: Settings) -> None:
    """Make the database of a directory anew, and say what it holds."""
    from stress.campaign.rebuild import rebuild as make_anew

    rebuilt = make_anew(where, settings)
    tell(f"{where}: {len(rebuilt.failures)} saved failures entered; counts begin at 0, and seeds are run again")
    for name, why in rebuilt.left_out.items():
        tell(f"{where}: {name} is left out: {why}")


def workers(settings: Settings) -> int:
    """Return how many workers a campaign has by default: one for each core, or for the cores that
    the processes of the parallel machine take.
    """
    from stress.parallel.settings import PROCESSES
    from stress.workers.settings import PARALLEL

    return max(1, cores() // PROCESSES) if settings.machine == PARALLEL else cores()


def settle(args: argparse.Namespace) -> tuple[Settings, Path]:
    """Return what is searched, and the directory.

    The directory's campaign, if it holds one, gives what the command line leaves open.
    """
    from stress.campaign.results import peek
    from stress.workers.settings import SEED_MAX, Settings

    given = {name: getattr(args, name) for name in SELECTION if getattr(args, name) not in (None, [])}
    if args.fault:
        given["fault"] = [name.upper() for name in args.fault]
    kept = peek(args.dir) if args.dir is not None and not args.rebuild else None
    if kept is None:
        chosen = defaults(args) | renamed(given)
        chosen.setdefault("seed", secrets.randbelow(SEED_MAX))
    else:
        chosen = kept | renamed(given)
    settings = Settings.of(chosen)
    if kept is not None:
        named_again(settings, given, args.dir)
    settings = settings.checked(args.catalogue)
    return settings, args.dir if args.dir is not None else new_directory(settings.seed)


def named_again(settings: Settings, given: dict[str, Any], where: Path) -> None:
    """Raise UsageError if the campaign in ``where`` has a file of code that the command line does
    not name: the directory may be a stranger's.
    """
    more = "" if "patch" in given else options(settings.patch)
    more += "" if "versus" in given else options(settings.versus, "--versus")
    own = [name for name in settings.scenarios if is_file(name)]
    more += "" if "scenario" in given else options(own, "--scenario")
    if more:
        raise UsageError(f"{where}: its campaign runs code from files; if that is to be run here, say so:{more}")


def defaults(args: argparse.Namespace) -> dict[str, Any]:
    """Return what is searched by default."""
    from stress.workers.settings import LOCKSTEP

    catalogue: Catalogue = args.catalogue
    machine = LOCKSTEP if args.dask else machine_here()
    return {"scenarios": list(catalogue.scenarios()), "profiles": list(catalogue.profiles()), "machine": machine}


def renamed(given: dict[str, Any]) -> dict[str, Any]:
    """Return options under the names that settings have for them."""
    names = {"scenario": "scenarios", "profile": "profiles", "fault": "faults"}
    found = {names.get(name, name): value for name, value in given.items() if name != "depth"}
    if "depth" in given:
        found["options"] = {"depth": given["depth"]}
    return found


def machine_here() -> str:
    """Return the machine that a campaign uses by default."""
    from stress.parallel.gang import why_not
    from stress.workers.settings import BOTH, LOCKSTEP

    return BOTH if cores() > 1 and not why_not() else LOCKSTEP


def new_directory(seed: int) -> Path:
    """Return a directory that does not exist yet, named after the seed."""
    path, again = Path(RESULTS, f"{seed:#x}"), 1
    while path.exists():
        again += 1
        path = Path(RESULTS, f"{seed:#x}-{again}")
    return path
