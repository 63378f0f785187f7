"""Makes the database of a results directory anew from the failures that are saved in it.

For a database that was damaged, or lost. What it counted is lost with it; the failures are not.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from stress.campaign.database import DATABASE, Damaged, is_new, lock, saved
from stress.campaign.directory import TRACE
from stress.campaign.results import Results
from stress.campaign.store import Store
from stress.campaign.twins import nondeterminism_name
from stress.case import Case
from stress.errors import TraceError, UsageError
from stress.output import plural
from stress.patch.spec import options
from stress.trace.file import load
from stress.trace.record import Trace
from stress.workers.messages import Failure
from stress.workers.native import differs_name
from stress.workers.settings import NATIVE, Settings

ASIDE = ".damaged"
"""What is added to the name of the database that is put aside."""


@dataclass
class Rebuilt:
    """What came of it: signatures that were entered, and folders that were not, with the reason."""

    failures: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def rebuild(directory: Path, settings: Settings) -> Rebuilt:
    """Put the database of ``directory`` aside, and make one of ``settings`` from its failures.

    Raises UsageError if nothing is saved there, if the database is whole, or if failures are of
    other settings, so that they would be left out, and StorageError. Then nothing has changed.
    """
    if not saved(directory):
        raise UsageError(f"{directory}: no failures are saved in it; --rebuild has nothing to make a database from")
    _see_damage(directory)
    traces, rebuilt = _read(directory, settings)
    _put_aside(directory)
    with Store(directory, settings.plain(), anew=True) as store:
        for name, trace in traces.items():
            (number,) = store.add_cases([trace.case]).values()
            store.enter(number, _failure(name, trace))
    return rebuilt


def _read(directory: Path, settings: Settings) -> tuple[dict[str, Trace], Rebuilt]:
    """Return the traces that a directory saves, by signature, and what will come of its folders.

    Raises UsageError if some are of other settings, or if there is no trace.
    """
    traces, rebuilt, others = dict[str, Trace](), Rebuilt(), list[str]()
    for folder in saved(directory):
        try:
            trace = _trace_of(folder)
        except (UsageError, TraceError) as error:
            rebuilt.left_out[folder.name] = str(error)
            continue
        if words := _other_settings(trace.case, settings):
            others.append(f"{folder.name} {words}")
        traces[folder.name] = trace
        rebuilt.failures.append(folder.name)
    if others:
        raise UsageError(
            f"{directory}: {plural(len(others), 'saved failure')} of other settings would be left out"
            f" ({'; '.join(others)}); add the options that the campaign was started with, or move these folders away"
        )
    if not traces:
        why = "; ".join(f"{name}: {words}" for name, words in rebuilt.left_out.items())
        raise UsageError(f"{directory}: none of what is saved in it is a failure of a campaign ({why})")
    return traces, rebuilt


def _see_damage(directory: Path) -> None:
    """Raise UsageError if there is a database that is whole."""
    if is_new(directory):
        return
    try:
        Results.open(directory).close()
    except Damaged:
        return
    raise UsageError(f"{directory}: its database is whole; go on without --rebuild")


def _put_aside(directory: Path) -> None:
    """Rename the database and its journal, unless a campaign is at work in it."""
    descriptor = lock(directory)
    try:
        for end in ("", "-wal", "-shm", "-journal"):
            if os.path.lexists(directory / f"{DATABASE}{end}"):
                os.replace(directory / f"{DATABASE}{end}", directory / f"{DATABASE}{ASIDE}{end}")
    finally:
        os.close(descriptor)


def _trace_of(folder: Path) -> Trace:
    """Return the trace in a failure's folder.

    Raises UsageError or TraceError if it is not one of a campaign's.
    """
    if folder.is_symlink() or not re.fullmatch("[0-9a-f]{8}", folder.name):
        raise UsageError("not the folder of a signature")
    trace = load(folder / TRACE)
    case = trace.case
    if folder.name not in (trace.ending.signature, nondeterminism_name(case), differs_name(case)):
        raise UsageError(f"its trace has the signature {trace.ending.signature or 'none'}")
    return trace


def _other_settings(case: Case, settings: Settings) -> str:
    """Return in words which settings of a failure's case are not the campaign's, or ""."""
    if (case.kernel, case.faults, case.patch) != (settings.kernel, settings.faults, settings.patch):
        return (
            f"was found with{options([case.kernel], '--kernel')}{options(case.faults, '--fault')}{options(case.patch)}"
        )
    if case.scenario not in settings.scenarios or case.profile not in settings.profiles:
        return f"is of {case.scenario} on {case.profile}, which is not searched"
    return ""


def _failure(signature: str, trace: Trace) -> Failure:
    """Return the failure that a trace stands for."""
    told = trace.ending if trace.ending.signature == signature else None
    kind = "violation" if told else "nondeterminism"
    native = signature == differs_name(trace.case)
    return Failure(
        signature=signature,
        checker=told.checker if told else NATIVE if native else kind,
        title=told.title if told else "native-differs" if native else kind,
        strategy=trace.strategy,
        seed=trace.seed,
        kind=kind,
    )
