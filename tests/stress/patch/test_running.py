"""What a patch does while it runs: it is counted, judged, and stopped if it spins."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.errors import USAGE
from stress.execution.outcome import Outcome
from stress.execution.runner import Runner, open_runner
from stress.execution.signature import signature_of
from stress.machine.chance import RandomData
from stress.patch import watchdog
from stress.patch.guard import PatchError, Spun
from stress.patch.watchdog import TICKS_INSIDE_MAX, TICKS_MAX, Watchdog
from tests.stress.patch.patches import method, written

SCENARIO = ("munmap_vs_access", (("order", 2), ("store", 1)), "x86-64")


def case(path: str, kernel: str = "6.9", profile: str = "x86-64") -> Case:
    """Return a case that reaches every part of a zap."""
    return Case(SCENARIO[0], SCENARIO[1], profile, kernel=kernel, patch=(path,))


def execute(runner: Runner, seed: int = 0) -> Outcome:
    """Execute once."""
    return runner.run(CATALOGUE.strategy("random"), seed, RandomData(seed))


async def outcome_of(path: str) -> tuple[str, str, str]:
    """Return kind, reason and signature of the first execution under a patch."""
    async with open_runner(case(path), "plain") as runner:
        outcome = execute(runner)
        return outcome.verdict.kind, outcome.verdict.reason, signature_of(outcome)


async def error_of(path: str) -> str:
    """Return the error with which the first execution under a patch ends; its outcome says so too."""
    async with open_runner(case(path), "plain") as runner:
        with pytest.raises(PatchError) as caught:
            execute(runner)
        assert USAGE == caught.value.exit_status
        outcome = runner.error_outcome(0)
        assert ("error", str(caught.value)) == (outcome.verdict.kind, outcome.verdict.reason)
        return str(caught.value)


async def test_the_runs_of_each_override_are_counted(tmp_path: Path) -> None:
    """By kernel, from the setup on; what is a class attribute counts when it is read."""
    text = method("def rss_nr(self, nr)", "return super().rss_nr(nr)") + (
        "\nclass Words:\n    component = 'mmu_gather'\n    entry_words = 2\n"
        "    def delayed_nr(self, words, i):\n        return super().delayed_nr(words, i)\n"
    )
    path = written(tmp_path, text)
    async with open_runner(case(path), "plain") as one, open_runner(case(path), "plain") as other:
        assert {"memory.rss_nr": 0, "mmu_gather.entry_words": 0, "mmu_gather.delayed_nr": 0} == one.override_runs()
        execute(one)
        first = one.override_runs()
        assert first["memory.rss_nr"] > 0 == first["mmu_gather.delayed_nr"]
        assert first["mmu_gather.entry_words"] > 0
        execute(one)
        assert one.override_runs()["memory.rss_nr"] > first["memory.rss_nr"]
        assert not any(other.override_runs().values())


async def test_a_patch_that_changes_nothing_changes_no_step(tmp_path: Path) -> None:
    """Counting and judging make no step."""
    path = written(
        tmp_path, method("async def remove_rmaps(self, zap, batch)", "await super().remove_rmaps(zap, batch)")
    )
    digests = set()
    for patch in ((), (path,)):
        async with open_runner(Case(*SCENARIO, patch=patch), "plain") as runner:
            digests.add(execute(runner).digest())
    assert 1 == len(digests)


@pytest.mark.parametrize("kernel", ["6.9", "6.9-perpage", "6.18"])
@pytest.mark.parametrize("profile", ["x86-64", "arm64-4k", "s390x", "ppc64-hash"])
async def test_any_version_and_profile_can_be_patched(tmp_path: Path, kernel: str, profile: str) -> None:
    path = written(tmp_path, method("def rss_nr(self, nr)", "return nr"))
    async with open_runner(case(path, kernel, profile), "plain") as runner:
        assert "clean" == execute(runner).verdict.kind
        assert runner.override_runs()["memory.rss_nr"] > 0


async def test_bug_on_is_a_violation(tmp_path: Path) -> None:
    """Its words and its line are told; its signature is not that of another one."""
    found = set()
    for words in ("too many", "far too many"):
        text = method(
            "def rss_nr(self, nr)", f"BUG_ON(nr > 1, '{words}')\nreturn nr", before="from sim.core.bug import BUG_ON\n"
        )
        path = written(tmp_path, text, f"{words.replace(' ', '_')}.py")
        kind, reason, signature = await outcome_of(path)
        assert ("violation", f"BUG bug-on: {words} ({path}:7)") == (kind, reason)
        found.add(signature)
    assert 2 == len(found)


async def test_an_assertion_of_the_patch_is_a_violation(tmp_path: Path) -> None:
    path = written(tmp_path, method("def rss_nr(self, nr)", "assert nr < 2\nreturn nr"))
    kind, reason, _ = await outcome_of(path)
    assert ("violation", f"BUG assertion: assert nr < 2 ({path}:6)") == (kind, reason)


async def test_any_other_exception_is_the_patchs_mistake(tmp_path: Path) -> None:
    path = written(tmp_path, method("def rss_nr(self, nr)", "return self.gather_fulmm[nr]"))
    told = (
        f"{path}:6: in rss_nr: AttributeError: 'Mine' object has no attribute 'gather_fulmm'; did you mean gather_full"
    )
    assert (await error_of(path)).startswith(told)
    path = written(tmp_path, method("def rss_nr(self, nr)", "return nr[0]"), "other.py")
    assert f"{path}:6: in rss_nr: TypeError: 'int' object is not subscriptable" == await error_of(path)


async def test_a_private_column_is_no_argument_of_a_primitive(tmp_path: Path) -> None:
    body = "await self.m.load(0, self.gather_nr, 0)\nawait super().remove_rmaps(zap, batch)"
    path = written(tmp_path, method("async def remove_rmaps(self, zap, batch)", body))
    assert "; a private column is read and written with [], only a shared one by a primitive" in await error_of(path)


@pytest.mark.parametrize("driver", ["fast", "reference"])
async def test_a_trio_primitive_in_the_patch_is_the_patchs_mistake(tmp_path: Path, driver: str) -> None:
    body = "await trio.sleep(0)\nawait super().remove_rmaps(zap, batch)"
    path = written(tmp_path, method("async def remove_rmaps(self, zap, batch)", body, before="import trio\n"))
    async with open_runner(case(path), driver) as runner:
        with pytest.raises(PatchError, match=r"mine\.py:7: actor .* awaited a trio primitive"):
            await runner.execute(CATALOGUE.strategy("random"), 0, RandomData(0))


async def test_what_an_override_returned_may_be_the_cause(tmp_path: Path) -> None:
    """The model ran into it: the override is named, and where."""
    path = written(tmp_path, method("def rss_nr(self, nr)", "return None"))
    told = await error_of(path)
    assert told.startswith(f"{path}:5: memory.rss_nr: the model went wrong, perhaps over what this returned: TypeError")
    assert "(in lower_rss, memory.py:" in told


async def test_what_goes_wrong_while_the_kernel_is_made(tmp_path: Path) -> None:
    path = written(tmp_path, method("def fields(self)", "return [1 / 0]"))
    with pytest.raises(PatchError, match=r"mine\.py:6: in fields: ZeroDivisionError"):
        async with open_runner(case(path), "plain"):
            pass


async def test_a_coroutine_that_is_dropped_is_the_patchs_mistake(tmp_path: Path) -> None:
    """One that only shows while it runs; nothing else is printed of it."""
    body = "async def later():\n    pass\nfor work in (later,):\n    work()\nawait super().remove_rmaps(zap, batch)"
    path = written(tmp_path, method("async def remove_rmaps(self, zap, batch)", body))
    with warnings.catch_warnings(record=True) as shown:
        told = await error_of(path)
    assert f"{path}:9: " in told and "later() is a coroutine that is never awaited" in told
    assert not shown


async def test_a_loop_without_a_step_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it catches."""
    monkeypatch.setattr(watchdog, "TICK_SECONDS", 0.01)
    body = "while True:\n    try:\n        nr += 1\n    except Exception:\n        pass"
    path = written(tmp_path, method("def rss_nr(self, nr)", body))
    told = await error_of(path)
    assert "in rss_nr: no step for" in told and told.startswith(f"{path}:")
    assert told.split(":")[1] in ("6", "7", "8")


class Standing:
    """A machine in the middle of an execution, of which the test says how far it is."""

    live = True
    seq = 0


def test_ticks_without_a_step_are_counted() -> None:
    dog, machine = Watchdog(), Standing()
    dog.watch(machine)
    for step in range(3):
        machine.seq = step
        for _ in range(TICKS_MAX):
            dog.tick()
    with pytest.raises(Spun):
        dog.tick()


def test_nothing_is_watched_that_is_over() -> None:
    dog, machine = Watchdog(), Standing()
    dog.watch(machine)
    machine.live = False
    for _ in range(2 * TICKS_MAX):
        dog.tick()
    assert 0 == dog.ticks


def test_with_files_only_ticks_inside_them_count() -> None:
    """A process that waits for another one makes no step either."""
    dog, machine = Watchdog(), Standing()
    dog.watch(machine, frozenset({"another.py"}))
    inside = compile("raise ValueError", "another.py", "exec")
    try:
        exec(inside)
    except ValueError as error:
        assert error.__traceback__ is not None and error.__traceback__.tb_next is not None
        frame = error.__traceback__.tb_next.tb_frame
    for _ in range(2 * TICKS_MAX):
        dog.tick()
    assert 0 == dog.ticks
    for _ in range(TICKS_INSIDE_MAX - 1):
        dog.tick(0, frame)
    with pytest.raises(Spun):
        dog.tick(0, frame)


async def test_an_access_to_an_object_that_is_not_there_is_a_violation(tmp_path: Path) -> None:
    """Below the first cell or above the last: the model makes it, over what the patch has told it."""
    path = written(tmp_path, method("def batch_page(self, folio, page)", "return folio + 10_000"))
    kind, reason, above = await outcome_of(path)
    assert "violation" == kind and reason.startswith("OOPS wild-access: an index is out of bounds in ")
    path = written(tmp_path, method("def batch_page(self, folio, page)", "return -1"), "below.py")
    kind, reason, below = await outcome_of(path)
    assert "violation" == kind and "page_mapcount[-1]" in reason and above != below
