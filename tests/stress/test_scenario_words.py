"""``zapstress list scenarios NAME``: a scenario in words."""

from __future__ import annotations

import json
from functools import partial

import pytest

from stress.catalogue import CATALOGUE
from stress.cli.main import main
from stress.cli.scenario_words import code, scenario_data, scenario_text, told
from tests.stress.campaign_toys import TOYS


@pytest.mark.parametrize("name", CATALOGUE.scenarios())
def test_every_scenario_says_what_it_races(name: str) -> None:
    data = scenario_data(name, CATALOGUE)
    lines = [line for actor in data["actors"] for line in actor["code"]]
    assert lines and not any("lambda" in line or "return [" in line for line in lines)
    assert len({actor["cpu"] for actor in data["actors"]}) == len(data["actors"]) <= data["cpus"]
    text = scenario_text(data)
    assert CATALOGUE.scenarios()[name].rstrip(".") in " ".join(text.split())


def test_a_scenario_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == main(["list", "scenarios", "munmap_vs_access"])
    text = capsys.readouterr().out
    assert text.startswith("munmap_vs_access\n\n")
    assert "\n  cpu0 munmap  await task(0).munmap(" in text
    assert 0 == main(["list", "scenarios", "munmap_vs_access", "--json"])
    assert "munmap_vs_access" == json.loads(capsys.readouterr().out)["name"]


def test_names_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["list", "scenarios", "nonesuch"], TOYS)
    assert 2 == main(["list", "profiles", "toy"], TOYS)
    assert "takes no name" in capsys.readouterr().err


async def _body(at: int) -> None:
    """Say something.

    More of it.
    """
    if at:
        await _body(at - 1)


def test_code_of_bodies() -> None:
    assert ["if at:", "    await _body(at - 1)"] == code(_body) == code(partial(_body, 1))
    assert "Say something. More of it." == told(partial(_body, 1))
    both = [lambda: _body(1), lambda at=2: _body(at)]
    assert [["await _body(1)"], ["await _body(at)"]] == [code(body) for body in both]
    assert "await _body(1)" == told(both[0])
    assert ["len"] == code(len)
