"""One worker of a conformance run: a rig on a CPU of its own, which checks programs by their seeds."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from sim.core.profile import REAL, Profile, World
from sim.kernel import Kernel
from stress.catalogue import Catalogue
from stress.conform.comparison import Found, Rig, Tally
from stress.conform.draw import from_seed
from stress.conform.linux.folio_sizes import Sizes
from stress.conform.listing import listing
from stress.conform.model.run import Compose
from stress.conform.shrink import shrink
from stress.programs.program import Program

SHRINK_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Setting:
    """What a run is about: plain values, to be sent."""

    profile: str
    kernel: str
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """A difference, as it is kept."""

    signature: str
    seed: int
    program: str
    """Text of the program's file, shrunk."""
    listing: str
    differences: tuple[str, ...]
    runs: int
    """How often the program was run again as it was."""
    reproduced: int
    """How often it differed in the same way."""
    smallest: bool
    """Whether nothing smaller by one step differs so: not if it did not differ each time, or the
    time for shrinking was up.
    """


@dataclass
class Result:
    """What came of some seeds."""

    executions: int = 0
    tally: Tally = field(default_factory=Tally)
    findings: list[Finding] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    """Signatures of further programs that differ."""


def composer(catalogue: Catalogue, setting: Setting) -> tuple[Profile, Compose]:
    """Return the profile, and what composes the kernel in the real geometry."""
    profile = catalogue.profile(setting.profile)

    def compose(shaped: Profile, world: World) -> Kernel:
        kernel: Kernel = catalogue.compose(
            profile=shaped, geometry=REAL, kernel=setting.kernel, world=world, faults=setting.faults
        )
        return kernel

    return profile, compose


def check_seeds(rig: Rig, seeds: range, sizes: Sizes, known: set[str]) -> Result:
    """Check the program of each seed; shrink the first of each signature that is not ``known`` yet."""
    result = Result()
    rig.tally = result.tally
    for seed in seeds:
        found = rig.check(from_seed(seed, sizes))
        result.executions += 1
        if found is None:
            continue
        if found.signature in known:
            result.repeated.append(found.signature)
            continue
        known.add(found.signature)
        result.findings.append(finding(rig, found))
    return result


RUNS = 3


def finding(rig: Rig, found: Found) -> Finding:
    """See whether a difference comes again; if so, shrink the program."""
    counted, rig.tally = rig.tally, Tally()
    reproduced = sum(same(rig, found.program, found.signature) is not None for _ in range(RUNS))
    small, done = shrunk(rig, found) if reproduced == RUNS else (found, False)
    rig.tally = counted
    text = tuple(map(str, small.differences))
    return Finding(
        found.signature,
        found.program.seed,
        small.program.dumps(),
        listing(small.program, small),
        text,
        RUNS,
        reproduced,
        done,
    )


def same(rig: Rig, program: Program, signature: str) -> Found | None:
    """Return what a program shows, if it shows a difference of that signature."""
    found = rig.check(program)
    return found if found is not None and found.signature == signature else None


def shrunk(rig: Rig, found: Found) -> tuple[Found, bool]:
    """Return the same difference of a smaller program, and whether it is the smallest."""
    small, done = shrink(
        found.program, lambda program: same(rig, program, found.signature) is not None, SHRINK_SECONDS_MAX
    )
    again = same(rig, small, found.signature)
    return (again, done) if again is not None else (found, False)


def work(connection: Connection, spec: str, setting: Setting, cpu: int) -> None:
    """Be a worker: answer (seeds, sizes, known signatures) with a Result or an exception, until the
    other end closes.
    """
    from stress.catalogue import find_catalogue

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        with Rig(*composer(find_catalogue(spec), setting), cpu, blind=bool(setting.faults)) as rig:
            while True:
                seeds, sizes, known = connection.recv()
                connection.send(check_seeds(rig, seeds, sizes, known))
    except (EOFError, ConnectionError):
        return
    except Exception as error:  # noqa: BLE001 - the parent raises it
        connection.send(error)
