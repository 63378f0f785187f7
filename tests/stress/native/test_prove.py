"""Proofs: what is proved, violated, unfinished, not reached; certificates that hold, and that do
not.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.cli.main import main
from stress.cli.prove import newest_of, words_of
from stress.errors import CLEAN, FAILED, INCONCLUSIVE, USAGE, VIOLATED
from stress.machine.driver import run_plain
from stress.native.compilers import QUICK
from stress.native.kernels import KernelKey
from stress.native.proofs.certificate import Basis, file_of, read_certificate
from stress.native.proofs.proof import Job, Prover
from stress.native.proofs.result import PROVED, UNFINISHED, VIOLATED_KIND, Answer, status_of
from stress.native.search.explore import missed_chance
from tests.proofs import HEAD, row, written
from tests.stress.native.compiled import cases, needs_compiler

pytestmark = needs_compiler


@pytest.fixture(scope="module")
def prover() -> Prover:
    found = Prover(CATALOGUE, lambda words: None, (CASE.scenario,), QUICK)
    found.library(KernelKey.of(CASE))
    return found


CASE = cases("munmap_vs_access", "x86-64", "6.9")[0]


def asked(prover: Prover, case: Case, directory: Path, seconds: float = 60.0, check: bool = False) -> Answer:
    return run_plain(prover.prove(Job(case, seconds, 1 << 20, str(directory), check)))  # type: ignore[no-any-return]


def test_proved_and_kept(prover: Prover, tmp_path: Path) -> None:
    """A proof is written down, holds, and is confirmed by the other search."""
    made = asked(prover, CASE, tmp_path)
    assert (made.kind, made.known, made.classes > 0) == (PROVED, False, True)
    certificate = read_certificate(Path(made.certificate))
    assert certificate is not None
    assert certificate.case == CASE
    assert certificate.states == made.states
    assert any(name.startswith("zap_pte_range") for name in certificate.basis.functions)
    assert certificate.missed_chance == missed_chance(made.states) < 1e-12
    again = asked(prover, CASE, tmp_path)
    assert (again.kind, again.known, again.states) == (PROVED, True, made.states)
    checked = asked(prover, CASE, tmp_path, check=True)
    assert (checked.kind, checked.classes) == (PROVED, made.classes)
    assert "confirmed by" in checked.words
    assert "executions" in checked.words
    assert f"| {made.states:,} |" in row(certificate)


def test_edited_certificates_differ(prover: Prover, tmp_path: Path) -> None:
    """A certificate of other ends is not confirmed; one of other functions does not hold."""
    file = Path(asked(prover, CASE, tmp_path).certificate)
    found = read_certificate(file)
    assert found is not None
    replace(found, classes=found.classes + 1).save(file)
    assert asked(prover, CASE, tmp_path, check=True).kind == "differs"
    changed = found.basis.functions | {next(iter(found.basis.functions)): "0"}
    replace(found, basis=replace(found.basis, functions=changed)).save(file)
    assert asked(prover, CASE, tmp_path, check=True).kind == UNFINISHED
    assert not asked(prover, CASE, tmp_path).known


def test_no_time_is_no_proof(prover: Prover, tmp_path: Path) -> None:
    """A space that is not finished is not proved, and has no certificate."""
    found = asked(prover, CASE, tmp_path, seconds=0.0)
    assert (found.kind, found.certificate, found.preemptions) == (UNFINISHED, "", -1)
    assert not file_of(CASE, tmp_path).exists()


@pytest.mark.parametrize("text", ["", "[" * 100_000, '{"states": 1}', "{states}", "no UTF-8"])
def test_what_is_no_certificate_proves_nothing(prover: Prover, tmp_path: Path, text: str) -> None:
    """A file that somebody has damaged is none: the case is proved anew, and the file is another."""
    file = Path(asked(prover, CASE, tmp_path).certificate)
    whole = file.read_text()
    file.write_text(whole.replace('"states": ', '"states": "many", "more": ') if text == "{states}" else text)
    if text == "no UTF-8":
        file.write_bytes(whole.encode().replace(b'"zap_', b'"\xe2zap_'))
    assert read_certificate(file) is None
    again = asked(prover, CASE, tmp_path)
    assert (again.kind, again.known) == (PROVED, False)
    assert read_certificate(file) is not None


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(file_of(CASE, tmp_path))
    words = ["--scenario", CASE.scenario, "--profile", CASE.profile, "--dir", str(tmp_path), "--minutes", "20"]
    assert main(["prove", *words, "-q"]) == FAILED
    assert re.fullmatch("zapstress: .*: is there and is no plain file; name another\n", capfd.readouterr().err)


def test_basis() -> None:
    """A proof rests on the functions that ran, and on no others."""
    ran = Basis("r", "t", "s", {"zap": "1"})
    assert ran.holds(replace(ran, functions={"zap": "1", "other": "2"}))
    assert not ran.holds(replace(ran, functions={"zap": "2"}))
    assert not ran.holds(replace(ran, functions={}))
    assert not ran.holds(replace(ran, start="other"))


def test_status() -> None:
    """Only what is proved as a whole ends with 0."""
    answers = {kind: Answer(CASE, kind) for kind in (PROVED, VIOLATED_KIND, UNFINISHED, "not_reached", "differs")}
    assert status_of([answers[PROVED]]) == CLEAN
    assert status_of([answers[PROVED], answers[UNFINISHED]]) == INCONCLUSIVE
    assert status_of([answers[PROVED], answers["not_reached"]]) == INCONCLUSIVE
    assert status_of([answers[VIOLATED_KIND], answers[UNFINISHED]]) == VIOLATED
    assert status_of([answers["differs"], answers[VIOLATED_KIND]]) == 3


def test_what_differs_is_told_with_what_to_do() -> None:
    answers = [Answer(CASE, "differs", "the certificate has 3 ends, and the other search 2")] * 2
    words = "munmap_vs_access on x86-64: the certificate has 3 ends, and the other search 2, and 1 more; remove their"
    assert words_of(answers).startswith(words)


def test_table() -> None:
    """Rows take the place of those of their versions; what is known of others stays."""
    known, old, new = (
        f"| lazy_cpu | | {kernel} | s390x | {states} | 1 | 1 | 1 | 0.1 |\n"
        for kernel, states in (("7.3", 5), ("6.9", 6), ("6.9", 7))
    )
    page = "a\n<!-- proofs -->\n{}<!-- end -->\nb\n"
    assert written(page.format(HEAD + old + known), [new]) == page.format(HEAD + new + known)
    assert written(page.format("none yet\n"), [known, new]) == page.format(HEAD + new + known)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command refutes a planted fault by a trace that replays."""
    words = ["--scenario", "munmap_vs_writeback", "--profile", "arm64-4k", "--fault", "C02", "--dir", str(tmp_path)]
    words += ["--minutes", "20"]  # the kernel is compiled first, on a machine that may be busy
    assert main(["prove", *words, "--json", "-q"]) == VIOLATED
    found = json.loads(capsys.readouterr().out)
    assert {kind: len(entries) for kind, entries in found.items()} == {
        "proved": 0, "violated": 1, "unfinished": 0, "not_reached": 0, "never_ran": 0,
    }  # fmt: skip
    assert main(["replay", found["violated"][0]["certificate"], "--json"]) == VIOLATED
    assert json.loads(capsys.readouterr().out)


def test_command_wants_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is proved by default: all of it takes its time."""
    assert main(["prove", "-q"]) == USAGE
    assert "--all" in capsys.readouterr().err


def test_the_newest_version_is_no_variant() -> None:
    assert "7.3" == newest_of(["6.9", "6.9-perpage", "7.3-flushfirst", "7.3", "6.18"])
    assert "6.18" == newest_of(["6.9", "6.18", "6.12"])
