"""What a report says, in sections of sentences: the mail and the Markdown are made of the same.

It is what an engineer wants to know of a patch before they trust it: what ran of it, what was
searched and how well, what was never looked at, what was found, and how to see that again.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stress.campaign.report.facts import CellFacts, Facts, FindingFacts
from stress.output import chance_words, number_words, plural, time_words
from stress.patch.scenario.file import is_file
from stress.patch.spec import kept, options
from stress.patch.typed import TYPED_THERE, within
from stress.sources import ended_words
from stress.trace.explanation import Explanation
from stress.workers.measure.bound import CONFIDENCE, risk_words

NAMES_MAX = 6
"""Names that a sentence lists; of more it gives the number."""


@dataclass(frozen=True)
class Point:
    """A point of a section: a text, a command that is typed, and pages that keep their lines: what
    is to be read, and the whole of it; and why that came about, if it is a failure and explained.
    """

    text: str
    command: str = ""
    page: str = ""
    whole: str = ""
    signature: str = ""
    """Of a failure whose trace is kept."""
    drawing: str = ""
    """The command that draws the page of such a failure."""
    explanation: Explanation | None = None

    @property
    def why(self) -> str:
        """Why it fails, in a sentence; ``""`` if that is not known."""
        return f"Why: {self.explanation.sentence}" if self.explanation is not None else ""


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    points: tuple[Point, ...]


def sections(facts: Facts) -> list[Section]:
    """Return what a report says; sections that would be empty are left out."""
    own = [found for found in facts.findings if found.expected is None and not found.unpatched]
    theirs = [found for found in facts.findings if found.expected is None and found.unpatched]
    expected = [found for found in facts.findings if found.expected is not None]
    made = {
        "Tested": tested(facts),
        "What ran of the patch": overrides(facts),
        "Proved": proved(facts),
        "Sampled": sampled(facts),
        "Never opened": never_opened(facts),
        "Found": [finding(found, facts) for found in own] or [Point(nothing_found(facts))],
        "The unpatched kernel shows these too": [finding(found, facts) for found in theirs],
        "Expected": [finding(found, facts) for found in expected],
        "No longer seen": no_longer_seen(facts),
        "What went wrong": trouble(facts),
        "To run it again": again(facts),
    }
    return [Section(title, tuple(points)) for title, points in made.items() if points]


def title(facts: Facts) -> str:
    """Return the title: what was put on top of which kernel."""
    added = ", ".join((*facts.patch, *(f"fault {name}" for name in facts.faults)))
    return f"zapstress: {added} on kernel {facts.kernel}" if added else f"zapstress: kernel {facts.kernel}"


def tested(facts: Facts) -> list[Point]:
    """Return what was tested, with what, and how much."""
    code = facts.code
    texts = ", ".join(f"{Path(file.path).name} {file.hash}" for file in facts.texts)
    patch = f"{', '.join(facts.patch)} (hashes of its texts: {texts})" if facts.patch else "none, as it is modelled"
    points = [
        f"Patch: {patch}",
        f"Kernel: {facts.kernel}{f', faults {named(facts.faults)}' if facts.faults else ''}",
        f"Profiles: {', '.join(facts.profiles)}",
        f"Scenarios: {len(facts.scenarios)}",
        f"zapstress {code.zapstress}, model {code.model}, strategy {facts.strategy}, machine {facts.machine}",
        f"{plural(facts.executions, 'execution')}, {plural(facts.steps, 'step')} in {time_words(facts.elapsed_s)}"
        f" ({plural(facts.sessions, 'run')}; the last: {facts.ended})",
        f"Commands: {TYPED_THERE[0].lower()}{TYPED_THERE[1:]}",
    ]
    return [Point(point) for point in points]


def overrides(facts: Facts) -> list[Point]:
    """Return how often each override of the patch ran, and where."""
    points = []
    for row in facts.overrides:
        words = "never ran, so nothing is known of it"
        if not row.here:
            words = f"cannot run here: {'; '.join(dict.fromkeys(row.absent.values()))}"
        elif row.runs:
            where = f"on {named(row.profiles)}; in {named(row.scenarios)}"
            words = f"ran {plural(row.runs, 'time')}, {where}"
        points.append(Point(f"{row.method} {words}"))
    return points


def proved(facts: Facts) -> list[Point]:
    """Return what was searched to its end."""
    cells = [cell for cell in facts.cells if cell.proved]
    if not cells:
        return [Point("Nothing: no case was searched to its end without a failure.")]
    points = together(((cell, cell.proved) for cell in cells), beside_all=True)
    scope = "Every interleaving was executed, sequentially consistent, in a world of this size; certificates: proofs/"
    return [*points, Point(scope)]


def sampled(facts: Facts) -> list[Point]:
    """Return how much was executed of what was opened, and what could have been missed."""
    cells = [cell for cell in facts.cells if cell.opened]
    if not cells:
        return []
    cases, opened = sum(cell.cases for cell in facts.cells), sum(cell.opened for cell in cells)
    least = min(cells, key=lambda cell: cell.fewest)
    points = [
        f"{number_words(opened)} of {plural(cases, 'case')} (a scenario with its parameters on a profile),"
        f" {plural(facts.classes, 'class')} of executions among {number_words(facts.measured)} measured;"
        f" {plural(facts.sites_reached, 'step site')} reached, {number_words(len(facts.sites_unreached))} not"
        f"{f', of which {len(facts.unreachable)} cannot be reached here' if facts.unreachable else ''};"
        f" {plural(len(facts.pairs), 'ordered pair')} of operations overlapped.",
        f"The least sampled opened case had {plural(least.fewest, 'execution')} ({where(least)}). A failure that was"
        f" not seen has, in each opened case, a chance per execution of {chance_words(least.chance)} at most, with"
        f" {CONFIDENCE:.0%} confidence, under the schedules that these strategies draw.",
        f"{risk_words(facts.risk).capitalize()}.{worst(facts)}",
    ]
    if facts.inconclusive:
        points.append(f"{plural(facts.inconclusive, 'execution')} ran out of steps before a verdict.")
    return [Point(point) for point in points]


def worst(facts: Facts) -> str:
    """Return where most is left, of what was measured; nothing where there is one cell alone."""
    measured = [cell for cell in facts.cells if cell.risk < 1]
    if len(facts.cells) < 2 or not measured:
        return ""
    most = max(measured, key=lambda cell: cell.risk)
    return (
        f" Of {len(measured)} of {plural(len(facts.cells), 'pair')} of scenario and profile it is known, and"
        f" largest for {where(most)}: {chance_words(most.risk)}."
    )


def where(cell: CellFacts) -> str:
    """Return a cell's name."""
    return f"{cell.scenario} on {cell.profile}"


def never_opened(facts: Facts) -> list[Point]:
    """Return what was neither executed nor proved."""
    return together((cell, cell.cases - cell.proved - cell.sampled) for cell in facts.cells)


def together(counted: Iterable[tuple[CellFacts, int]], beside_all: bool = False) -> list[Point]:
    """Return scenarios with the number of such cases, perhaps beside that of all, those in one
    point that have them on the same profiles.
    """
    found: dict[str, tuple[int, int, tuple[str, ...]]] = {}
    for cell, count in counted:
        if count:
            before, cases, profiles = found.get(cell.scenario, (0, 0, ()))
            found[cell.scenario] = before + count, cases + cell.cases, (*profiles, cell.profile)
    alike: dict[tuple[str, ...], list[str]] = {}
    for scenario, (count, cases, profiles) in found.items():
        more = f" of {number_words(cases)}" if beside_all else ""
        alike.setdefault(profiles, []).append(f"{scenario} {number_words(count)}{more}")
    return [Point(f"cases on {named(profiles)}: {', '.join(counts)}") for profiles, counts in alike.items()]


def nothing_found(facts: Facts) -> str:
    """Return what is said where no failure of the patch's own was found."""
    if not facts.executions:
        return "Nothing was executed."
    if facts.executions <= facts.inconclusive:
        return "No execution came to a verdict."
    return "No violation." if not facts.findings else "No violation besides those below."


def finding(found: FindingFacts, facts: Facts) -> Point:
    """Return a failure: what is wrong, where it was seen, and the command that shows it."""
    functions = [site.partition(":")[0] for site in (found.accused, found.victim) if site]
    at = f" in {' / '.join(functions)}" if functions else ""
    searched = " Whether the unpatched kernel has it was not searched yet." if facts.patch else ""
    seen = f"Seen {plural(found.count, 'time')}: {named([f'{p.scenario} on {p.profile}' for p in found.where])}."
    text = (
        f"{found.signature} {found.title} ({found.checker}){at}: {found.message or found.kind}. {seen}"
        f" First after {plural(found.first, 'execution')} of its case, by {found.strategy}."
    )
    text += searched if found.unpatched is None else ""
    text += f" Expected: {found.expected}." if found.expected is not None else ""
    kept = found.signature if found.trace else ""
    drawing = replay(found, facts, "report", f"--format html --output {kept}.html") if kept else ""
    return Point(text, replay(found, facts), found.page, found.whole, kept, drawing, found.explanation)


def replay(found: FindingFacts, facts: Facts, verb: str = "show", more: str = "") -> str:
    """Return the command that shows a failure, in its smallest form if there is one, and why it
    fails; ``""`` if its trace is gone. ``verb`` is the command's, and ``more`` are its options.
    """
    if not found.trace:
        return ""
    typed = within(str(Path(found.trace).parent), facts.patch, found.scenario)
    return f"{' '.join(filter(None, ('zapstress', verb, typed.file, more)))}{typed.more}"


def no_longer_seen(facts: Facts) -> list[Point]:
    """Return what has become of the failures of earlier generations."""
    points = []
    for old, word in [(old, "gone") for old in facts.gone] + [(old, "not seen again") for old in facts.not_seen_again]:
        words = f"{word}, after {number_words(old.clean)} clean executions of {number_words(old.clean_needed)} needed"
        name = f"{old.signature} {old.title} ({old.checker}) of generation {old.generation}"
        points.append(Point(f"{name}: {words} ({old.scenario})"))
    return points


def trouble(facts: Facts) -> list[Point]:
    """Return what went wrong with the search itself."""
    points = []
    if differing := facts.twins.get("differing", 0):
        points.append(Point(f"{plural(differing, 'execution')} differed when they were run again."))
    for death in facts.worker_deaths:
        held = f"{death.scenario} on {death.profile}, seed {death.seed}" if death.scenario else "nothing"
        points.append(Point(f"A worker {ended_words(death.exit_status)}; it held {held}."))
    return points


def again(facts: Facts) -> list[Point]:
    """Return the commands that make the same search: one, or one per campaign that was merged."""
    own = facts.executions - sum(source.executions for source in facts.merged)
    made = [(source.seed, source.executions) for source in facts.merged]
    made += [(facts.seed, own)] if own or not made else []
    words = "The same search:" if len(made) == 1 else "The same searches, whose directories were merged:"
    return [Point(words if not at else "and", command(facts, *which)) for at, which in enumerate(made)]


def command(facts: Facts, seed: int, executions: int) -> str:
    """Return the command that makes a search again in a new directory."""
    words = ["zapstress", "campaign", "--seed", f"{seed:#x}", "--kernel", facts.kernel]
    words += ["--scenario", *(kept(name) if is_file(name) else name for name in facts.scenarios)]
    words += ["--profile", *facts.profiles]
    words += ["--fault", *facts.faults] if facts.faults else []
    words += ["--geometry", facts.geometry] if facts.geometry else []
    words += ["--strategy", facts.strategy] if facts.strategy != "portfolio" else []
    words += ["--machine", facts.machine, "--executions", str(max(1, executions))]
    return shlex.join(words) + options(map(kept, facts.patch))


def named(names: Sequence[str]) -> str:
    """Return names in words; of many the first, and how many more there are."""
    more = len(names) - NAMES_MAX
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:NAMES_MAX])} and {more} more"


def findings_of(facts: Facts) -> Iterator[FindingFacts]:
    """Yield the failures in the order in which a report has them: the patch's own first."""
    yield from sorted(facts.findings, key=lambda found: (found.expected is not None, bool(found.unpatched)))
