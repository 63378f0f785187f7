"""A search that is not finished goes on in another process, as if it had never stopped; a file that
is damaged, or of another space, is not taken up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec
import pytest

from stress.catalogue import CATALOGUE
from stress.execution.runner import open_runner
from stress.machine.driver import run_plain
from stress.native.compilers import QUICK
from stress.native.kernels import KernelKey
from stress.native.proofs.certificate import file_of, read_certificate
from stress.native.proofs.proof import Job, Prover
from stress.native.proofs.result import PROVED, UNFINISHED, Answer
from stress.native.proofs.unfinished import SUFFIX
from stress.native.search.explore import Ended, Exploration, StateReduction
from stress.native.search.space import StateSpace
from tests.stress.native.compiled import cases, needs_compiler

pytestmark = needs_compiler

LONGER = cases("munmap_vs_fault", "x86-64", "6.9")[0]
"""A case of a hundred thousand transitions."""


class Hasty:
    """A clock on which every look takes a while."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now = seconds, 0.0

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Answer, list[str]]:
    """What comes of the longer case in one go, and the functions that its proof rests on."""
    return longer(tmp_path_factory.mktemp("whole"), 60.0)


def longer(directory: Path, seconds: float, clock: Callable[[], float] = time.monotonic) -> tuple[Answer, list[str]]:
    prover = Prover(CATALOGUE, lambda words: None, (LONGER.scenario,), QUICK, clock)
    made = run_plain(prover.prove(Job(LONGER, seconds, 1 << 20, str(directory), bounded=False, kept=True)))
    known = read_certificate(file_of(LONGER, directory))
    return made, sorted(known.basis.functions) if known is not None else []


def kept_in(directory: Path) -> Path:
    return file_of(LONGER, directory).with_suffix(SUFFIX)


def test_a_search_goes_on_from_the_disk(whole: tuple[Answer, list[str]], tmp_path: Path) -> None:
    """In parts, each of a prover that knows nothing of the others: as in one go."""
    made, functions = longer(tmp_path, 20.0, Hasty(3.0))
    parts = 1
    while made.kind == UNFINISHED:
        assert kept_in(tmp_path).exists() and not functions and (parts == 1) != ("several runs" in made.words)
        made, functions = longer(tmp_path, 20.0, Hasty(3.0))
        parts += 1
    assert parts > 2 and not kept_in(tmp_path).exists()
    counts = [(one.kind, one.states, one.transitions, one.classes) for one in (made, whole[0])]
    assert counts[0] == counts[1] and functions == whole[1]
    assert made.seconds > 20.0, "of all parts"


def test_a_short_search_is_not_kept(tmp_path: Path) -> None:
    made, _ = longer(tmp_path, 0.02)
    assert made.kind == UNFINISHED and not kept_in(tmp_path).exists()


def test_a_search_of_another_space_is_not_taken_up(tmp_path: Path) -> None:
    longer(tmp_path, 20.0, Hasty(3.0))
    head, _, words = kept_in(tmp_path).read_bytes().partition(b"\n")
    other = msgspec.json.encode(msgspec.json.decode(head) | {"space": "another"})
    kept_in(tmp_path).write_bytes(other + b"\n" + words)
    made, _ = longer(tmp_path, 20.0, Hasty(3.0))
    assert "several runs" not in made.words


def test_a_damaged_search_is_not_taken_up(whole: tuple[Answer, list[str]], tmp_path: Path) -> None:
    """Also where its hash has been made right: it crashes nothing, and begins anew."""
    longer(tmp_path, 20.0, Hasty(3.0))
    head, _, words = kept_in(tmp_path).read_bytes().partition(b"\n")
    plain, draw = msgspec.json.decode(head), Random(1)
    damaged = [words[:-8], words[:80], b"", words + bytes(8), bytes(len(words))]
    for _ in range(40):
        at, value = 8 * draw.randrange(60), draw.choice((0, 1, -1, 1 << 62, draw.getrandbits(63)))
        damaged.append(words[:at] + value.to_bytes(8, "little", signed=True) + words[at + 8 :])

    async def taken() -> list[bool]:
        prover = Prover(CATALOGUE, lambda words: None, (LONGER.scenario,), QUICK)
        async with open_runner(LONGER, "plain") as runner:
            space, found = StateSpace(prover.library(KernelKey.of(LONGER)), runner), list[bool]()
            for one in [*damaged, words]:
                exploration = Exploration(space, StateReduction.NONE, 1 << 20)
                found.append(exploration.take_up(one))
                assert exploration.go_on(1000) == Ended.NOT_YET or found[-1]
            return found

    found = run_plain(taken())
    assert found[-1] and not any(found[:5])
    kept_in(tmp_path).write_bytes(msgspec.json.encode(plain) + b"\n" + words[:-8] + bytes(8))
    made, _ = longer(tmp_path, 60.0)
    assert (made.kind, made.states) == (PROVED, whole[0].states) and "several runs" not in made.words
