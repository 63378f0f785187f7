"""Proves one case, in this process: compiles its kernel, replays some of its executions in Python,
explores its space, and has Python judge what was found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from sim.core.errors import SimError, WorldError
from stress.case import Case
from stress.catalogue import Catalogue
from stress.errors import Divergence
from stress.execution.outcome import Outcome
from stress.execution.runner import Runner, open_runner
from stress.files import make_folder
from stress.machine.chance import TapeData
from stress.native.compilers import FAST, BuildError
from stress.native.kernels import KernelKey, searchable
from stress.native.proofs.certificate import Certificate, certify, file_of, read_certificate
from stress.native.proofs.result import DIFFERS, NOT_REACHED, PROVED, UNFINISHED, VIOLATED_KIND, Answer
from stress.native.proofs.unfinished import SUFFIX, Keeper
from stress.native.runner import LIMITS, Library, NotCovered
from stress.native.search.explore import Ended, Executions, Exploration, StateReduction
from stress.native.search.space import StateSpace, Taken, runs_of, tapes_of
from stress.native.translate.subset import Unsupported
from stress.rng import words
from stress.strategies.replay import Replay
from stress.trace.file import save
from stress.trace.record import capture

SLICE_MIN, SLICE = 10_000, 200_000
"""Transitions between two looks at the clock: a quarter of all before, within these bounds."""

RAISED = LIMITS.index("the model raised")
"""A limit that Python must look at all the same: the world may be too small."""

REPLAYED = 3
"""Executions of a space that Python makes too, before it is explored."""

BOUNDED_SHARE = 0.2
"""How much of its time a case that is not finished spends on executions with few preemptions."""

EXECUTIONS_SHARE = 0.25
"""How much of its time a check tries to do by executions."""

CHECK_SALT = 1
"""Names of states are made in another way where a proof is checked."""

ENDINGS = {
    Ended.MEMORY_SPENT: "--memory-mib-max is reached",
    Ended.NO_MEMORY: "memory ran out",
    Ended.TOO_DEEP: "an execution is longer than the step budget",
}


@dataclass(frozen=True)
class Job:
    """A case to be proved, in how much time and memory; ``check``: its certificate is confirmed, by
    a reduced search if it was made in full, and the other way round.
    """

    case: Case
    seconds: float
    words_max: int
    directory: str
    check: bool = False
    bounded: bool = True
    """Whether a part of the time goes to executions with few preemptions, if it is not finished."""
    kept: bool = False
    """Whether a search that is not finished is kept, and one that was kept is taken up."""
    ends: float | None = None
    """When all is to be over, by the machine's monotonic clock; compiling a kernel takes time too."""

    @property
    def left(self) -> float:
        """The seconds that the search has from now on."""
        return self.seconds if self.ends is None else max(0.0, min(self.seconds, self.ends - time.monotonic()))


@dataclass
class Prover:
    """Proves cases whose names are in ``catalogue``; ``tell`` hears how far an exploration is. A
    kernel is compiled with ``scenarios``, by default all, at a level. Seconds are those of
    ``clock``; once it is ``late``, nothing goes on.
    """

    catalogue: Catalogue
    tell: Callable[[str], None]
    scenarios: Sequence[str] = ()
    level: str = FAST
    clock: Callable[[], float] = time.monotonic
    late: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self.libraries: dict[KernelKey, Library] = {}

    async def prove(self, job: Job) -> Answer:
        """Return what comes of a job; what the case is to blame for is told in it."""
        try:
            library = self.library(KernelKey.of(job.case))
            async with open_runner(job.case, "plain", catalogue=self.catalogue) as runner:
                if runner.failed is not None:
                    return _violated(job, runner.failed, "its setup violates")
                return self.explored(job, runner, library)
        except (Unsupported, NotCovered, BuildError) as error:
            return Answer(job.case, UNFINISHED, f"it can only be run in Python: {error}")
        except WorldError as error:
            return Answer(job.case, UNFINISHED, f"the world is too small: {error}")

    def library(self, key: KernelKey) -> Library:
        """Return a kernel, compiled. Raises Unsupported and BuildError."""
        if key not in self.libraries:
            scenarios = sorted(self.scenarios or self.catalogue.scenarios())
            self.libraries[key] = searchable(key, scenarios, self.catalogue, self.level)
        return self.libraries[key]

    def explored(self, job: Job, runner: Runner, library: Library) -> Answer:
        """Explore the space of a case that stands at the end of its setup."""
        file = file_of(job.case, Path(job.directory))
        known = read_certificate(file)
        space = StateSpace(library, runner, CHECK_SALT if job.check else 0)
        held = known is not None and known.holds(space)
        if known is not None and held and not job.check:
            return _known(job, known, file)
        if job.check and not held:
            return Answer(job.case, UNFINISHED, "its certificate does not hold any more: prove it again")
        made, differs = replayed(space)
        if differs:
            return Answer(job.case, DIFFERS, differs)
        job = replace(job, seconds=job.left)
        if job.check and known is not None:
            return self.checked(job, space, known)
        return self.proved(job, Exploration(space, StateReduction.NONE, job.words_max), made)

    def run(
        self, exploration: Exploration, seconds: float, what: str = "", look: Callable[[], None] = lambda: None
    ) -> tuple[Ended, float]:
        """Explore until everything is done, something is found, or the time is over; return which,
        and the seconds. ``look`` is called now and then, where the search could be kept.
        """
        began, ended, made = self.clock(), Ended.NOT_YET, 0
        while ended == Ended.NOT_YET and self.clock() - began < seconds and not self.late():
            transitions = min(max(SLICE_MIN, made // 4), SLICE)
            ended, made = exploration.go_on(transitions), made + transitions
            self.tell(f"{exploration.extent().states} states, about {exploration.share():.0%} done{what}")
            if ended == Ended.NOT_YET:
                look()
        return ended, self.clock() - began

    def proved(self, job: Job, exploration: Exploration, replays: int) -> Answer:
        """Explore a space; ``replays`` executions of it were made in Python too. Where it is not
        finished, the rest of the time goes to executions with few preemptions.
        """
        file = file_of(job.case, Path(job.directory)).with_suffix(SUFFIX)
        keeper = Keeper(file, exploration, job.kept, self.clock)
        went_on = keeper.take_up()
        seconds = job.seconds * (1 - BOUNDED_SHARE * job.bounded) - keeper.spent()
        ended, _ = self.run(exploration, seconds, look=keeper.look)
        so_far = _so_far(job, exploration, keeper.before + keeper.spent())
        if ended == Ended.NOT_YET:
            keeper.keep()
        if ended in (Ended.FOUND, Ended.COMPLETE):
            keeper.forget()
        if ended == Ended.FOUND:
            return judged(job, exploration, so_far)
        if ended == Ended.COMPLETE:
            return _complete(job, exploration, so_far, replays)
        why = ENDINGS.get(ended, f"{job.seconds:.0f} s were not enough")
        words = f"{why}; about {exploration.share():.0%} done"
        words += f" in {so_far.seconds:.0f} s of several runs" if went_on else ""
        answer = replace(so_far, words=words, time_was_up=ended == Ended.NOT_YET)
        left = job.seconds - keeper.spent()
        return self.bounded(job, exploration.space, answer, left) if job.bounded else answer

    def bounded(self, job: Job, space: StateSpace, so_far: Answer, left: float) -> Answer:
        """Look for violations with no preemption, with one, and so on, while there are seconds
        ``left``.
        """
        answer = so_far
        for most in count():
            exploration = Exploration(space, StateReduction.NONE, job.words_max, most)
            ended, seconds = self.run(exploration, left, f", with at most {most} preemptions")
            left -= seconds
            if ended == Ended.FOUND:
                return judged(job, exploration, replace(so_far, time_was_up=False))
            if ended != Ended.COMPLETE:
                return answer
            words = f"{so_far.words}; nothing with at most {most} preemptions"
            answer = replace(so_far, words=words, preemptions=most)
        raise AssertionError

    def checked(self, job: Job, space: StateSpace, known: Certificate) -> Answer:
        """Confirm a certificate by another search: by executions, where these are few; else with
        sleep sets, or with persistent sets where two words for each state are too many.
        """
        exploration: Exploration = Executions(space, job.words_max)
        ended, seconds = self.run(exploration, job.seconds * EXECUTIONS_SHARE)
        tried = ended in (Ended.COMPLETE, Ended.FOUND)
        for reduction in () if tried else _others(known):
            exploration = Exploration(space, reduction, job.words_max)
            ended, more = self.run(exploration, job.seconds - seconds)
            seconds += more
            if ended != Ended.MEMORY_SPENT:
                break
        so_far = _so_far(job, exploration, seconds)
        if ended == Ended.FOUND:
            return judged(job, exploration, so_far)
        if ended != Ended.COMPLETE:
            why = ENDINGS.get(ended, f"{job.seconds:.0f} s were not enough")
            words = f"{why}; about {exploration.share():.0%} checked"
            return replace(so_far, words=words, time_was_up=ended == Ended.NOT_YET)
        differs = _difference(known, exploration)
        if differs:
            return replace(so_far, kind=DIFFERS, words=differs)
        file = str(file_of(job.case, Path(job.directory)))
        return replace(so_far, kind=PROVED, words=_confirmed(exploration), certificate=file, known=True)


def _so_far(job: Job, exploration: Exploration, seconds: float) -> Answer:
    """Return what an exploration has done, as an answer that is unfinished."""
    counts = exploration.extent()
    made = counts.transitions + exploration.wasted
    return Answer(job.case, UNFINISHED, "", counts.states, made, counts.ends, seconds)


def _others(known: Certificate) -> tuple[StateReduction, ...]:
    """Return the reductions by which a certificate is confirmed: the first that has the memory."""
    in_full = known.reductions == StateReduction.NONE.value
    return (StateReduction.SLEEPING, StateReduction.PERSISTENT) if in_full else (StateReduction.NONE,)


def _difference(known: Certificate, exploration: Exploration) -> str:
    """Return in words what of a complete space differs from its certificate, or ""."""
    found = exploration.extent()
    if found.ends != known.classes:
        return f"the certificate has {known.classes} ends, and the other search {found.ends}"
    if exploration.reduction == StateReduction.SLEEPING and found.states != known.states:
        return f"the certificate has {known.states} states, and the other search {found.states}"
    return ""


def _confirmed(exploration: Exploration) -> str:
    """Return in words by which search a certificate has been confirmed."""
    counts = exploration.extent()
    if not isinstance(exploration, Executions):
        in_full = exploration.reduction == StateReduction.NONE
        return f"confirmed {'in full' if in_full else f'with {exploration.reduction.value}'}"
    cut = f"; {counts.cycles} cut where they came back to a state of their own" if counts.cycles else ""
    return f"confirmed by {counts.classes} executions, one of each class{cut}"


def _known(job: Job, known: Certificate, file: Path) -> Answer:
    """Return what a certificate that holds says."""
    counts = known.states, known.transitions, known.classes, known.seconds
    return Answer(job.case, PROVED, "known", *counts, str(file), True, override_runs=known.overrides)


def _complete(job: Job, exploration: Exploration, so_far: Answer, replays: int) -> Answer:
    """Return the result of a space that has been explored to its end."""
    space, file = exploration.space, file_of(job.case, Path(job.directory))
    runs = space.override_runs()
    if job.case.patch and not any(runs.values()):
        return replace(so_far, kind=NOT_REACHED, words="no override of the patch ran")
    made = certify(space, exploration.extent(), so_far.seconds, replays, exploration.reduction, runs)
    made.save(file)
    return replace(so_far, kind=PROVED, certificate=str(file), override_runs=runs)


# -- Python judges -----------------------------------------------------------------------------------------------------


def in_python(space: StateSpace, way: list[Taken]) -> Outcome:
    """Execute a way in Python. Raises Divergence, and whatever the model raises."""
    return space.runner.run(Replay(runs_of(way)), 0, TapeData(tapes_of(way)))


def replayed(space: StateSpace) -> tuple[int, str]:
    """Make some executions at random, and those that end clean again in Python; return how many
    these are, and in words what differs, or "".
    """
    made = 0
    for number in range(REPLAYED):
        word = words(number, "replayed")
        space.begin()
        why = 0
        while space.enabled and not why:
            enabled = space.enabled
            taken = space.step(enabled[word() % len(enabled)])
            why = taken.why
        if why or space.unfinished or space.audit():
            continue
        steps, codes = space.way[-1].last, space.codes[: space.way[-1].last]
        try:
            outcome = in_python(space, list(space.way))
        except Divergence as error:
            return made, f"Python cannot follow an execution of the native core: {error}"
        log = space.runner.machine.log
        if outcome.verdict.kind != "clean" or log[::2] != codes or len(log) != 2 * steps:
            kind = outcome.verdict.kind
            return made, f"the native core finds an execution of {steps} steps clean, and Python: {kind}"
        made += 1
    return made, ""


def judged(job: Job, exploration: Exploration, so_far: Answer) -> Answer:
    """Have Python judge what an exploration has found."""
    space, why, way = exploration.space, exploration.why, exploration.way()
    reason = space.reason(why)
    if space.is_limit(why) and why != RAISED:
        return replace(so_far, words=f"a limit of the native core: {reason}")
    try:
        outcome = in_python(space, way)
    except WorldError as error:
        return replace(so_far, words=f"the world is too small: {error}")
    except Divergence as error:
        return replace(so_far, kind=DIFFERS, words=f"{reason}; Python cannot follow: {error}")
    except SimError as error:
        return replace(so_far, words=f"the model raised: {error}")
    if outcome.verdict.kind != "violation":
        return replace(so_far, kind=DIFFERS, words=f"{reason}; Python says {outcome.verdict.kind}")
    found = _violated(job, outcome, outcome.verdict.reason)
    return replace(so_far, kind=found.kind, words=found.words, certificate=found.certificate)


def _violated(job: Job, outcome: Outcome, reason: str) -> Answer:
    """Return the result of a violation, whose trace is written."""
    trace = file_of(job.case, Path(job.directory)).with_suffix(".trace")
    make_folder(trace.parent)
    save(capture(outcome, "prove"), trace)
    return Answer(job.case, VIOLATED_KIND, reason.partition("\n")[0], certificate=str(trace))
