"""``replay --shell``: forward and back through C02's trace, and through deadlocks and livelocks."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.cli.main import main
from stress.errors import CLEAN, INCONCLUSIVE, USAGE, VIOLATED, UsageError
from stress.execution.runner import open_runner
from stress.machine.chance import TapeData
from stress.machine.pauses import Pauses
from stress.strategies.replay import Replay
from stress.trace.file import load, save
from stress.trace.replay import Mode
from stress.trace.shell.actors import actors, calls
from stress.trace.shell.commands import Commands, Quit
from stress.trace.shell.film import Film, filmed
from stress.trace.shell.session import Prompt, converse
from stress.trace.shell.state import State
from stress.trace.shell.words import condition
from tests.stress.trace.test_replay import find
from tests.toy import TOYS

ROOT = Path(__file__).resolve().parents[3]
C02 = "munmap_vs_writeback --profile arm64-4k --fault C02 --strategy pct --seed 1"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a trace of the delayed removal of rmaps is."""
    file = tmp_path_factory.mktemp("shell") / "c02.trace"
    assert main(["run", *C02.split(), "--save", str(file)]) == VIOLATED
    return file


@pytest.fixture(scope="module")
def film(path: Path) -> Film:
    """The film of it."""
    return trio.run(filmed, load(path), Mode(), CATALOGUE)


@pytest.fixture
def shell(film: Film) -> Commands:
    """The commands, at the start of it."""
    return Commands(film)


def said(shell: Commands, *lines: str) -> str:
    """Carry out commands; return what the last one says."""
    return "\n".join([shell.run(line) for line in lines][-1])


# -- states --------------------------------------------------------------------------------------------------------


async def test_a_state_is_the_arena_of_a_replay_that_stops_there(path: Path, film: Film) -> None:
    """Cell for cell, in whichever order the states are visited: the arena as the machine has it
    when it has made so many steps.
    """
    trace, seen = load(path), {}
    async with open_runner(trace.case, steps_max=trace.steps_max) as runner:
        for stop in range(1, trace.steps):
            runner.kernel.audits.run = lambda drained, at=stop: seen.setdefault(at, runner.arena.snapshot())
            runner.run(Replay(list(trace.schedule)), trace.seed, TapeData(trace.tapes), Pauses((stop,)))
    state = State(film)
    assert sorted(seen) == list(range(1, trace.steps))
    for stop in [*seen, *reversed(seen), 7, 23, 4]:
        state.move(stop)
        assert state._words.tobytes() == seen[stop], f"state {stop}"


def test_forward_and_back_meet(film: Film) -> None:
    """The way back from the end comes to the state that the film began with."""
    state = State(film)
    state.move(film.last)
    end = state._words[:]
    state.move(0)
    assert state._words == film.camera.first != end
    state.move(film.last)
    assert state._words == end


def test_a_film_changes_nothing(path: Path, film: Film) -> None:
    """Its steps are the trace's, whose every check it has passed."""
    trace = load(path)
    assert (film.last, film.ending) == (trace.steps, trace.ending)
    assert len(film.camera.standings) == len(film.camera.ends) == film.last + 1


# -- commands ------------------------------------------------------------------------------------------------------


def test_stepping(shell: Commands) -> None:
    assert said(shell, "step").startswith("=>     2  cpu0 munmap")
    assert said(shell, "s 3").startswith("=>     5  cpu0 munmap")
    assert said(shell, "reverse-step").startswith("=>     4  ")
    assert said(shell, "rs 2").startswith("=>     2  ")
    assert said(shell, "goto end").startswith("the end, after 36 steps: violation, I27 writable-after-clean")
    assert said(shell, "rs 100").startswith("=>     1  ")
    with pytest.raises(UsageError, match="this is the start of the trace"):
        shell.run("rs")
    said(shell, "goto end")
    with pytest.raises(UsageError, match="this is the end of the trace"):
        shell.run("s")


def test_a_breakpoint_stops_before_its_step_on_both_ways(shell: Commands) -> None:
    assert said(shell, "break folio_mapped") == "breakpoint 1: folio_mapped"
    there = said(shell, "continue")
    assert there.startswith("breakpoint 1\n=>    35  cpu2 writeback  folio_mapped: read mapcount")
    assert said(shell, "continue").startswith("the end")
    assert said(shell, "reverse-continue") == there
    assert said(shell, "rc").startswith("=>     1  ")
    assert said(shell, "delete 1", "c").startswith("the end")


def test_steps_stop_at_a_breakpoint_on_both_ways(shell: Commands) -> None:
    """As many as are asked for, unless there is one on the way."""
    said(shell, "break folio_mapped")
    assert said(shell, "step 36").startswith("breakpoint 1\n=>    35  cpu2 writeback  folio_mapped")
    assert said(shell, "goto end", "reverse-step 20").startswith("breakpoint 1\n=>    35  ")
    assert said(shell, "goto 0", "step 3").startswith("=>     4  ")


def test_who_raised_a_word_is_found_in_one_walk(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many states are asked of: as many changes are looked at as there are."""
    looked: list[int] = []
    delta = Film._delta
    monkeypatch.setattr(Film, "_delta", lambda self, word, at: looked.append(at) or delta(self, word, at))
    film.__dict__.pop("_raised", None)
    word = max(film._changed_at, key=lambda word: len(film._changed_at[word]))
    found = [film.raised(word, state) for state in range(film.last + 1)]
    assert len(looked) == len(film._changed_at[word]) > 1 and any(found)


def test_a_breakpoint_at_a_label_stops_at_no_other_step_of_the_function(shell: Commands) -> None:
    said(shell, "b folio_batch_move_lru: put references")
    assert said(shell, "c").startswith("breakpoint 1\n=>    12  ")


def test_a_watchpoint_stops_where_the_cell_changes(shell: Commands) -> None:
    said(shell, "watch pte[0]")
    why, here = said(shell, "c").split("\n")
    assert why == "watchpoint 1: pte[0] pfn 1 WAD -> none, by step 21 of cpu0 munmap"
    assert here.startswith("=>    22  ")
    assert said(shell, "p pte[0]") == "pte[0] = none"
    assert said(shell, "goto end", "rc").split("\n")[1].startswith("=>    21  "), "before it, on the way back"
    assert said(shell, "p pte[0]") == "pte[0] = pfn 1 WAD"


def test_a_private_cell_can_be_watched(shell: Commands) -> None:
    """The ledger's cells are changed in no step of their own: the step is named that did it."""
    gather = 2 * shell.film.kernel.world.pages + 1
    said(shell, f"watch ledger[{gather}]")
    assert said(shell, "c").split("\n")[0] == f"watchpoint 1: ledger[{gather}] 0 -> 1, by step 25 of cpu0 munmap"


def test_until(shell: Commands) -> None:
    assert said(shell, "until page_mapcount[1] == 0").startswith("=>    26  ")
    assert said(shell, "until page_ref[1] >= 3 and page_mapcount[1] == 0").startswith("=>    31  ")
    assert said(shell, "reverse-until pte[0] != 0").startswith("=>    21  ")
    with pytest.raises(UsageError, match="does not hold in any state after this one"):
        shell.run("until page_ref[1] == 77")
    assert shell.state.at == 20, "and one stays where one is"


def test_holders(shell: Commands) -> None:
    """What the ledger knows, with the step and the actor that the film knows."""
    assert said(shell, "goto 20", "info holders 1").split("\n")[1:3] == [
        "  mapping        1  since the setup",
        "                    mm 0 page 0: pte[0] = pfn 1 WAD",
    ]
    assert said(shell, "goto 30", "info holders 1").split("\n") == [
        "folio 1, order 0: page_ref[1] = 3",
        "  gather         1  since step 25 of cpu0 munmap (tlb_remove_folio_pages: append to the batch)",
        "  page cache     1  since the setup",
        "  transient      1  since step 30 of cpu2 writeback (filemap_get_folio: take a reference unless it is 0)",
    ]


def test_whose_a_reference_is(shell: Commands, film: Film) -> None:
    """Two actors hold the folio for a while: munmap takes over what the mapping had, and gives that
    up again; writeback's reference stays its own.
    """
    rows = {at: said(shell, f"goto {at}", "info holders 1").split("\n") for at in range(1, film.last)}
    writeback = (
        "  transient      1  since step 30 of cpu2 writeback (filemap_get_folio: take a reference unless it is 0)"
    )
    assert all(writeback in rows[at] for at in range(30, film.last))
    assert any("of cpu0 munmap" in row for row in rows[24] if row.startswith("  transient"))


def test_holders_add_up_in_every_state(film: Film) -> None:
    """To the reference count, as the ledger's law has it."""
    shell = Commands(film)
    for at in range(1, film.last):
        first, *rows = said(shell, f"goto {at}", "info holders 1").split("\n")
        counts = [int(row[13:18]) for row in rows if row[2] != " "]
        assert int(first.rpartition(" ")[2]) == sum(counts), f"state {at}"


def test_tlbs_and_tables(shell: Commands) -> None:
    """Step 21 clears the entry, and cpu1 still has it: that is what C02 forgets."""
    assert said(shell, "goto 20", "info tlbs 1") == (
        "cpu1 mm 0 page 0: tlb[4] = pfn 1 WD; the page table: pte[0] = pfn 1 WAD"
    )
    assert said(shell, "s", "info tlbs 1").endswith("the page table: pte[0] = none, which does not map it")
    assert said(shell, "info tlbs 2") == "no TLB reaches page 2"
    assert said(shell, "info table 0").split("\n")[0].endswith("ptl[0] held by cpu0 munmap")
    assert said(shell, "goto 9", "info table 0").split("\n")[1] == "  page 0     pte[0] = pfn 1 WAD"


def test_actors_and_their_calls(shell: Commands) -> None:
    rows = said(shell, "goto 34", "info actors").split("\n")
    assert rows[:3] == [
        "   cpu0 munmap     waits          never made: post_flush: wait for acknowledgement: cpu_request[1]",
        "   cpu1 store      has ended",
        "=> cpu2 writeback  can run        step 35, folio_mapped: read mapcount: page_mapcount[1]",
    ]
    stack = said(shell, "where writeback").split("\n")
    assert stack[1].startswith("#0  Rmap.folio_mapped at sim/mm/rmap.py:")
    assert stack[-1].startswith("#7  MunmapVsWriteback.writeback at scenarios/munmap_vs_writeback.py:")
    assert said(shell, "bt munmap").split("\n")[1].startswith("#0  Tlb.wait_acks at sim/hardware/tlb.py:")
    last = said(shell, "goto end", "bt").split("\n")
    assert last[0] == "cpu2 writeback can run; made step 36, folio_clear_dirty_for_io: clear PG_dirty: page_dirty[1]"
    assert last[1].startswith("#0  PageWriteback.folio_clear_dirty_for_io at sim/mm/page_writeback.py:")


def test_list_and_print(shell: Commands) -> None:
    listed = said(shell, "goto 21", "list").split("\n")
    assert [int(line[2:8]) for line in listed] == list(range(17, 27))
    assert [line[:2] for line in listed].index("=>") == 5
    assert said(shell, "l 1").split("\n")[0].split()[0] == "1"
    assert said(shell, "p pte[0x0]") == "pte[0] = none"
    assert said(shell, "p page_mapcount[0:3]").split("\n") == ["page_mapcount[1] = 1", "2 of 3 cells are 0"]
    assert "pte[" in said(shell, "info columns pt") and "page_ref" not in said(shell, "info columns pt")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("stpe", "'stpe' is no command; did you mean step?"),
        ("xyzzy", "'xyzzy' is no command; help lists them"),
        ("re", "'re' may be reverse-step or reverse-continue or reverse-until"),
        ("step x", "'x' is no number"),
        ("step 0", "0 steps cannot be made; write a number from 1"),
        ("goto 37", "the trace has 36 steps, and no 37"),
        ("break folio_maped", "no step of this trace is in 'folio_maped'; did you mean folio_mapped?"),
        ("watch pte", r"'pte' is no cell; write COLUMN\[INDEX\], as page_ref\[3\]"),
        ("watch page_reff[1]", "no column 'page_reff'; did you mean page_ref?"),
        ("print pte[999999]", r"pte has cells 0 to \d+, and no 999999"),
        ("print pte[3:1]", r"pte has cells 0 to \d+; 3:1 are none of them"),
        ("until page_ref[1]", "'page_ref\\[1\\]' is no comparison; write one as page_ref\\[3\\] == 0"),
        ("until __import__('os').getcwd() == 0", r"no number"),
        ("info", "info knows actors, breaks, "),
        ("info holders", "of which\\? write info holders PAGE"),
        ("info holders 999", r"this world has pages 0 to \d+, and no 999"),
        ("info table 1", "this world has mms 0 to 0, and no 1"),
        ("where nobody", "no actor 'nobody'"),
        ("delete 7", "no breakpoint or watchpoint 7; info breaks lists them"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(shell: Commands, line: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        shell.run(line)
    assert "\n" not in str(error.value)
    assert (shell.state.at, shell.stops) == (0, [])


def test_every_command_has_a_line_of_help(shell: Commands) -> None:
    listed = said(shell, "help").split("\n")
    assert [line.replace(":", " ").split()[0].rstrip(",") for line in listed] == list(shell.table)
    assert said(shell, "help bt") == "where [ACTOR]: the calls in which an actor is (short: bt)"
    with pytest.raises(Quit):
        shell.run("q")


def test_completion(shell: Commands) -> None:
    """Of commands, columns, functions, subjects and actors."""
    assert shell.completions("rev") == ["reverse-step", "reverse-continue", "reverse-until"]
    assert "page_ref" in shell.completions("p page_r")
    assert "page_mapcount" in shell.completions("until page_ref[1] == 3 and page_map")
    assert shell.completions("b folio_map") == ["folio_mapped"]
    assert shell.completions("info h") == ["holders"]
    assert shell.completions("bt w") == ["writeback"]
    assert shell.completions("nothing x") == shell.completions("step ") == []


def test_a_condition_is_parsed() -> None:
    asked = condition("pte[1] == 0x10 && pte[0] < pte[1]", {"pte": 4})
    held = {("pte", 1): 16, ("pte", 0): 3}
    assert all(one.holds(lambda *cell: held[cell]) for one in asked)
    held["pte", 0] = 16
    assert [one.holds(lambda *cell: held[cell]) for one in asked] == [True, False]


# -- other endings ----------------------------------------------------------------------------------------------------


async def toy(scenario: str, kind: str = "violation", steps_max: int = 60) -> Film:
    """Return the film of a toy's first execution that ends so."""
    trace = await find(Case(scenario, (), "toy", faults=("T01",)), kind, steps_max)
    return await filmed(trace, Mode(), TOYS)


async def test_a_deadlock_shows_who_waits_for_what() -> None:
    film = await toy("abba")
    rows = list(actors(film, film.last))
    waiting = [row for row in rows if " waits " in row]
    assert len(waiting) == 2 and all("never made" in row for row in waiting)
    for slot in film.actors:
        if film.standing(film.last).started[slot]:
            assert any("at tests/toy" in line or "at toy" in line for line in calls(film, slot, film.last))


@pytest.mark.parametrize(("scenario", "kind"), [("spin", "violation"), ("endless", "inconclusive")])
async def test_the_fair_turns_behind_the_budget_are_filmed(scenario: str, kind: str) -> None:
    film = await toy(scenario, kind, 40)
    assert film.last > 40
    assert len(film.camera.ends) == film.last + 1
    assert all(film.camera.ends[at] >= film.camera.ends[at - 1] for at in range(1, film.last + 1))


async def test_a_clean_execution_has_a_film(path: Path) -> None:
    """To its end, at which every actor has ended or has nothing to do."""
    film = await filmed(load(path), Mode(without_faults=True), CATALOGUE)
    assert (film.ending.kind, film.trace.ending.kind) == ("clean", "violation")
    assert said(Commands(film), "c") == f"the end, after {film.last} steps: clean"
    assert all("has ended" in row or "idle" in row for row in actors(film, film.last))
    assert len(film.camera.ends) == film.last + 1


# -- the command line -------------------------------------------------------------------------------------------------


def test_commands_of_the_command_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is shown as it would be typed, and the status is the execution's."""
    shell = ["replay", str(path), "--shell"]
    assert main([*shell, "--command", "break folio_mapped", "--command", "c", "--command", "q"]) == VIOLATED
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["(zapstress) break folio_mapped", "breakpoint 1: folio_mapped", "(zapstress) c"]
    assert lines[-1].startswith("=>    35  ") and len(lines) == 5
    assert main([*shell, "--json", "--command", "p pte[0]"]) == VIOLATED
    data = json.loads(capsys.readouterr().out)
    assert data["commands"] == [{"command": "p pte[0]", "output": ["pte[0] = pfn 1 WAD"]}]
    assert (data["steps"], data["verdict"]["checker"]) == (36, "I27")


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["--shell", "--command", "stpe"], USAGE, "zapstress: --command 'stpe': 'stpe' is no command; did you mean"),
        (["--command", "step"], USAGE, "zapstress: --command is for --shell"),
        (["--shell", "--json"], USAGE, "zapstress: --shell talks to people; with --json, give it each --command"),
        (["--shell", "--without-faults", "--command", "c"], CLEAN, ""),
    ],
)
def test_exit_statuses(
    path: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, line: str
) -> None:
    assert main(["replay", str(path), *words]) == status
    assert capsys.readouterr().err.startswith(line)


def test_a_trace_that_does_not_replay(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ends with 5 and names the step, as without the shell."""
    trace = load(path)
    save(replace(trace, digest="0" * 32), tmp_path / "other")
    assert main(["replay", str(tmp_path / "other"), "--shell", "--command", "c"]) == INCONCLUSIVE
    assert "its digest is" in capsys.readouterr().err


def test_a_trace_of_a_setup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = trio.run(find, Case("broken_setup", (), "toy"))
    save(trace, tmp_path / "trace")
    assert main(["replay", str(tmp_path / "trace"), "--shell"], TOYS) == USAGE
    assert "it ended in the setup, so there are no steps to go through" in capsys.readouterr().err


def test_commands_from_standard_input(path: Path) -> None:
    """A wrong one is told and the session goes on; the end of the input ends it."""
    shell = [sys.executable, "-m", "stress", "replay", str(path), "--shell"]
    done = subprocess.run(shell, input="s\n\nstpe\nbt\n", capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == VIOLATED
    assert done.stderr == "'stpe' is no command; did you mean step?\n"
    assert "=>     2  cpu0" in done.stdout and "=>     3  cpu0" in done.stdout, "an empty line repeats the last"
    assert "#0  " in done.stdout


def test_an_interrupt_leaves_the_session_where_it_is(
    film: Film, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(["s", KeyboardInterrupt(), "s", "quit"])

    def read(prompt: str) -> str:
        line = next(typed)
        if isinstance(line, BaseException):
            raise line
        return str(line)

    monkeypatch.setattr("builtins.input", read)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    converse(film)
    out = capsys.readouterr().out
    assert "interrupted; quit, or Ctrl-D, leaves" in out and "=>     3  " in out


def test_the_prompt_completes(film: Film) -> None:
    """As readline asks it: the word so far, the line, and where the word is in it."""
    prompt = Prompt(film)
    assert prompt.completenames("rev") == ["reverse-step", "reverse-continue", "reverse-until"]
    line = "help rev"
    assert prompt.complete_help("rev", line, 5, len(line)) == prompt.completenames("rev")
    line = "until page_ref[1] == 3 and page_mapc"
    assert prompt.completedefault("page_mapc", line, 27, len(line)) == ["page_mapcount"]
