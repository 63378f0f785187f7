"""Campaigns in files (``campaign --file``), damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from tests.robustness.damage import damaged, poisoned
from tests.robustness.subject import DOCUMENTED, FAILED, SKIPPED, Seen, run
from tests.stress.campaign_toys import TOYS

GOOD: dict[str, Any] = {
    "campaign": {
        "scenario": ["counters", "abba"], "profile": ["toy"], "geometry": "small", "strategy": "pct", "seed": 7,
        "fault": ["T01"], "disk-mib-max": 100, "stop-on-first": True, "depth": 3, "no-native": True, "duration": "5m",
    }
}  # fmt: skip
"""What is damaged."""

DAMAGED_AS_BYTES_EVERY = 4


def toml(data: Any) -> str:
    """Return plain data as TOML; what TOML has no words for is written as it comes."""
    if not isinstance(data, dict):
        return f"campaign = {value(data)}\n"
    lines = []
    for key, of in data.items():
        lines.append(f"[{word(key)}]" if isinstance(of, dict) else f"{word(key)} = {value(of)}")
        lines += [f"{word(name)} = {value(one)}" for name, one in of.items()] if isinstance(of, dict) else []
    return "\n".join([*lines, ""])


def word(key: str) -> str:
    """Return a key of TOML."""
    return key if key.replace("-", "").isalnum() else json.dumps(key)


def value(of: Any) -> str:
    """Return a value of TOML."""
    if isinstance(of, dict):
        return f"{{{', '.join(f'{word(key)} = {value(one)}' for key, one in of.items())}}}"
    if isinstance(of, list):
        return f"[{', '.join(map(value, of))}]"
    return json.dumps(of)


class Recipes:
    """Damaged files of campaigns; the budget and the directory are the command line's."""

    allowed = DOCUMENTED - {FAILED, SKIPPED}

    def __init__(self, folder: Path) -> None:
        self.folder, self.known = folder, toml(GOOD).encode()
        seen = self._run(folder / "good.toml", self.known)
        assert seen.status in (0, 1), seen

    def tried(self, number: int, random: Random) -> Iterator[Seen]:
        """Damage one; yield what a campaign did with it."""
        if number % DAMAGED_AS_BYTES_EVERY:
            made = toml(poisoned(GOOD, random)).encode(errors="surrogatepass")
        else:
            made = damaged(self.known, random, [self.known])
        yield self._run(self.folder / "mutant.toml", made)

    def _run(self, file: Path, data: bytes) -> Seen:
        file.write_bytes(data)
        directory = self.folder / "results"
        shutil.rmtree(directory, ignore_errors=True)
        words = ("campaign", "--file", str(file), "--executions", "2", "--workers", "1", "--dir", str(directory))
        return run(words, TOYS, self.folder)
