"""The live page in a real browser, where one is installed: it shows what changes, and leaves what
its reader has unfolded and sorted as it is.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from stress.campaign.directory import expect
from stress.campaign.report.facts import gather
from tests.stress.report.directories import made
from tests.stress.serve.browser import CHROMIUM, Browser
from tests.stress.serve.readers import serving

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

NOTE = "document.getElementById('live').textContent"

SORT = "[...document.querySelectorAll('th button')].find((one) => one.textContent === 'profile').click()"

REACH = "document.querySelector('.wide[aria-label=\"all scenarios and profiles\"]').scrollLeft"

FOCUSED = "document.activeElement.textContent"

SORTED = "document.querySelector('th[aria-sort]')?.textContent"


def test_the_page_shows_what_changes(tmp_path: Path) -> None:
    directory = made(tmp_path)
    signature = gather(directory).findings[0].signature
    with serving(directory) as port, Browser(f"http://127.0.0.1:{port}/", tmp_path / "profile") as browser:
        browser.until("document.getElementById('live')")
        assert "Shows what changes" == browser.until(NOTE)
        browser.value("document.querySelectorAll('details').forEach((fold) => (fold.open = true)); 0")
        browser.value(SORT)
        assert "profile" == browser.value(SORTED)
        expect(directory, {signature: "known since 6.9"})
        browser.until("document.body.textContent.includes('known since 6.9')")
        assert browser.until(NOTE).startswith("As of ")
        folds = browser.value("[...document.querySelectorAll('li details')].map((fold) => fold.open)")
        assert folds and all(folds)
        assert "profile" == browser.value(SORTED)
        heads = browser.value("[...document.querySelectorAll('main > section > h2')].map((head) => head.textContent)")
        assert "Expected" in heads and len(heads) == len(set(heads))
        (directory / "campaign.sqlite").rename(tmp_path / "away")
        browser.until(f"{NOTE}.includes('holds no campaign')")
        (tmp_path / "away").rename(directory / "campaign.sqlite")
        browser.until(f"{NOTE} === 'Shows what changes'")
        assert [] == [line for line in browser.console if "503" not in line]
    assert browser.console, "a browser says itself that the page was not there for a while"


def test_a_reader_stays_where_they_are(tmp_path: Path) -> None:
    """What was scrolled sideways on a narrow window stays so, and the keyboard's place too, be it
    that a section comes, or that the table itself changes.
    """
    directory = made(tmp_path)
    signature = gather(directory).findings[0].signature
    with serving(directory) as port, Browser(f"http://127.0.0.1:{port}/", tmp_path / "profile") as browser:
        browser.until("document.getElementById('live')")
        assert "Shows what changes" == browser.until(NOTE)
        browser.wear("light", 320)
        browser.value(f"{REACH} = 60; document.querySelector('th:nth-child(3) button').focus(); 0")
        assert (60, "cases") == (browser.value(REACH), browser.value(FOCUSED))
        expect(directory, {signature: "known since 6.9"})
        browser.until("document.body.textContent.includes('known since 6.9')")
        assert (60, "cases") == (browser.value(REACH), browser.value(FOCUSED))
        with sqlite3.connect(directory / "campaign.sqlite") as db:
            db.execute("UPDATE numbers SET value = 123456 WHERE metric = 'executions'")
        db.close()
        browser.until("document.querySelector('table.sortable').textContent.includes('123,456')")
        assert (60, "cases") == (browser.value(REACH), browser.value(FOCUSED))
        assert [] == browser.console
