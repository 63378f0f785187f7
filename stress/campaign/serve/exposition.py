"""A campaign's metrics in Prometheus' text format, version 0.0.4.

They are those that :mod:`stress.workers.metrics` declares, with the values that the store holds,
and two of the directory itself: whether a campaign is at work in it, and how many failures it
shows. Counts begin anew with a generation, as they do for a process that was started again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from stress.campaign.report.facts import AT_WORK, Facts
from stress.campaign.results import Results
from stress.output import printable
from stress.workers.metrics import METRICS, SUM, Counts, Distinct, Metric, Number

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

PREFIX = "zapstress_"

COUNTER, GAUGE = "counter", "gauge"

Sample = tuple[Mapping[str, str], float]
"""Labels and a value."""


@dataclass(frozen=True)
class Family:
    """A metric as Prometheus sees it."""

    name: str
    kind: str
    about: str
    samples: tuple[Sample, ...]

    def lines(self) -> Iterator[str]:
        """Yield the lines of the format."""
        yield f"# HELP {self.name} {escaped(self.about)}"
        yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.samples:
            words = ",".join(f'{name}="{escaped(text, quotes=True)}"' for name, text in labels.items())
            yield f"{self.name}{f'{{{words}}}' if words else ''} {value!r}"


def escaped(text: str, quotes: bool = False) -> str:
    """Return a text as the format wants it: control characters spelt out, then backslashes doubled,
    and quotes in the value of a label.
    """
    plain = printable(" ".join(text.splitlines())).replace("\\", "\\\\")
    return plain.replace('"', '\\"') if quotes else plain


def exposition(results: Results, facts: Facts) -> str:
    """Return the metrics of an open results directory, whose facts are ``facts``."""
    totals = results.totals()
    families = [*of_directory(facts), *(family(metric, results, totals) for metric in METRICS.values())]
    return "".join(f"{line}\n" for made in families for line in made.lines())


def of_directory(facts: Facts) -> Iterable[Family]:
    """Return what is told of the directory besides what is counted of executions."""
    expected = [found.expected is not None for found in facts.findings]
    failures = [({"expected": "yes" if known else "no"}, expected.count(known)) for known in (False, True)]
    yield Family(f"{PREFIX}at_work", GAUGE, "1 while a campaign is at work", (({}, int(facts.ended == AT_WORK)),))
    about = "signatures that the newest generation shows, expected or not"
    yield Family(f"{PREFIX}failures", GAUGE, about, tuple(failures))


def family(metric: Metric, results: Results, totals: Mapping[str, Mapping[str, float]]) -> Family:
    """Return a declared metric with its values. Numbers are per machine; counts are per key if
    ``--json`` lists them too, else it is told how many keys there are.
    """
    match metric:
        case Number():
            found = [({"machine": name}, row[metric.name]) for name, row in totals.items() if metric.name in row]
            return Family(exposed(metric), COUNTER if metric.merge == SUM else GAUGE, metric.about, tuple(found))
        case Counts(listed=True):
            keys = tuple(({"key": key}, count) for key, count in results.counts(metric.name).items())
            return Family(exposed(metric), COUNTER, metric.about, keys)
        case Counts():
            about = f"keys that were counted: {metric.about}"
            counted = sum(1 for count in results.counts(metric.name).values() if count)
            return Family(exposed(metric), GAUGE, about, (({}, counted),))
        case Distinct():
            return Family(exposed(metric), GAUGE, metric.about, (({}, results.distinct[metric.name].estimate()),))
        case _:
            raise AssertionError(f"{type(metric).__name__} is no kind of metric")


def exposed(metric: Metric) -> str:
    """Return the name that Prometheus has for a metric: with the unit spelt out, ``_total`` for
    what only grows, and ``_keys`` for how many keys there are.
    """
    name = f"{metric.name.removesuffix('_s')}_seconds" if metric.name.endswith("_s") else metric.name
    match metric:
        case Counts(listed=False):
            return f"{PREFIX}{name}_keys"
        case Counts() | Number() if metric.merge == SUM:
            return f"{PREFIX}{name}_total"
        case _:
            return f"{PREFIX}{name}"
