"""The directory is read for all readers at once, and not more often than it may be."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from stress.campaign.database import DATABASE
from stress.campaign.serve import edition
from stress.campaign.serve.edition import PAUSE_S, SHARE, Edition, Editor


class Reading:
    """Takes the place of the reading of a directory: counts, and has taken a while."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.times = seconds, 0

    def __call__(self, directory: Path) -> Edition:
        self.times += 1
        return Edition(HTTPStatus.OK, (directory / DATABASE).read_text(), b"", b"", self.seconds)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / DATABASE).write_text("one")
    return tmp_path


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Reading]:
    def replaced(seconds: float) -> Reading:
        made = Reading(seconds)
        monkeypatch.setattr(edition, "read", made)
        return made

    return replaced


async def test_many_readers_are_one_reading(directory: Path, reading: Callable[[float], Reading]) -> None:
    times, editor = reading(0), Editor(directory)
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(editor.current)
    assert 1 == times.times


@pytest.mark.parametrize("seconds", [0.0, 1.0])
async def test_it_is_read_for_a_share_of_the_time(
    directory: Path, reading: Callable[[float], Reading], mock_clock: MockClock, seconds: float
) -> None:
    times, editor = reading(seconds), Editor(directory)
    before = (await editor.current()).tag
    for pause, new in ((PAUSE_S, "other"), (max(PAUSE_S, seconds / SHARE), "a third")):
        (directory / DATABASE).write_text(new)
        mock_clock.jump(pause - 0.01)
        assert before == (await editor.current()).tag
        mock_clock.jump(0.02)
        before = (await editor.current()).tag
        assert before == new
    mock_clock.jump(1000.0)
    assert "a third" == (await editor.current()).tag
    assert 3 == times.times, "what has not changed is not read"


async def test_nobody_who_waits_is_left_out(
    directory: Path, reading: Callable[[float], Reading], mock_clock: MockClock
) -> None:
    """Each hears of a change once; while nobody waits nothing is looked at."""
    times, editor, heard = reading(0), Editor(directory), list[str]()

    async def wait(tag: str) -> None:
        heard.append((await editor.after(tag)).tag)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(editor.watch)
        await wait_all_tasks_blocked()
        assert 0 == times.times
        await wait("")
        for _ in range(50):
            nursery.start_soon(wait, "one")
        await wait_all_tasks_blocked()
        assert ["one"] == heard and 50 == editor.waiting
        (directory / DATABASE).write_text("other")
        while len(heard) < 51:
            mock_clock.jump(PAUSE_S)
            await wait_all_tasks_blocked()
        assert ["other"] * 50 == heard[1:] and 0 == editor.waiting
        nursery.cancel_scope.cancel()
    assert 2 == times.times


async def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    for words in ("holds no campaign", "empty or torn"):
        found = await Editor(tmp_path).current()
        assert HTTPStatus.SERVICE_UNAVAILABLE == found.status and words in found.page.decode()
        (tmp_path / DATABASE).write_text("torn")
