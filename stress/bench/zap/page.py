"""The table of ``bench zap`` for people: times, then counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

PER_FOLIO = ("refcount_updates", "mapcount_updates", "rmap_calls", "gather_entries", "gather_words", "frees")
PER_PAGE = ("pte_reads", "pte_writes", "atomics", "locks")
SHORT = {
    "refcount_updates": "refcount", "mapcount_updates": "mapcount", "rmap_calls": "rmap", "gather_entries": "entries", "gather_words": "words",
    "pte_reads": "PTE reads", "pte_writes": "PTE writes",
}  # fmt: skip


def text(data: dict[str, Any]) -> str:
    """Return the tables."""
    kib = data["size_bytes"] >> 10
    size = f"{kib >> 10} MiB" if kib >= 1024 else f"{kib} KiB"
    out = [f"{data['operation']} of {size}, {data['pages']:,} pages of {data['profile']}"]
    if data["rows"] and data["rows"][0]["kernels"]:
        out += [f"ms of CPU time on core {data['core']}, medians of {data['runs']} warm runs", "", *times(data), ""]
    out += ["what is done, per page and per folio", "", *counts(data)]
    return "\n".join(out)


def cell(value: float | None, form: str) -> str:
    """Return a number, or a dash if there is none."""
    return "-" if value is None else f"{value:{form}}"


def percent(value: float | None) -> str:
    """Return a change in percent, or a dash if there is none."""
    return "-" if value is None else f"{value:+.0f}%"


def times(data: dict[str, Any]) -> Iterator[str]:
    """Yield the table of times: each kernel's and its nanoseconds per page; a patch's change, too."""
    patched = [name for name in data["kernels"] if name.endswith("+patch")]
    wide = {name: max(20 if name in patched else 11, len(name)) for name in data["kernels"]}
    yield f"{'KiB':>6} {'change':>7} {'published':>9} {'rest':>6} {'running':>8}" + "".join(
        f"  {name:>{w}}" for name, w in wide.items()
    )
    for row in data["rows"]:
        changes = f"{percent(row['change_percent']):>7} {percent(row['published_percent']):>9}"
        rest = percent(row["rest_change_percent"])
        line = f"{row['folio_kib']:>6} {changes} {rest:>6} {cell(row['kernel_ms'], '.2f'):>8}"
        for name, w in wide.items():
            column = row["kernels"][name]
            each = f"({column['ns_per_page']:.1f})"
            against = f" {percent(column['change_percent']):>5}" if name in patched else ""
            line += f"  {column['ms']:.2f} {each:>7}{against}".rjust(w + 2)
        yield line
    yield "(nanoseconds per page in parentheses; change: from 6.9-perpage to 6.9)"
    atomics = [row["atomic_ns"] for row in data["rows"]]
    yield "(rest: the change of what is left without atomic instructions, by their number and the time that one took"
    yield f"beside these runs, {min(atomics):.1f} to {max(atomics):.1f} ns)"
    for name in patched:
        yield f"(beside {name}: its change from {data['rows'][0]['kernels'][name]['against']})"
    yield from dict.fromkeys(
        f"running kernel: {row['kernel_unavailable']}" for row in data["rows"] if row["kernel_unavailable"]
    )


def counts(data: dict[str, Any]) -> Iterator[str]:
    """Yield the table of counts."""
    width = max(len(name) for name in data["kernels"])
    heads = [SHORT.get(name, name) for name in (*PER_PAGE, *PER_FOLIO)]
    yield f"{'KiB':>6} {'kernel':<{width}}" + "".join(f" {head:>10}" for head in heads) + f" {'flushes':>8}"
    for row in data["rows"]:
        for name in data["kernels"]:
            found = row["counts"][name]
            values = [found["per_page"][key] for key in PER_PAGE] + [found["per_folio"][key] for key in PER_FOLIO]
            line = "".join(f" {value:>10.3f}" for value in values)
            yield f"{row['folio_kib']:>6} {name:<{width}}{line} {found['flushes']:>8,}"
