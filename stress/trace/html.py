"""Pages of HTML: one file each, which needs no network and runs no code but its own few lines.

What is shown may come from strangers: every text is escaped, control characters are spelt out, and
a policy in the page lets the browser run nothing but the script whose hash it names.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stress.errors import Skipped
from stress.output import plural, printable
from stress.patch.typed import TYPED_THERE, by_names
from stress.trace import explanation
from stress.trace.chart import Axis, Line, chart
from stress.trace.picture import picture, svg
from stress.trace.report import headline, state_words
from stress.trace.shell.origins import origins
from stress.trace.shell.overview import changes

if TYPE_CHECKING:
    from stress.case import Case
    from stress.patch.typed import Typed
    from stress.trace.explanation import Explanation
    from stress.trace.record import Trace
    from stress.trace.replay import Replayed
    from stress.trace.shell.film import Film

TEMPLATES = Path(__file__).with_name("templates")

STYLE, SCRIPT = "page.css", "page.js"

HARDWARE = re.compile(r"\bhw\d")
"""An actor that is the hardware of a CPU."""

SOURCE_KIB_MAX = 32
"""How large the file of a trace may be that is in its page."""

PICTURES = ("svg", "bar", "curve")
"""Values of a template that are SVG, made by us, and not text."""


def render(template: str, title: str, more: Path = TEMPLATES, asking: str = "", **values: Any) -> str:
    """Return a page made of a template, which may lie in the folder ``more``. Raises Skipped if
    jinja2 is not installed.

    ``asking`` is the script of a page that may ask the server that it came from; without it a page
    needs no network, and may use none.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise Skipped(f"pages want the package jinja2 ({error}): pip install 'zapstress[pages]'") from error

    def spelt(value: Any) -> Any:
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    style, script = ((TEMPLATES / name).read_text() for name in (STYLE, SCRIPT))
    script = asking + script
    made = Environment(
        loader=FileSystemLoader([TEMPLATES, more]), autoescape=True, undefined=StrictUndefined, finalize=spelt
    )
    made.trim_blocks = made.lstrip_blocks = True
    pictures = {name: Markup(value) for name, value in values.items() if name in PICTURES}
    assets = {"style": Markup(style), "script": Markup(script), "policy": policy(style, script, asks=bool(asking))}
    page: str = made.get_template(template).render(values | pictures | assets, title=title)
    return page


def policy(style: str, script: str, asks: bool = False) -> str:
    """Return what the browser may load and run: the two texts that are in the page, by their
    hashes; and what the page's own server says, if it ``asks`` it.
    """
    more = "connect-src 'self'; " if asks else ""
    texts = f"style-src '{digest(style)}'; script-src '{digest(script)}'"
    return f"default-src 'none'; {texts}; {more}base-uri 'none'"


def digest(text: str) -> str:
    """Return the hash of a text as a policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def html(
    replayed: Replayed,
    typed: Typed,
    explained: Explanation | None = None,
    whole: str = "",
    film: Film | None = None,
    source: bytes = b"",
) -> str:
    """Return the page of an execution, with why it fails if it is ``explained``.

    ``typed`` names it in commands; ``whole`` is the page, as text, of the failure whose smallest
    form it is; ``film`` is of the execution, so that its states can be shown; ``source`` has the
    bytes of the trace's file, so that who has the page alone can replay it.
    """
    trace, outcome = replayed.trace, replayed.outcome
    violation = outcome.verdict.violation
    shown = picture(replayed, marked=explanation.steps_of(explained))
    numbers = [row.number for row in shown.rows]
    title = headline(trace)
    why = explanation.lines(explained, trace.steps) if explained is not None else []
    return render(
        "trace.html.j2",
        title,
        kind=outcome.verdict.kind,
        where=where(replayed),
        letters=any("pfn" in row.effect for row in shown.rows),
        message=trace.ending.message or trace.ending.reason or "nothing was violated",
        about=about(replayed),
        rule=(violation.rule or f"{violation.checker} {violation.title}") if violation else "",
        why=why,
        hardware=HARDWARE.search(repr((shown.actors, why))) is not None,
        whole=whole,
        state=state_words(replayed, violation) if violation else "",
        marked=any(row.marked for row in shown.rows),
        picture=shown,
        every=picture(replayed, whole=True).rows,
        svg=svg(shown, title),
        curve=chance_curve(explained),
        no_curve=why_no_curve(explained) if violation else "",
        origins=origins(film, numbers) if film is not None else [],
        states={number: text for number, text in changes(film, numbers) if text} if film is not None else {},
        **again(typed, trace, source),
        texts=[*trace.patch.files, *trace.scenario_file.files],
    )


def shown_case(replayed: Replayed) -> Case:
    """Return what was executed, with the user's files under the names that the trace has for them."""
    case, made = replayed.outcome.finished.case, replayed.trace.case
    return replace(case, scenario=made.scenario, patch=made.patch or case.patch)


def where(replayed: Replayed) -> str:
    """Return in a line where the execution was made."""
    case = shown_case(replayed)
    added = [f"with fault {name}" for name in case.faults] + [f"with {path}" for path in case.patch]
    return ", ".join([f"{case.scenario} on {case.profile}", f"kernel {case.kernel}", *added])


def chance_curve(explained: Explanation | None) -> str:
    """Return the chance of the failure after each step as a chart; ``""`` if it is not known."""
    if explained is None or len(explained.chances) < 2:
        return ""
    points = tuple((float(step), chance) for step, chance in enumerate(explained.chances))
    steps = Axis("steps made", points[-1][0])
    return chart(explanation.chance_line(explained), steps, Axis("", 1.0, "{:.0%}".format), [Line("fail", points)])


def why_no_curve(explained: Explanation | None) -> str:
    """Return in a sentence why there is no such chart; ``""`` if there is."""
    if explained is None:
        return "The chance that it fails after each step is not known: zapstress explain of its folder finds it out."
    if len(explained.chances) < 2:
        return "The chance that it fails after each step is not known: explain had no time left to try every step."
    return ""


def about(replayed: Replayed) -> list[tuple[str, str]]:
    """Return what was run, as names and values."""
    trace, case = replayed.trace, shown_case(replayed)
    functions = [site.partition(":")[0] for site in (trace.ending.accused, trace.ending.victim) if site]
    found = {
        "scenario": case.scenario,
        "parameters": ", ".join(f"{name} {value}" for name, value in case.params),
        "profile": case.profile,
        "kernel": case.kernel,
        "geometry": case.geometry,
        "faults": ", ".join(case.faults),
        "patch": ", ".join(case.patch),
        "functions": " / ".join(functions),
        "signature": trace.ending.signature,
        "checker": f"{trace.ending.checker} {trace.ending.title}".strip(),
        "length": f"{plural(trace.steps, 'step')}, {trace.switches} times another actor's turn",
        "seed": f"{trace.seed:#x}, strategy {trace.strategy}",
        "model": trace.sources,
    }
    return [(name, value) for name, value in found.items() if value]


def again(typed: Typed, trace: Trace, source: bytes) -> dict[str, Any]:
    """Return what a page says of how the execution is seen again."""
    where = TYPED_THERE if typed.there else ""
    return {"commands": commands(typed), "alone": alone(trace, source), "typed_where": where}


def alone(trace: Trace, source: bytes) -> str:
    """Return the commands by which who has nothing but the page replays the execution; ``""`` if
    its trace is too large to be in it.
    """
    if not 0 < len(source) <= SOURCE_KIB_MAX << 10:
        return ""
    file = f"{trace.ending.signature or trace.ending.kind}.trace"
    typed = by_names(file, trace.case.patch, trace.case.scenario)
    lines = base64.encodebytes(source).decode().strip()
    return f"base64 -d > {typed.file} << END\n{lines}\nEND\nzapstress replay --steps {typed.file}{typed.more}"


def commands(typed: Typed) -> list[tuple[str, str]]:
    """Return the commands that show the execution again, each with what it does."""
    file, more = typed.file, typed.more
    return [
        ("Step for step:", f"zapstress replay --steps {file}{more}"),
        ("Forward and back, as a debugger does:", f"zapstress replay --shell {file}{more}"),
        ("As columns, in the terminal:", f"zapstress show {file}{more}"),
        ("In the Perfetto viewer:", f"zapstress report {file} --format perfetto --output trace.pftrace{more}"),
    ]
