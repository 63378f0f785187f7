"""What a search is: its cases, and what is wrong with it, told before anything is run."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from stress.catalogue import CATALOGUE
from stress.errors import UsageError
from stress.patch.scenario.staging import SPECULATION
from stress.workers.settings import BOTH, PARALLEL, PARALLEL_SEEDS, SEED_BITS, SEED_MAX, Settings
from tests.stress.campaign_toys import CASE, TOYS, settings


def test_settings_survive_being_kept() -> None:
    made = settings("counters", strategy="pct", options={"depth": 3}, faults=("T01",))
    assert made == Settings.of(json.loads(json.dumps(made.plain())))


def test_a_case_has_the_kernel_and_the_faults_of_the_search() -> None:
    made = settings("counters", faults=("T01",))
    assert replace(CASE, faults=("T01",)) == made.case("counters", {"rounds": 2}, "toy", "small")


def test_ranks_are_the_parameter_sets() -> None:
    ranks = settings("counters", "mailbox").ranks("small", TOYS)
    assert {"counters", "mailbox"} == {case.scenario for case in ranks[0]}
    known = TOYS.scenario_class("counters").parameters(TOYS.profile("toy"), "small")
    found = [dict(case.params) for rank in ranks for case in rank if case.scenario == "counters"]
    assert known == found


def test_one_in_four_begins_with_a_set_that_speculates() -> None:
    """Of the scenarios on profiles whose hardware does so; nothing is lost by that."""
    names, profiles = tuple(CATALOGUE.scenarios()), tuple(CATALOGUE.profiles())
    ranks = Settings(0, names, profiles).ranks("small", CATALOGUE)
    first = [SPECULATION in dict(case.params) for case in ranks[0]]
    assert len(ranks[0]) / 10 < sum(first) < len(ranks[0]) / 4
    known = sum(len(CATALOGUE.parameters(name, CATALOGUE.profile(at), "small")) for name in names for at in profiles)
    assert known == len({case for rank in ranks for case in rank})


def test_every_seed_fits_into_a_signed_word_and_has_one_machine() -> None:
    assert (SEED_MAX << SEED_BITS) - 1 == (1 << 63) - 1
    assert 1 << SEED_BITS == 2 * PARALLEL_SEEDS


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"scenarios": ()}, "no scenario is chosen"),
        ({"scenarios": ("countess",)}, "unknown scenario 'countess'; did you mean counters"),
        ({"profiles": ("x86",)}, "unknown profile 'x86'"),
        ({"faults": ("T01", "T01")}, "fault 'T01' is named twice"),
        ({"kernel": "5.4"}, "unknown kernel '5.4'"),
        ({"patch": ("nowhere.py:Rmap",)}, "there is no file nowhere.py"),
        ({"options": {"depth": 3}}, "--depth is pct's"),
        ({"strategy": "random", "options": {"depth": 3}}, "strategy random has no option depth"),
        ({"machine": PARALLEL, "strategy": "pct"}, "--strategy is lockstep's"),
    ],
)
def test_what_cannot_be_run_is_told(more: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError) as caught:
        replace(settings("counters"), **more).checked(TOYS)
    assert what in str(caught.value)


def test_without_numba_only_lockstep_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    from stress.parallel import gang

    monkeypatch.setattr(gang, "why_not", lambda: "it is not here; say --machine lockstep")
    made = settings("counters")
    assert made is made.checked(TOYS)
    for machine in (PARALLEL, BOTH):
        with pytest.raises(gang.Missing, match="it is not here"):
            replace(made, machine=machine).checked(TOYS)
