"""Mark a signature of a campaign as expected: it is shown as before, and fails nothing any more."""

from __future__ import annotations

import argparse

from stress.cli.options import directory
from stress.errors import CLEAN, UsageError
from stress.output import put, put_json

MARKS = ("expected", "unexpected")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("signature", metavar="SIGNATURE", help="8 hex digits, as status shows them; the first few are enough")
    add("mark", choices=MARKS, help="expected, or unexpected to take the mark off again")
    add("--why", metavar="WORDS", help="the reason: a commit, a report, a version; wanted for expected")
    add("--dir", type=directory, required=True, metavar="DIR", help="the results directory of the campaign")


def run(args: argparse.Namespace) -> int:
    """Write the mark into the directory, where a campaign may be at work."""
    from stress.campaign.directory import expect, expected_in, forget
    from stress.campaign.results import Results

    if args.mark == "expected" and not (args.why or "").strip():
        raise UsageError("--why wants the reason why it is expected: a commit, a report, a version")
    if args.mark == "unexpected" and args.why:
        raise UsageError("--why goes with expected: to take a mark off needs no reason")
    with Results.open(args.dir) as results:
        known = [*results.signatures(), *expected_in(args.dir)]
    signature = chosen(args.signature.lower(), known)
    if args.mark == "expected":
        expect(args.dir, {signature: " ".join(args.why.split())})
    else:
        forget(args.dir, signature)
    marked = expected_in(args.dir)
    if args.json:
        put_json({"dir": str(args.dir), "signature": signature, "expected": marked.get(signature)})
    else:
        put(f"{signature}: {f'expected: {marked[signature]}' if signature in marked else 'not expected'}")
    return CLEAN


def chosen(given: str, known: list[str]) -> str:
    """Return the signature that begins so. Raises UsageError if there is none, or more than one."""
    found = sorted({name for name in known if given and name.startswith(given)})
    if len(found) != 1:
        what = f"{', '.join(found)} begin so" if found else f"there are {', '.join(sorted(set(known))) or 'none'}"
        raise UsageError(f"{given or 'an empty word'}: no signature of this campaign; {what}")
    return found[0]
