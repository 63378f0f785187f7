"""The hash of the sources says when the model has changed, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from stress import sources
from stress.sources import sources_hash


def test_sources_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It changes with every file under sim/."""
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    (tmp_path / "sim").mkdir()
    (tmp_path / "sim" / "a.py").write_text("one = 1\n")
    first = sources_hash()
    assert first == sources_hash()
    (tmp_path / "sim" / "a.py").write_text("one = 2\n")
    assert first == sources_hash(), "what runs is what was imported"
    sources.model_sources.cache_clear()
    second = sources_hash()
    (tmp_path / "sim" / "b").mkdir()
    (tmp_path / "sim" / "b" / "c.py").write_text("")
    sources.model_sources.cache_clear()
    assert len({first, second, sources_hash()}) == 3
    assert len(first) == 16
    sources.model_sources.cache_clear()
