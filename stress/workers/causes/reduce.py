"""What a worker makes of a failure beside the search: its smallest form, explained, with its page."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from stress.catalogue import DEFAULT_CATALOGUE, Catalogue, spec_of
from stress.errors import ZapstressError
from stress.patch.typed import within
from stress.trace.explanation import SHRUNK
from stress.trace.file import encode, save
from stress.trace.replay import replay, trusted
from stress.trace.report import page
from stress.workers.causes.afresh import replayed_afresh
from stress.workers.causes.attempts import Deadline
from stress.workers.causes.explain import explain
from stress.workers.causes.shrink import Shrinking
from stress.workers.messages import ReduceAnswer

if TYPE_CHECKING:
    from stress.native.runner import Library
    from stress.trace.record import Trace


async def reduced(trace: Trace, seconds: float, library: Library | None, catalogue: Catalogue) -> ReduceAnswer:
    """Return the smallest form of a failure that is found in some seconds, and why it fails, which
    may take as long again.
    """
    try:
        form = (await Shrinking(trace, Deadline(seconds), library, catalogue).run()).trace
        found = await explain(form, Deadline(seconds), library, catalogue)
        why = afresh(form) if spec_of(catalogue) == DEFAULT_CATALOGUE else ""
        typed = within(f"failures/{trace.ending.signature}/{SHRUNK}", form.case.patch, form.case.scenario)
        async with replay(form, trusted(form.case, driver="plain"), catalogue) as again:
            return ReduceAnswer(
                why=why, trace=encode(form), report=page(again, typed, explained=found), explanation=found.plain()
            )
    except ZapstressError as error:
        return ReduceAnswer(why=str(error))


def afresh(form: Trace) -> str:
    """Return why a form does not replay in a fresh process, or ""."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SHRUNK
        save(form, path)
        return replayed_afresh(path, form.case, form.ending.signature)
