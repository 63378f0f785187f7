"""What the benchmark says of the native core follows from what it measured."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from stress.bench.native import JUDGED, bench_native, native_rate, ratios, text
from stress.catalogue import CATALOGUE
from stress.native.runner import NativeCase, Ran
from tests.stress.native.compiled import cache_in, cases, needs_compiler


class Every(NativeCase):
    """Gives up the fifth execution of every batch."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def run(self, strategy: object, seed: int, nr: int = 1, audit: bool = True) -> Ran:
        self.asked.append((seed, nr))
        return Ran(4, 40, 64)


def test_a_rate_is_of_clean_executions_and_goes_on_behind_others() -> None:
    native, ticks = Every(), count()
    assert (4.0, 40.0) == native_rate(native, None, 3, lambda: float(next(ticks)))
    assert [0, 5, 10] == [seed for seed, _ in native.asked]


@needs_compiler
async def test_the_least_ratio_is_what_counts(tmp_path: Path) -> None:
    chosen = {
        "smallest": cases("munmap_vs_access", "x86-64", "6.9")[0],
        "largest": cases("partial_zap", "x86-64", "6.9")[0],
    }
    with cache_in(tmp_path):
        data = await bench_native(chosen, 0.05, CATALOGUE)
    rows = {which: [row for row in data["rows"] if row["scenario"] == case.scenario] for which, case in chosen.items()}
    assert 8 == len(data["rows"])
    least = min(ratio for which in rows for ratio in ratios(rows[which], JUDGED[which]))
    assert abs(data["native_over_lockstep"] - least) < 0.1
    assert all(data["compile"][name] > 0 for name in ("translate_s", "quick_s", "fast_s", "mib"))
    assert data["transition"]["transitions"] > data["transition"]["states"] > 100
    assert (
        f"a transition of an exhaustive search of munmap_vs_access: {data['transition']['microseconds']:.2f}"
        in text(data)
    )
    assert f"native over lockstep: {data['native_over_lockstep']:.1f} x" in text(data)
