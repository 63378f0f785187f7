"""Toys with a metric more than the tool has. Importing this declares it, in the worker processes
too, so that no test may import it into its own process.
"""

from __future__ import annotations

from stress.workers.metrics import MACHINES, MAX, METRICS, Counts, Distinct, Metric, Number
from tests.toy import ToyCatalogue

EXTRA: tuple[Metric, ...] = (
    Number(
        name="longest",
        about="steps of the longest execution",
        each=lambda execution: execution.outcome.steps,
        merge=MAX,
        shown=("campaign", MACHINES),
    ),
    Counts(
        name="verdicts",
        about="executions by verdict",
        each=lambda execution: [execution.outcome.verdict.kind],
        listed=True,
    ),
    Distinct(
        name="distinct_lengths", about="different numbers of steps", each=lambda execution: execution.outcome.steps
    ),
)

METRICS.update({metric.name: metric for metric in EXTRA})

TOYS = ToyCatalogue()
TOYS.spec = "tests.stress.metric_toys:TOYS"  # type: ignore[attr-defined]
