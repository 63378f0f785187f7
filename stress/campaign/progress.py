"""How a campaign goes, on standard error: a live table on a terminal, elsewhere a key=value line
every ten seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import trio

from stress.output import is_quiet, number_words, tell, time_words
from stress.workers.clock import COMPARING, EXECUTING, IDLE, MEASURING, REPORTING, STARTING

if TYPE_CHECKING:
    from rich.table import Table

    from stress.campaign.supervisor import Campaign

LINE_SECONDS = 10.0
LIVE_SECONDS = 0.25

PLAIN = (EXECUTING, COMPARING, MEASURING, REPORTING)
"""What goes without saying of a worker that has a case."""

AT_NO_CASE = (STARTING, IDLE)


def figures(campaign: Campaign) -> dict[str, object]:
    """Return what is shown, in order, by both forms.

    All is of this run of the campaign, but for ``classes``, which is of all its runs.
    """
    elapsed = max(campaign.elapsed_s, 1e-9)
    return {
        "elapsed_s": round(elapsed),
        "left_s": left_s(campaign, elapsed),
        "executions": campaign.executions,
        "executions_per_s": round(campaign.executions / elapsed),
        "steps_per_s": round(campaign.steps / elapsed),
        "classes": campaign.store.distinct["classes"].estimate(),
        "failures": campaign.failures,
        "worker_deaths": campaign.fleet.deaths,
        "compiled": f"{sum(map(campaign.compiled.has, kernels))}/{len(kernels)}"
        if (kernels := campaign.fleet.kernels)
        else "-",
        "now": ",".join(doing(campaign)) or "-",
    }


def doing(campaign: Campaign) -> Iterator[str]:
    """Yield what each worker is at: the case, after what is done with it if it is not executed."""
    for account, number in campaign.fleet.at_work():
        case = campaign.cases.get(number) if account not in AT_NO_CASE else None
        where = f"{case.scenario}@{case.profile}" if case is not None else ""
        yield where if where and account in PLAIN else ":".join(filter(None, (account, where)))


def left_s(campaign: Campaign, elapsed: float) -> int | str:
    """Return the seconds until the budget is spent, at the rate so far; ``-`` before it is known."""
    budget = campaign.budget
    if budget.duration_s is not None:
        return round(max(0.0, budget.duration_s - elapsed))
    if budget.executions is None or not campaign.executions:
        return "-"
    return round(max(0, budget.executions - campaign.executions) * elapsed / campaign.executions)


async def show(campaign: Campaign) -> None:
    """Show how the campaign goes until cancelled; nothing if only errors are to be told."""
    if is_quiet():
        await trio.sleep_forever()
    await (_live(campaign) if sys.stderr.isatty() else _lines(campaign))


async def _lines(campaign: Campaign) -> None:
    while True:
        await trio.sleep(LINE_SECONDS)
        tell(" ".join(f"{name}={value}" for name, value in figures(campaign).items()))


async def _live(campaign: Campaign) -> None:
    from rich.console import Console
    from rich.live import Live

    with Live(_table(campaign), console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        while True:
            await trio.sleep(LIVE_SECONDS)
            live.update(_table(campaign), refresh=True)


def shown(name: str, value: object) -> str:
    """Return a figure as people read it: a time in its units, a number with its thousands."""
    if isinstance(value, int) and name in ("elapsed_s", "left_s"):
        return time_words(value)
    return number_words(value) if isinstance(value, int) else str(value)


def _table(campaign: Campaign) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for name, value in figures(campaign).items():
        style = "bold red" if name in ("failures", "worker_deaths") and value else ""
        table.add_row(
            name.replace("_per_s", "/s").removesuffix("_s").replace("_", " "),
            shown(name, value),
            style=style,
        )
    return table
