"""Finds scenarios, faults, profiles, strategies, kernels and checkers by the names of their files.

Nothing is registered anywhere: a file is enough (docs/architecture.md). Listing reads the first
line of each docstring from the source and imports neither scenarios nor faults, so that it is
quick, and so that a broken file hides only itself.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import string
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stress.errors import UsageError
from stress.fault import kernels_of
from stress.patch.counting import counting
from stress.patch.load import Patch, load
from stress.patch.model import Model, Place
from stress.patch.scenario.file import is_file, load_scenario
from stress.patch.scenario.staging import parameters_of
from stress.patch.vet import absent, unfit, vetted
from stress.sources import ROOT

if TYPE_CHECKING:
    from sim.core.profile import Profile
    from stress.scenario import Scenario
    from stress.strategies import Strategy

FOLLOWING = ("prefix", "replay")
"""Strategies that follow a tape."""

KINDS = ("scenarios", "profiles", "faults", "patches", "strategies", "kernels", "checkers", "components")
_PATCHES: dict[tuple[type, tuple[str, ...]], Patch] = {}
"""What :meth:`Catalogue.patch` has read, by its specs."""

_SCENARIOS: dict[str, Patch] = {}
"""What :meth:`Catalogue.scenario_file` has read, by its path."""

DEFAULT_CATALOGUE = "stress.catalogue:CATALOGUE"
KNOWN_MAX = 12
"""Names that a line of complaint lists."""
MACHINE_CHECKERS = {
    "deadlock": "deadlock, lost-wakeup: whoever waits is woken in the end",
    "livelock": "livelock: under fair turns every actor comes to its end",
    "lock": "unlock-not-owner: a lock is released by its owner",
    "parallel": (
        "replay-differs: a recorded run, replayed in lockstep, makes the same steps and leaves the same state (law L3)"
    ),
    "OOPS": "wild-access: a patched kernel touches only cells that there are",
}
"""What the machine itself judges."""


def modules(package: str) -> list[tuple[str, Path]]:
    """Return the modules of ``package`` as (dotted name, file), sorted, without those whose name
    begins with ``_``.
    """
    folder = ROOT.joinpath(*package.split("."))
    return [(f"{package}.{file.stem}", file) for file in sorted(folder.glob("*.py")) if not file.stem.startswith("_")]


def first_sentence(file: Path) -> str:
    """Return the first sentence of the docstring of ``file``, read from the source, or ``""``."""
    try:
        return _first_sentence(file.read_bytes())
    except (OSError, SyntaxError) as error:
        return f"(cannot be read: {error})"


@cache
def _first_sentence(source: bytes) -> str:
    text = ast.get_docstring(ast.parse(source)) or ""
    paragraph = " ".join(text.partition("\n\n")[0].split())
    sentence, stop, _ = paragraph.partition(". ")
    return sentence + stop.strip()


def invariants(file: Path) -> list[tuple[str, str, str]]:
    """Return (id, title, rule) of the invariants that the classes in ``file`` declare, read from
    the source.
    """
    found: list[tuple[str, str, str]] = []
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Tuple):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "invariants" for target in targets):
                found += ast.literal_eval(node.value)
    return found


def _natural(name: str) -> tuple[str, int, str]:
    """Sort I9 before I10."""
    letters = name.rstrip(string.ascii_lowercase).rstrip(string.digits)
    digits = name[len(letters) :].rstrip(string.ascii_lowercase)
    return (letters, int(digits or 0), name)


def choose(kind: str, name: str, names: Iterable[str]) -> str:
    """Return ``name`` if it is one of ``names``; else raise a UsageError that lists the close ones."""
    known = sorted(names)
    if name in known:
        return name
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or difflib.get_close_matches(
        name.upper(), known, n=3, cutoff=0.5
    )
    more = f" and {len(known) - KNOWN_MAX} more" if len(known) > KNOWN_MAX else ""
    hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known[:KNOWN_MAX]) or 'none'}{more}"
    raise UsageError(f"unknown {kind} '{name}'; {hint} (zapstress list shows all)")


def once(kind: str, names: Iterable[str]) -> None:
    """Raise a UsageError if one of ``names`` is there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UsageError(f"{kind} '{name}' is named twice; once is enough")
        seen.add(name)


def only_class(module: ModuleType, file: Path, base: type | None, attribute: str = "") -> type:
    """Return the one public class that ``module`` defines: a subclass of ``base``, or one with
    ``attribute``.
    """
    found = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__ and not value.__name__.startswith("_")
        if (base is not None and issubclass(value, base)) or (attribute and attribute in vars(value))
    ]
    if len(found) != 1:
        raise UsageError(f"{file.name}: defines {len(found)} classes of the kind wanted, and should define one")
    return found[0]


def fault_id(file: Path) -> str:
    """Return the id that a fault's file name begins with: ``m05_xxx.py`` is M05."""
    return file.stem.partition("_")[0].upper()


class Catalogue:
    """What there is, by name. Tests put their own in its place."""

    def list(self, kind: str) -> dict[str, str]:
        """Return name -> one line about it, for one of KINDS, in the order to be shown."""
        found: dict[str, str] = getattr(self, kind)()
        return found

    def scenarios(self) -> dict[str, str]:
        """Return the scenarios: name -> first sentence."""
        return {file.stem: first_sentence(file) for _, file in modules("scenarios")}

    def faults(self) -> dict[str, str]:
        """Return the faults: id -> first sentence."""
        return {
            fault_id(file): first_sentence(file).removeprefix(f"{fault_id(file)}: ")
            for _, file in modules("scenarios.faults")
        }

    def patches(self) -> dict[str, str]:
        """Return the patches with a mistake in them: name -> first sentence."""
        return {name: first_sentence(file) for name, file in self.patch_files().items()}

    def patch_files(self) -> dict[str, Path]:
        """Return the same: name -> file, which is given with ``--patch``."""
        return {file.stem: file for _, file in modules("scenarios.patches")}

    def strategies(self) -> dict[str, str]:
        """Return the strategies that can search; what follows a tape is none."""
        return {
            name: first_sentence(file) for name, (_, file) in self._strategy_files().items() if name not in FOLLOWING
        }

    def _strategy_files(self) -> dict[str, tuple[str, Path]]:
        return {file.stem.replace("_", "-"): (module, file) for module, file in modules("stress.strategies")}

    def profiles(self) -> dict[str, str]:
        """Return the architecture profiles: name -> what is its own."""
        return {name: profile.about for name, profile in _all_profiles().items()}

    def kernels(self) -> dict[str, str]:
        """Return the kernel versions that the model has."""
        from sim.versions import VERSIONS

        return {name: version.about for name, version in VERSIONS.items()}

    def checkers(self) -> dict[str, str]:
        """Return the checkers: id -> title and rule."""
        files = [*(file for _, file in modules("sim.checks")), ROOT / "sim" / "core" / "ledger.py"]
        files += sorted((ROOT / "sim" / "versions").rglob("*.py"))
        found: dict[str, list[str]] = {name: [about] for name, about in MACHINE_CHECKERS.items()}
        for file in files:
            for name, title, rule in invariants(file):
                found.setdefault(name, []).append(f"{title}: {rule}")
        return {name: "; ".join(found[name]) for name in sorted(found, key=_natural)}

    def components(self) -> dict[str, str]:
        """Return the components that a patch can override: name -> what the first class is."""
        classes = {name: next(iter(places.values())) for name, places in self.model().classes.items()}
        return {name: " ".join((cls.__doc__ or "").partition("\n\n")[0].split()) for name, cls in classes.items()}

    def profile(self, name: str) -> Profile:
        """Return the profile of that name. Raises UsageError."""
        found = _all_profiles()
        return found[choose("profile", name, found)]

    def scenario_class(self, name: str) -> type[Scenario]:
        """Return the class of the scenario of that name, or of the user's file. Raises UsageError."""
        if (own := self.scenario_file(name)) is not None:
            found: type[Scenario] = own.classes[0]
            return found
        return _scenario_class(name)

    def scenario_file(self, name: str) -> Patch | None:
        """Return the user's file that ``name`` is, read once per process; None if it is the name of
        a scenario that is built in. Raises UsageError for a mistake in it.
        """
        if is_file(name) and name not in _SCENARIOS:
            _SCENARIOS[name] = load_scenario(name)
        return _SCENARIOS[name] if is_file(name) else None

    def parameters(self, scenario: str, profile: Profile, geometry: str) -> Sequence[dict[str, int]]:
        """Return the parameter sets of a scenario. Raises UsageError, and ScenarioError."""
        return parameters_of(self.scenario_class(scenario), profile, geometry)

    def smallest(self, scenario: str, profile: Profile, geometry: str) -> Sequence[dict[str, int]]:
        """Return the smallest programs of a scenario, of which executions need not make one."""
        return self.scenario_class(scenario).smallest(profile, geometry)

    def choose_scenario(self, name: str) -> str:
        """Return ``name`` if it is a scenario's, or a user's file with one. Raises UsageError."""
        return name if self.scenario_file(name) is not None else choose("scenario", name, self.scenarios())

    def fault_class(self, name: str) -> type:
        """Return the class of the fault of that id. Raises UsageError."""
        files = {fault_id(file): (module, file) for module, file in modules("scenarios.faults")}
        module, file = files[choose("fault", name.upper(), files)]
        return only_class(importlib.import_module(module), file, None, "id")

    def fault_for(self, name: str, kernel: str) -> type:
        """Return the class of the fault of that id. Raises UsageError if it is for versions that
        ``kernel`` is none of.
        """
        fault = self.fault_class(name)
        known = kernels_of(fault)
        if known and kernel not in known:
            raise UsageError(
                f"fault {name} is for kernel {' or '.join(known)}, not {kernel}; give --kernel {known[0]} with it"
            )
        return fault

    def strategy(self, name: str, **options: int) -> Strategy:
        """Return a new strategy; ``options`` are its constructor's. Raises UsageError."""
        from stress.strategies import Strategy

        files = self._strategy_files()
        module, file = files[choose("strategy", name, files.keys() - FOLLOWING)]
        try:
            made: Strategy = only_class(importlib.import_module(module), file, Strategy)(**options)
        except TypeError:
            raise UsageError(f"strategy {name} has no option {' or '.join(sorted(options))}") from None
        return made

    def model(self) -> Model:
        """Return what a patch can override, on every profile and version."""
        return _model()

    def patch(self, specs: tuple[str, ...], places: Sequence[Place] = ()) -> Patch | None:
        """Return the patch of ``specs``, read and vetted once per process; None if there are none.
        ``places`` are where it is to run.

        Raises UsageError for a mistake in it.
        """
        key = (type(self), specs)
        if specs and key not in _PATCHES:
            _PATCHES[key] = vetted(load(specs), self.model(), places)
        return _PATCHES[key] if specs else None

    def read_patches_anew(self) -> None:
        """Forget the patches and scenarios that were read: a command runs what the files hold when
        it begins.
        """
        _PATCHES.clear()
        _SCENARIOS.clear()

    def check_patch(self, specs: tuple[str, ...], profiles: Iterable[str], kernel: str) -> None:
        """Raise UsageError if the patch of ``specs`` is wrong, or if nothing of it can run on any
        of ``profiles``.
        """
        places = [(profile, kernel) for profile in profiles]
        patch = self.patch(specs, places)
        if patch is None:
            return
        reasons: dict[str, str] = {}
        for place in places:
            found = absent(patch, self.model(), place)
            if len(found) < len(patch.overrides):
                return
            reasons |= {why: name for name, why in found.items()}
        why, name = next(iter(reasons.items()))
        where = f"{', '.join(profile for profile, _ in places)}, kernel {kernel}"
        raise UsageError(f"--patch {specs[0]}: nothing of it can run on {where}: {name}: {why}")

    def never_ran(
        self, specs: tuple[str, ...], profiles: Iterable[str], kernel: str, ran: Mapping[str, int]
    ) -> tuple[str, ...]:
        """Return the overrides of the patch of ``specs`` that can run on one of ``profiles`` and
        did not: of them nothing is known, however clean the executions were.
        """
        patch = self.patch(specs)
        if patch is None:
            return ()
        missing = [absent(patch, self.model(), (profile, kernel)) for profile in profiles]
        idle = (name for name in patch.overrides if not ran.get(name))
        return tuple(name for name in idle if any(name not in here for here in missing))

    def parts(self, patch: Patch | None, profile: Profile, kernel: str) -> tuple[type, ...]:
        """Return the classes of ``patch`` that can stand in front of their components there, made
        to count their runs.
        """
        if patch is None:
            return ()
        place, model = (profile.name, kernel), self.model()
        return tuple(part for part in counting(patch) if not unfit(part.__bases__[0], model, place))

    def compose(
        self,
        *,
        profile: Profile,
        geometry: str,
        kernel: str,
        world: Any,
        faults: tuple[str, ...],
        patch: Patch | None = None,
    ) -> Any:
        """Return a composed kernel: the version ``kernel``, under ``patch``, under the faults whose
        ids are ``faults``. Raises UsageError for what does not exist, or is for other versions.
        """
        from sim.compose import compose

        choose("kernel", kernel, self.kernels())
        planted = (self.fault_for(name, kernel) for name in faults)
        classes = (*self.parts(patch, profile, kernel), *planted)
        return compose(profile=profile, geometry=geometry, version=kernel, world=world, parts=classes)


@cache
def _model() -> Model:
    from sim.compose import classes_of
    from sim.versions import VERSIONS

    found: dict[str, dict[Place, type]] = {}
    for version in VERSIONS:
        for name, profile in _all_profiles().items():
            for component, cls in classes_of(profile, version).items():
                found.setdefault(component, {})[name, version] = cls
    return Model(found)


@cache
def _all_profiles() -> dict[str, Profile]:
    return {
        profile.name: profile
        for module, _ in modules("sim.arch")
        for profile in getattr(importlib.import_module(module), "PROFILES", ())
    }


@cache
def _scenario_class(name: str) -> type[Scenario]:
    """Return the class of a scenario of this tree, which is looked for once in a process."""
    from stress.scenario import Scenario

    files = {file.stem: (module, file) for module, file in modules("scenarios")}
    module, file = files[choose("scenario", name, files)]
    return only_class(importlib.import_module(module), file, Scenario)


def spec_of(catalogue: Catalogue) -> str:
    """Return how another process finds a catalogue: ``module:attribute``, which those of tests have
    as their ``spec``.
    """
    return getattr(catalogue, "spec", DEFAULT_CATALOGUE)


def find_catalogue(spec: str) -> Catalogue:
    """Return the catalogue at ``module:attribute``."""
    module, _, name = spec.partition(":")
    found: Catalogue = getattr(importlib.import_module(module), name)
    return found


CATALOGUE = Catalogue()
