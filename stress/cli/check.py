"""Look a patch over before a campaign: compose it on every profile, run what reaches it a few
times, and tell a mistake of its bookkeeping from a finding.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from stress.case import DEFAULT_KERNEL
from stress.cli.options import selection_options, version_option
from stress.output import put, put_json
from stress.patch.spec import options

if TYPE_CHECKING:
    from stress.selfcheck.check import Check

COMPLAINT_COLUMNS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("patch", nargs="+", metavar="FILE.py[:CLASS,...]", help="the patch's files")
    selection_options(parser)
    version_option(parser, DEFAULT_KERNEL, "the kernel version (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Look the patch over, and print what was found."""
    from stress.catalogue import choose, once
    from stress.machine.driver import run_plain
    from stress.selfcheck.check import Check

    known = args.catalogue
    once("patch", args.patch)
    choose("kernel", args.kernel, known.kernels())
    profiles = [choose("profile", name, known.profiles()) for name in args.profile or known.profiles()]
    scenarios = [known.choose_scenario(name) for name in args.scenario or known.scenarios()]
    known.check_patch(tuple(args.patch), profiles, args.kernel)
    check: Check = Check(known.patch(tuple(args.patch)), args.kernel, profiles, scenarios, known)
    run_plain(check.run())
    data = check.data()
    put_json(data) if args.json else put("\n".join(text(data)))
    return int(data["exit_status"])


def text(data: dict[str, Any]) -> Iterator[str]:
    """Yield what was found, for people."""
    names = ", ".join(override["method"] for override in data["overrides"])
    yield f"{' '.join(data['patch'])} ({data['digest']}) overrides {names}"
    made = counted(data["executions"], "execution")
    yield f"composed on {', '.join(data['profiles'])}, kernel {data['kernel']}; {made}"
    for override in data["overrides"]:
        yield from _override(override, data["profiles"])
    for found in data["violations"]:
        yield from _violation(found, data)
    yield verdict(data)


def counted(number: int, noun: str) -> str:
    """Return how many there are of something, in words."""
    return f"{number} {noun}{'s' * (number != 1)}"


def _override(override: dict[str, Any], profiles: list[str]) -> Iterator[str]:
    """Yield where an override ran, and why it did not elsewhere."""
    if override["runs"]:
        where = f"{counted(len(override['scenarios']), 'scenario')} on {', '.join(override['profiles'])}"
        yield f"  {override['method']} ran {counted(override['runs'], 'time')}: {where}"
    elif len(override["absent"]) < len(profiles):
        yield f"  {override['method']} never ran"
    reasons: dict[str, list[str]] = {}
    for profile, reason in override["absent"].items():
        reasons.setdefault(reason, []).append(profile)
    for reason, missing in reasons.items():
        yield f"  {override['method']} cannot run on {', '.join(missing)}: {reason}"


def _violation(found: dict[str, Any], data: dict[str, Any]) -> Iterator[str]:
    """Yield a violation, what it is, and the command that shows it."""
    words = {
        "finding": "a finding",
        "bookkeeping": "a mistake of the patch's bookkeeping",
        "unpatched": "of the kernel without the patch too",
    }
    yield f"{found['signature']}  {words[found['kind']]}, {counted(found['count'], 'time')}: {found['what']}"
    if found["hint"]:
        yield " " * COMPLAINT_COLUMNS + found["hint"]
    params = "".join(f" --param {name}={value}" for name, value in found["params"].items())
    patch = "" if found["kind"] == "unpatched" else options(data["patch"])
    kernel = f" --kernel {shlex.quote(data['kernel'])}" if data["kernel"] != DEFAULT_KERNEL else ""
    where = f"{found['scenario']} --profile {found['profile']}{params}{kernel} --seed {found['seed']}"
    yield " " * COMPLAINT_COLUMNS + f"zapstress run {where}{patch}"


def verdict(data: dict[str, Any]) -> str:
    """Return the last line: what to do next."""
    kinds = [found["kind"] for found in data["violations"]]
    never = [override["method"] for override in data["overrides"] if not override["runs"]]
    if "finding" in kinds:
        return counted(kinds.count("finding"), "finding")
    if "bookkeeping" in kinds:
        return "the patch does not keep the books; mend that first, as it hides what else there is"
    if never:
        return f"no finding, but {', '.join(never)} never ran, so nothing is known of it"
    kernel = f" --kernel {shlex.quote(data['kernel'])}" if data["kernel"] != DEFAULT_KERNEL else ""
    return f"no finding so far; search with: zapstress campaign{kernel}{options(data['patch'])}"
