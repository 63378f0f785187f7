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
from stress.errors import TraceError, UsageError
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

    Raises UsageError if nothing is saved there, or if the database is whole, and StorageError.
    """
    if not saved(directory):
        raise UsageError(f"{directory}: no failures are saved in it; --rebuild has nothing to make a database from")
    _put_aside(directory)
    rebuilt = Rebuilt()
    with Store(directory, settings.plain(), anew=True) as store:
        for folder in saved(directory):
            try:
                trace = _trace_of(folder, settings)
            except (UsageError, TraceError) as error:
                rebuilt.left_out[folder.name] = str(error)
                continue
            (number,) = store.add_cases([trace.case]).values()
            store.enter(number, _failure(folder.name, trace))
            rebuilt.failures.append(folder.name)
    return rebuilt


def _put_aside(directory: Path) -> None:
    """Rename the database and its journal, unless it is whole or a campaign is at work in it."""
    if not is_new(directory):
        try:
            Results.open(directory).close()
        except Damaged:
            pass
        else:
            raise UsageError(f"{directory}: its database is whole; go on without --rebuild")
    descriptor = lock(directory)
    try:
        for end in ("", "-wal", "-shm", "-journal"):
            if os.path.lexists(directory / f"{DATABASE}{end}"):
                os.replace(directory / f"{DATABASE}{end}", directory / f"{DATABASE}{ASIDE}{end}")
    finally:
        os.close(descriptor)


def _trace_of(folder: Path, settings: Settings) -> Trace:
    """Return the trace in a failure's folder.

    Raises UsageError or TraceError if it is not one of this campaign's.
    """
    if folder.is_symlink() or not re.fullmatch("[0-9a-f]{8}", folder.name):
        raise UsageError("not the folder of a signature")
    trace = load(folder / TRACE)
    case = trace.case
    if (case.kernel, case.faults) != (settings.kernel, settings.faults):
        raise UsageError(f"it was found in kernel {case.kernel} with faults {', '.join(case.faults) or 'none'}")
    if case.scenario not in settings.scenarios or case.profile not in settings.profiles:
        raise UsageError(f"{case.scenario} on {case.profile} is not searched")
    if folder.name not in (trace.ending.signature, nondeterminism_name(case), differs_name(case)):
        raise UsageError(f"its trace has the signature {trace.ending.signature or 'none'}")
    return trace


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
