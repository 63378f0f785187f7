"""The metrics are those that are declared, with the store's values, in Prometheus' format."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from stress.campaign.report.facts import AT_WORK, Facts, facts_of
from stress.campaign.results import Results
from stress.campaign.serve.exposition import Family, exposed, exposition
from stress.campaign.summary import numbers
from stress.output import CONTROL
from stress.workers.metrics import MAX, METRICS, Counts, Distinct, Number, declared
from tests.stress.report.directories import made

NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*"

LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')

SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL.pattern}(?:,{LABEL.pattern})*)\}})? (\S+)")

Samples = dict[tuple[tuple[str, str], ...], float]
"""Values by labels."""


def read(text: str) -> dict[str, tuple[str, Samples]]:
    """Return the families of a text in Prometheus' format 0.0.4: the type and the samples, by name.

    Raises AssertionError for what the format does not allow, or says a thing twice.
    """
    assert text.endswith("\n") and not CONTROL.search(text)
    found: dict[str, tuple[str, Samples]] = {}
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if about := re.fullmatch(rf"# HELP ({NAME}) \S.*", line):
            kind = re.fullmatch(rf"# TYPE {about[1]} (counter|gauge)", lines[number + 1])
            assert kind and about[1] not in found, line
            assert re.fullmatch(r"(?:[^\\]|\\\\|\\n)*", line), "a backslash that says nothing"
            found[about[1]] = (kind[1], {})
        elif not line.startswith("# TYPE "):
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            name, samples = sample[1], found[sample[1]][1]
            labels = tuple(LABEL.findall(sample[2] or ""))
            assert name == list(found)[-1] and labels not in samples, line
            samples[labels] = float(sample[len(sample.groups())])
    assert all(name.endswith("_total") == (kind == "counter") for name, (kind, _) in found.items())
    return found


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign over toys that has found failures."""
    return made(tmp_path_factory.mktemp("exposition"), "--fault", "T01")


def told(directory: Path, **changed: object) -> tuple[dict[str, tuple[str, Samples]], Facts]:
    """Return the metrics of a directory, and its facts."""
    with Results.open(directory) as results:
        facts = replace(facts_of(results), **changed)  # type: ignore[arg-type]
        return read(exposition(results, facts)), facts


def test_every_metric_that_is_declared_is_there_once(directory: Path) -> None:
    found, _ = told(directory)
    own = ["zapstress_at_work", "zapstress_failures"]
    assert [*own, *map(exposed, METRICS.values())] == list(found)


def test_values_are_the_stores(directory: Path) -> None:
    found, facts = told(directory)
    with Results.open(directory) as results:
        totals = results.totals()
        assert numbers(totals)["executions"] == facts.executions == 400
        for number in declared(Number):
            values = {(("machine", name),): row[number.name] for name, row in totals.items() if number.name in row}
            assert values == found[exposed(number)][1]
        for counts in declared(Counts):
            keys = results.counts(counts.name)
            listed: Samples = {(("key", key),): count for key, count in keys.items()}
            assert (listed if counts.listed else {(): sum(map(bool, keys.values()))}) == found[exposed(counts)][1]
        for distinct in declared(Distinct):
            assert {(): results.distinct[distinct.name].estimate()} == found[exposed(distinct)][1]
    assert {(("machine", "lockstep"),): 400} == found["zapstress_executions_total"][1]


def test_names_say_what_a_number_is() -> None:
    assert "zapstress_idle_seconds_total" == exposed(METRICS["idle_s"])
    assert "zapstress_conflicts_keys" == exposed(METRICS["conflicts"])
    assert "zapstress_pairs_total" == exposed(METRICS["pairs"])
    assert "zapstress_classes" == exposed(METRICS["classes"])
    assert "zapstress_longest" == exposed(Number(name="longest", about="steps", merge=MAX))


def test_failures_and_who_expects_them(directory: Path) -> None:
    found, facts = told(directory)
    assert 2 == len(facts.findings)
    assert {(("expected", "no"),): 2, (("expected", "yes"),): 0} == found["zapstress_failures"][1]
    known = tuple(replace(one, expected="known") for one in facts.findings[:1])
    found, _ = told(directory, findings=known + facts.findings[1:], ended=AT_WORK)
    assert {(("expected", "no"),): 1, (("expected", "yes"),): 1} == found["zapstress_failures"][1]
    assert {(): 1} == found["zapstress_at_work"][1]


def test_what_strangers_have_counted_is_escaped() -> None:
    """Keys come from a directory that may be anybody's."""
    odd = 'a"} 1\nzapstress_failures 0 \\ \x1b\u202e'
    text = "".join(f"{line}\n" for line in Family("x", "gauge", odd, (({"key": odd}, 2),)).lines())
    ((_, samples),) = read(text).values()
    assert [2] == list(samples.values()) and 3 == len(text.splitlines())
