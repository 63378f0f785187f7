"""Report what a campaign has come to, or a single trace, for others to read: people, CI, viewers."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stress.cli.options import directory, kernel_options, scenario_file_option
from stress.errors import CLEAN, UsageError
from stress.files import write_atomically
from stress.output import put_json, put_whole

if TYPE_CHECKING:
    from stress.campaign.report.facts import Facts
    from stress.catalogue import Catalogue
    from stress.patch.typed import Typed
    from stress.trace.explanation import Explanation
    from stress.trace.record import PatchRecord
    from stress.trace.replay import Replayed
    from stress.trace.shell.film import Camera, Film

FORMATS = {
    "html": "a page, one file that needs no network",
    "mail": "text of 72 columns, for under a Tested-by",
    "md": "Markdown, for a merge request",
    "ktap": "what was judged, as KTAP",
    "junit": "what was judged, as JUnit XML",
    "sarif": "the failures, with the files and lines of the patch",
}
"""Of a campaign."""

TRACE_FORMATS = {
    "html": "a page, one file that needs no network",
    "md": "Markdown, for a merge request",
    "svg": "the interleaving as a picture",
    "perfetto": "the execution, for the Perfetto viewer",
}
"""Of a trace."""

FILMED = ("html", "md")
"""Formats of a trace that tell where its steps were made."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    about = [", ".join(f"{name} ({words})" for name, words in kind.items()) for kind in (FORMATS, TRACE_FORMATS)]
    add = parser.add_argument
    add("target", type=directory, metavar="DIR|TRACE", help="the results directory of a campaign, or a trace")
    words = f"of a campaign: {about[0]} (default: mail); of a trace: {about[1]} (default: html)"
    add("--format", choices=tuple(FORMATS | TRACE_FORMATS), help=words)
    add("--output", type=Path, metavar="FILE", help="write it to FILE (default: standard output)")
    kernel_options(parser, "", "of a trace: another version in place of its own")
    scenario_file_option(parser)


def run(args: argparse.Namespace) -> int:
    """Write the report; of a directory nothing is changed, or run."""
    from stress.campaign.database import DATABASE

    campaign = (args.target / DATABASE).exists() or (args.target.is_dir() and not (args.target / "trace").exists())
    known = FORMATS if campaign else TRACE_FORMATS
    name = args.format or ("mail" if campaign else "html")
    if name not in known:
        what = "a campaign's directory" if campaign else "a trace"
        raise UsageError(f"{args.target}: --format {name} is not for {what}; there are {', '.join(known)}")
    data = of_campaign(args, name) if campaign else of_trace(args, name)
    deliver(args, name, data)
    return CLEAN


def deliver(args: argparse.Namespace, name: str, data: str | bytes) -> None:
    """Write a report to its file, or print it. Raises UsageError for one that is no text."""
    if args.output is not None:
        write_atomically(args.output, data if isinstance(data, bytes) else data.encode(errors="backslashreplace"))
    elif isinstance(data, bytes):
        raise UsageError(f"--format {name} is no text; name a file with --output")
    text = data if isinstance(data, str) else ""
    if args.json:
        put_json({"target": str(args.target), "format": name, "output": str(args.output or ""), "report": text})
    elif args.output is None:
        put_whole(text.rstrip("\n"))


def of_campaign(args: argparse.Namespace, name: str) -> str:
    """Return the report of a results directory."""
    from stress.campaign.report.facts import gather

    return form(name)(gather(args.target))


def form(name: str) -> Callable[[Facts], str]:
    """Return the function that makes a report of a campaign."""
    from stress.campaign.report.html import html
    from stress.campaign.report.junit import junit
    from stress.campaign.report.ktap import ktap
    from stress.campaign.report.mail import mail
    from stress.campaign.report.markdown import markdown
    from stress.campaign.report.sarif import sarif
    from stress.campaign.report.suites import campaign_suite

    return {
        "html": html,
        "mail": mail,
        "md": markdown,
        "ktap": lambda facts: ktap(campaign_suite(facts)),
        "junit": lambda facts: junit(campaign_suite(facts)),
        "sarif": sarif,
    }[name]


def of_trace(args: argparse.Namespace, name: str) -> str | bytes:
    """Execute a trace again; return its report."""
    from stress.cli.show import again, smallest
    from stress.machine.driver import run_plain
    from stress.trace.file import load
    from stress.trace.report import page
    from stress.trace.shell.film import Camera

    args.trace = str(args.target)
    explained, whole = smallest(args)
    if whole and name == "html":
        kept = argparse.Namespace(**{**vars(args), "trace": whole})
        whole = run_plain(again(kept, load(whole), lambda found: page(found, named(whole, found))))
    camera = Camera() if name in FILMED else None
    make = trace_form(name, args.trace, args.catalogue, explained, whole, camera)
    made: str | bytes = run_plain(again(args, load(args.trace), make, camera.look if camera else None))
    return made


def trace_form(
    name: str,
    path: str,
    catalogue: Catalogue,
    explained: Explanation | None = None,
    whole: str = "",
    camera: Camera | None = None,
) -> Callable[[Replayed], str | bytes]:
    """Return the function that makes a report of a trace; ``path`` is its file, ``whole`` the page
    of the failure whose smallest form it is, and ``camera`` looks at the execution.
    """
    from stress.trace.explanation import steps_of
    from stress.trace.file import bytes_at
    from stress.trace.html import html
    from stress.trace.markdown import markdown
    from stress.trace.perfetto import perfetto
    from stress.trace.picture import alone
    from stress.trace.shell.film import film_of

    def filmed(replayed: Replayed) -> Film | None:
        """Return the film, unless the execution ended in the setup, at which no camera looks."""
        return None if camera is None or replayed.outcome.finished.setup else film_of(replayed, camera, catalogue)

    forms: dict[str, Callable[[Replayed], str | bytes]] = {
        "html": lambda replayed: html(
            replayed, named(path, replayed), explained, whole, filmed(replayed), bytes_at(path)
        ),
        "md": lambda replayed: markdown(replayed, named(path, replayed), explained, filmed(replayed)),
        "svg": lambda replayed: alone(replayed, steps_of(explained)),
        "perfetto": perfetto,
    }
    return forms[name]


def named(path: str, replayed: Replayed) -> Typed:
    """Return how to name a trace that was replayed: in the results directory that it lies in, if
    that has the files that it was made with; else as the user has.
    """
    from stress.campaign.database import DATABASE
    from stress.patch.typed import Typed, as_given

    now, trace = replayed.outcome.finished.case, replayed.trace
    kernel = now.kernel if now.kernel != trace.case.kernel else ""
    folder = next((folder for folder in Path(path).absolute().parents if (folder / DATABASE).is_file()), None)
    if folder is not None and bool(now.patch) == bool(trace.case.patch):
        patch = [kept_spec(folder, spec, trace.patch) for spec in trace.case.patch]
        own = [kept_spec(folder, trace.case.scenario, trace.scenario_file)] if trace.scenario_file.files else []
        if all((*patch, *own)):
            place = Path(path).absolute().relative_to(folder).as_posix()
            return Typed(place, tuple(patch), "".join(own), kernel, there=True)
    return replace(as_given(path, now), kernel=kernel)


def kept_spec(directory: Path, spec: str, record: PatchRecord) -> str:
    """Return ``spec`` as it names the file in a results directory that has the text of a trace's
    record; ``""`` if there is none.
    """
    from stress.campaign.code import kept_with
    from stress.patch.spec import parse

    path = parse(spec).path
    found = kept_with(directory, Path(path).name, dict(record.files).get(Path(path).name, ""))
    return found and f"{found}{spec[len(path) :]}"
