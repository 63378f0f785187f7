"""Options that the whole suite shares."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest

WORKER = "PYTEST_XDIST_WORKER"
"""Is in the environment of the processes among which xdist deals the tests."""

if WORKER not in os.environ:
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="zapstress-tests-")
    """No test touches the user's cache directory, nor does what it starts. The processes of one
    run share theirs: a kernel is compiled once.
    """


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    if WORKER not in os.environ:
        shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--profile NAME`` runs only the tests that are parametrised over that profile (tox has one
    environment each).
    """
    parser.addoption("--profile", metavar="NAME", help="run only the tests of this architecture profile")
    parser.addoption(
        "--parallel-runs",
        metavar="N",
        type=int,
        default=2,
        help="recorded runs per scenario and profile that the parallel machine replays",
    )


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let output be as wide as it is: xdist tells its workers that they have 80 columns."""
    monkeypatch.delenv("COLUMNS", raising=False)


def _profile_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    value = callspec.params.get("profile") if callspec else None
    return getattr(value, "name", value)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what is not of the wanted profile."""
    wanted = config.getoption("--profile")
    if wanted is None:
        return
    kept = [item for item in items if _profile_of(item) == wanted]
    config.hook.pytest_deselected(items=[item for item in items if _profile_of(item) != wanted])
    items[:] = kept
