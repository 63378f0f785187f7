"""What a patch overrides is looked up before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from stress.catalogue import CATALOGUE
from stress.errors import UsageError
from stress.patch.vet import absent
from tests.stress.patch.patches import loaded, method, written

PLACE = ("x86-64", "6.9")


@pytest.mark.parametrize(
    ("signature", "body", "component", "what"),
    [
        (
            "def rss_number(self, nr)",
            "return nr",
            "memory",
            r"mine\.py:5: memory\.rss_number: .* did you mean rss_nr\?",
        ),
        ("def _adds(self, batch, nr, cpu, folio)", "return True", "swap", r"did you mean _add\?"),
        ("def rss_nr(self, nr)", "return nr", "swap", r"it is of memory: say component = 'memory'"),
        ("def rss_nr(self, nr)", "return nr", "memmory", r"no component 'memmory'; did you mean memory"),
        ("def rss_nr(self)", "return 1", "memory", r"its signature is \(self\), and in the model \(self, nr\)"),
        ("def rss_nr(self, zap, nr)", "return 1", "memory", r"\(self, zap, nr\), and in the model \(self, nr\)"),
        ("def rss_nr(self, n)", "return 1", "memory", r"\(self, n\), and in the model \(self, nr\)"),
        ("async def rss_nr(self, nr)", "return 1", "memory", "is 'async def', and the model does not await it"),
        ("def remove_rmaps(self, zap, batch)", "pass", "memory", "is 'def', and the model awaits it"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, signature: str, body: str, component: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        loaded(tmp_path, method(signature, body, component))


@pytest.mark.parametrize(
    ("name", "kernel", "what"),
    [
        ("is_sole_ownr", "6.9", "is_sole_owner is there only in kernel 6.18, "),
        ("is_sole_ownr", "6.18", r"did you mean is_sole_owner\?"),
        ("pages_to_mapp", "6.9", "pages_to_map is there only in kernel 6.12, .*; did you mean wp_page_copy"),
    ],
)
def test_what_may_have_been_meant_is_there(tmp_path: Path, name: str, kernel: str, what: str) -> None:
    """What another version alone has is offered as its own."""
    spec = written(tmp_path, method(f"def {name}(self)", "return 1", "page_fault"))
    with pytest.raises(UsageError, match=what):
        CATALOGUE.check_patch((spec,), ("x86-64",), kernel)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("class Mine:\n    component = 'memory'\n", r"mine\.py:1: class Mine overrides nothing of memory"),
        ("class Mine:\n    component = 'mmu_gather'\n    entry_wrds = 1\n", r"mine\.py:3: .* did you mean entry_words"),
        ("class Mine:\n    component = 'mmu_gather'\n    chunk = 3\n", "it is an attribute, and in the model a method"),
        (
            "class Mine:\n    component = 'mmu_gather'\n    def entry_words(self):\n        return 1\n",
            "a method, and in",
        ),
    ],
)
def test_what_does_not_fit_about_a_class(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        loaded(tmp_path, text)


@pytest.mark.parametrize(
    ("signature", "body", "what"),
    [
        (
            "async def remove_rmaps(self, zap, batch)",
            "super().remove_rmaps(zap, batch)",
            r"mine\.py:6: in memory\.remove_rmaps: super\(\)\.remove_rmaps\(\) is a coroutine that is never awaited",
        ),
        (
            "async def remove_rmaps(self, zap, batch)",
            "return super().remove_rmaps(zap, batch)",
            "write 'await super",
        ),
        (
            "async def remove_rmaps(self, zap, batch)",
            "gather, rmap = self.k.mmu_gather, self.k.rmap\ngather.tlb_flush_mmu(zap.tlb)",
            r"mine\.py:7: .*gather\.tlb_flush_mmu\(\) is a coroutine",
        ),
        (
            "async def remove_rmaps(self, zap, batch)",
            "k = self.k\nif k.mmu_gather.mm_tlb_flush_nested(zap.mm):\n    return",
            "mm_tlb_flush_nested",
        ),
        (
            "async def remove_rmaps(self, zap, batch)",
            "old = self.m.load(1, self.pte, 0) + 1",
            r"self\.m\.load\(\) is a coroutine",
        ),
        (
            "async def remove_rmaps(self, zap, batch)",
            "nr = await self.rss_nr(1)",
            r"self\.rss_nr\(\) returns no coroutine: leave out its 'await'",
        ),
        ("async def remove_rmaps(self, zap, batch)", "helper()", r"helper\(\) is a coroutine that is never awaited"),
    ],
)
def test_a_coroutine_that_is_not_awaited_is_refused(tmp_path: Path, signature: str, body: str, what: str) -> None:
    helper = "async def helper():\n    pass\n" if "helper()" in body else ""
    with pytest.raises(UsageError, match=what):
        loaded(tmp_path, method(signature, body, before=helper))


@pytest.mark.parametrize(
    ("signature", "body"),
    [
        ("def remove_rmaps(self, zap, batch)", "return super().remove_rmaps(zap, batch)"),
        ("async def remove_rmaps(self, zap, batch)", "work = super().remove_rmaps(zap, batch)\nawait work"),
        ("async def remove_rmaps(self, *args, **more)", "await super().remove_rmaps(*args, **more)"),
        ("async def remove_rmaps(self, zap, batch, twice=False)", "await super().remove_rmaps(zap, batch)"),
        ("def rss_nr(self, nr)", "return self.helper(nr)\n\ndef helper(self, nr):\n    return nr"),
        ("def rss_nr(self, nr)", "return nr * self.factor\n\nfactor = 2"),
    ],
)
def test_what_fits_is_taken(tmp_path: Path, signature: str, body: str) -> None:
    patch = loaded(
        tmp_path, method(signature, body).replace("        def", "    def").replace("        factor", "    factor")
    )
    assert 1 == len(patch.overrides)
    assert not absent(patch, CATALOGUE.model(), PLACE)


def test_what_a_class_inherits_is_overridden_too(tmp_path: Path) -> None:
    """From bases of the user's; those of the model's own are no overrides."""
    text = """
        from sim.mm.memory import Memory

        class Base:
            def rss_nr(self, nr):
                return nr

        class Mine(Base, Memory):
            component = 'memory'

            def full(self, zap):
                return False
    """
    assert ("memory.rss_nr", "memory.full") == loaded(tmp_path, text).overrides


def test_an_override_that_cannot_run_somewhere_has_its_reason(tmp_path: Path) -> None:
    model = CATALOGUE.model()
    block = loaded(tmp_path, method("def block(self, ptep)", "return ptep", "pgtable"))
    assert not absent(block, model, ("arm64-4k", "6.9"))
    assert {"pgtable.block": "it is there only on arm64-4k, arm64-16k, arm64-64k"} == absent(block, model, PLACE)
    empty = loaded(tmp_path, method("async def is_empty(self, table)", "return True", "pt_reclaim"))
    assert {
        "pt_reclaim.is_empty": "pt_reclaim is there only in kernel 6.18, 6.18-flushfirst, 7.3, 7.3-flushfirst"
    } == absent(empty, model, PLACE)
    assert not absent(empty, model, ("x86-64", "6.18"))


def test_a_class_of_another_architecture_does_not_stand_here(tmp_path: Path) -> None:
    """A subclass of arm64's component would make an arm64 of x86-64."""
    text = """
        from sim.arch.arm64 import Arm64Pgtable

        class Mine(Arm64Pgtable):
            component = 'pgtable'

            def fresh(self, pte):
                return pte
    """
    patch = loaded(tmp_path, text)
    why = "Mine subclasses Arm64Pgtable, and here stands Pgtable"
    assert {"pgtable.fresh": why} == absent(patch, CATALOGUE.model(), PLACE)
    profile = CATALOGUE.profile("x86-64")
    assert () == CATALOGUE.parts(patch, profile, "6.9")
    assert 1 == len(CATALOGUE.parts(patch, CATALOGUE.profile("arm64-4k"), "6.9"))
