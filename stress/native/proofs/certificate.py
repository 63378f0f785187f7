"""A proof on disk: a JSON file that says what was proved, how, and of which functions.

It holds as long as the case begins in the same state, its table (sizes, parameters, columns) is the
same, and none of the functions that ran in its space has changed: what did not run there cannot
change anything there. So an edit elsewhere keeps it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from stress.case import Case
from stress.files import DAMAGED, make_folder, read_plain, write_atomically
from stress.native.files import SEARCH, digest_of, read
from stress.native.search.explore import WORD_BITS, Extent, StateReduction, missed_chance
from stress.native.search.space import StateSpace

FORMAT = 1
FILE_MIB_MAX = 4
RUNTIME = ("words.h", "words.c", "runtime.h", "runtime.c", *SEARCH)
SCOPE = "every interleaving, sequentially consistent, of these threads in a world of this size, with every choice drawn"


@dataclass(frozen=True)
class Basis:
    """What a proof rests on, as hashes."""

    runtime: str
    table: str
    start: str
    functions: dict[str, str]
    """Of each function that ran in the space: the hash of its C."""

    def holds(self, now: Basis) -> bool:
        """Return whether a proof on this basis holds for a kernel with the functions of ``now``."""
        same = (self.runtime, self.table, self.start) == (now.runtime, now.table, now.start)
        return same and all(now.functions.get(name) == text for name, text in self.functions.items())


@dataclass(frozen=True)
class Certificate:
    """A proof. ``classes`` counts the different ends."""

    format: int
    scenario: str
    parameters: dict[str, int]
    profile: str
    geometry: str
    kernel: str
    faults: list[str]
    patch: list[str]
    scope: str
    states: int
    transitions: int
    classes: int
    longest: int
    reductions: str
    livelocks: str
    hash_bits: int
    missed_chance: float
    overrides: dict[str, int]
    """How often each override of the patch ran."""
    seconds: float
    replayed: int
    """Executions of the space that Python has made too, with the same steps and verdict."""
    basis: Basis

    def save(self, file: Path) -> None:
        """Write it, whole or not at all. Raises StorageError."""
        make_folder(file.parent)
        write_atomically(file, (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode())

    @property
    def case(self) -> Case:
        """The case that it is of."""
        params = tuple(sorted(self.parameters.items()))
        faults, patch = tuple(self.faults), tuple(self.patch)
        return Case(self.scenario, params, self.profile, self.geometry, self.kernel, faults, patch)

    def holds(self, space: StateSpace) -> bool:
        """Return whether it holds for a case as it is now."""
        return self.case == space.runner.case and self.basis.holds(basis_of(space, everything=True))


def certify(
    space: StateSpace,
    counts: Extent,
    seconds: float,
    replayed: int,
    reduction: StateReduction,
    overrides: dict[str, int],
) -> Certificate:
    """Return the certificate of a space that has been explored to its end."""
    case = space.runner.case
    none = "none: no execution comes to the same state twice"
    left_out = f"left out: {counts.cycles} transitions lead back into a state of their own execution"
    return Certificate(
        FORMAT, case.scenario, dict(case.params), case.profile, case.geometry, case.kernel, list(case.faults),
        list(case.patch), SCOPE, counts.states, counts.transitions, counts.ends, counts.deepest,
        reduction.value, left_out if counts.cycles or reduction != StateReduction.NONE else none, WORD_BITS,
        missed_chance(counts.states), overrides, round(seconds, 3), replayed, basis_of(space),
    )  # fmt: skip


def basis_of(space: StateSpace, everything: bool = False) -> Basis:
    """Return what a proof of ``space`` rests on: the functions that have run in it, or
    ``everything`` that the kernel has.
    """
    known = space.library.manifest.functions
    names = known if everything else {*space.functions_ran(), *(name for name in known if name.startswith("gate "))}
    return Basis(
        runtime="".join(digest_of(read(name)) for name in RUNTIME),
        table=digest_of(repr(space.described())),
        start=hashlib.blake2b(space.runner.snapshot, digest_size=8).hexdigest(),
        functions={name: known[name] for name in sorted(names)},
    )


def file_of(case: Case, directory: Path) -> Path:
    """Return where the certificate of a case is kept."""
    rest = digest_of(repr((case.params, case.geometry, case.faults, case.patch)))
    name = re.sub(r"\W+", "_", Path(case.scenario).stem)
    return directory / f"{name}-{case.profile}-{case.kernel}-{rest}.json"


def read_certificate(file: Path) -> Certificate | None:
    """Return the certificate that a file holds; None if it holds none, or one of another format.

    The file may be anybody's: nothing is waited for, and each field has the type that it should.
    """
    try:
        found = msgspec.json.decode(read_plain(file, FILE_MIB_MAX), type=Certificate)
    except DAMAGED:
        return None
    return found if found.format == FORMAT else None
