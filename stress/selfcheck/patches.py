"""Is a mistake found that nobody has seen yet? Each patch of scenarios/patches is searched for as
its author would do it: by a default campaign of a minute with one worker, which names no scenario.

A patch is its file; beside the class the file has KERNEL, the version that the patch is for,
PROFILES, where it applies (no such line: on every profile), and KIND, ``sequence`` or
``interleaving``. They are read from the source: the file is run by the campaign alone.
"""

from __future__ import annotations

import ast
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from stress.campaign.supervisor import Budget, run_campaign
from stress.catalogue import DEFAULT_CATALOGUE, first_sentence
from stress.errors import CLEAN, FAILED, INCONCLUSIVE, INTERRUPTED, UsageError, ZapstressError
from stress.sources import ended_words
from stress.workers.settings import Settings

KINDS = ("sequence", "interleaving")
"""Wrong with a single thread, or only with another party at the wrong moment."""


@dataclass(frozen=True)
class PlantedPatch:
    """A patch with a mistake in it, and where it applies.

    ``profiles`` is empty if that is everywhere.
    """

    name: str
    path: str
    component: str
    kernel: str
    profiles: tuple[str, ...]
    kind: str
    about: str


def planted(name: str, file: Path) -> PlantedPatch:
    """Return what ``file`` says of itself. Raises UsageError if it says too little."""
    body = ast.parse(file.read_bytes()).body
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    said = _constants(body) | (_constants(classes[0].body) if len(classes) == 1 else {})
    for constant in ("component", "KERNEL", "KIND"):
        if constant not in said:
            raise UsageError(f"{file.name}: give it one class, and {constant} = '...' (docs/patches.md)")
    if said["KIND"] not in KINDS:
        raise UsageError(f"{file.name}: KIND is {said['KIND']!r}; use one of {', '.join(KINDS)}")
    profiles = tuple(said.get("PROFILES", ()))
    return PlantedPatch(
        name, str(file), said["component"], said["KERNEL"], profiles, said["KIND"], first_sentence(file)
    )


def _constants(body: Iterable[ast.stmt]) -> dict[str, Any]:
    """Return the names that are set to a literal."""
    found: dict[str, Any] = {}
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


@dataclass
class Trial:
    """A patch, and what the campaign found.

    ``seconds`` and ``executions`` are those of the whole campaign, which ends with its first find.
    """

    patch: PlantedPatch
    found: bool = False
    seconds: float = 0.0
    executions: int = 0
    checker: str = ""
    title: str = ""
    signature: str = ""
    scenario: str = ""
    profile: str = ""
    trace: str | None = None
    dir: str = ""
    error: str = ""
    """What went wrong that is no verdict."""
    interrupted: bool = field(default=False, repr=False)

    @property
    def status(self) -> int:
        """What the trial contributes to the exit status."""
        if self.interrupted:
            return INTERRUPTED
        return FAILED if self.error else CLEAN if self.found else INCONCLUSIVE

    def data(self) -> dict[str, Any]:
        """Return the trial as plain data."""
        own = {name: value for name, value in vars(self).items() if name not in ("patch", "interrupted")}
        return {**asdict(self.patch), **own, "ok": self.status == CLEAN}


@dataclass(frozen=True)
class Trials:
    """How the patches are tried: ``settings`` and ``budget`` are those of each campaign, but for
    what the patch itself says.
    """

    settings: Settings
    budget: Budget
    directory: Path
    catalogue: str = DEFAULT_CATALOGUE

    def run(self, patches: list[PlantedPatch], progress: Callable[[Trial], None]) -> dict[str, Any]:
        """Try every patch; return what came of it as plain data. ``progress`` is told of each."""
        trials = []
        for patch in patches:
            trials.append(self.attempt(patch))
            progress(trials[-1])
            if trials[-1].interrupted:
                break
        return self.data(trials)

    def attempt(self, patch: PlantedPatch) -> Trial:
        """Run the campaign of one patch; what a patch does wrong by itself ends its own only."""
        trial, began = Trial(patch, dir=str(unused(self.directory / patch.name))), time.monotonic()
        try:
            found = run_campaign(Path(trial.dir), self.settings_of(patch), self.budget, self.catalogue)
        except ZapstressError as error:
            trial.error, trial.seconds = str(error), round(time.monotonic() - began, 3)
            return trial
        trial.seconds, trial.executions = found["elapsed_s"], found["executions"]
        trial.interrupted = found["ended"] == "interrupted"
        if found["violations"]:
            first = found["violations"][0]
            trial.found = True
            for name in ("checker", "title", "signature", "scenario", "profile", "trace"):
                setattr(trial, name, first[name])
        elif found["worker_deaths"]:
            trial.error = f"a worker {ended_words(found['worker_deaths'][0]['exit_status'])}"
        return trial

    def settings_of(self, patch: PlantedPatch) -> Settings:
        """Return what is searched for one patch: its version, its profiles."""
        profiles = tuple(name for name in self.settings.profiles if not patch.profiles or name in patch.profiles)
        if not profiles:
            raise UsageError(f"{patch.name} applies to {', '.join(patch.profiles)} only, and no such profile is chosen")
        return replace(self.settings, kernel=patch.kernel, patch=(patch.path,), profiles=profiles)

    def data(self, trials: list[Trial]) -> dict[str, Any]:
        """Return all trials as plain data; what was not found counts in no median."""
        statuses, found = {trial.status for trial in trials}, [trial for trial in trials if trial.found]
        return {
            "ok": statuses <= {CLEAN},
            "exit_status": next((s for s in (INTERRUPTED, FAILED, INCONCLUSIVE) if s in statuses), CLEAN),
            "found": len(found),
            "missed": [trial.patch.name for trial in trials if not trial.found and not trial.error],
            "median_s": round(statistics.median([trial.seconds for trial in found]), 3) if found else None,
            "median_executions": statistics.median([trial.executions for trial in found]) if found else None,
            "seed": self.settings.seed,
            "patches": [trial.data() for trial in trials],
            "dir": str(self.directory),
        }


def unused(path: Path) -> Path:
    """Return ``path`` if there is nothing there, else the first of ``path-2``, ``path-3``, ... that
    is free.
    """
    found, again = path, 1
    while found.exists():
        again += 1
        found = path.with_name(f"{path.name}-{again}")
    return found
