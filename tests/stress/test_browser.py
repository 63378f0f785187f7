"""Pages in a real browser, where one is installed: nothing on the console, tables that sort, a
policy that holds, and a page with two hundred failures.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from stress.campaign.report.facts import Facts, gather
from stress.campaign.report.html import html
from stress.patch.typed import Typed
from stress.trace.html import html as trace_html
from stress.trace.replay import replay
from tests.stress.report.directories import made, patch_file
from tests.stress.serve.browser import CHROMIUM, Browser
from tests.stress.trace.test_overview import seen
from tests.stress.trace.test_report import lost_update
from tests.toy import TOYS

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")

FAILURES = 200

NODES_MAX = 40
"""Nodes of a page, of text too, for each of its failures."""

LAYOUTS_MAX = 10
"""How often a page is laid out until it is complete."""

PROBE = "document.documentElement.dataset.probe = JSON.stringify({})"
"""A script that leaves what it has found where it is printed."""


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    """A campaign with a patch that loses updates."""
    folder = tmp_path_factory.mktemp("browser")
    return gather(made(folder, "--patch", str(patch_file(folder))))


def browsed(page: str, folder: Path, probe: str = "") -> tuple[object, list[str]]:
    """Open a page; return what ``probe``, an expression, comes to in it, and the console's lines.

    The policy has to go where there is a probe: it would refuse to run it.
    """
    if probe:
        page = re.sub(r"<meta http-equiv[^>]*>", "", page)
        page = page.replace("</body>", f"<script>{PROBE.format(probe)}</script></body>")
    file = folder / "page.html"
    file.write_text(page)
    assert CHROMIUM is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=5000"]
    command = [CHROMIUM, *options, f"--user-data-dir={folder / 'profile'}", "--dump-dom", file.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r'data-probe="([^"]*)"', done.stdout)
    value = json.loads(found[1].replace("&quot;", '"')) if found else None
    return value, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_nothing_is_on_the_console(facts: Facts, tmp_path: Path) -> None:
    assert (None, []) == browsed(html(facts), tmp_path)


async def test_nothing_is_on_the_console_of_a_trace(tmp_path: Path) -> None:
    async with replay(await lost_update(), catalogue=TOYS) as replayed:
        page = trace_html(replayed, Typed("trace"))
    assert (None, []) == browsed(page, tmp_path)


@pytest.mark.parametrize("width", [320, 2560])
async def test_no_page_has_a_serious_finding_of_axe(facts: Facts, tmp_path: Path, width: int) -> None:
    """With everything unfolded, dark and light; and no page is wider than its window."""
    axe = Path(pytest.importorskip("axe_core_python").__file__).with_name("axe.min.js").read_text()
    async with replay(await lost_update(), catalogue=TOYS) as replayed:
        pages = {"campaign": html(facts), "trace": trace_html(replayed, Typed("trace"))}
    for name, page in pages.items():
        (tmp_path / f"{name}.html").write_text(page)
        with Browser((tmp_path / f"{name}.html").as_uri(), tmp_path / name) as browser:
            browser.until("document.readyState === 'complete'")
            browser.value("document.querySelectorAll('details').forEach((fold) => (fold.open = true)); 0")
            browser.value(f"{axe}; 0")
            for scheme in ("light", "dark"):
                browser.wear(scheme, width)
                found = browser.value("axe.run(document, {resultTypes: ['violations']})")["violations"]
                serious = [one for one in found if one["impact"] in ("serious", "critical")]
                assert [] == [(one["id"], one["nodes"][0]["html"]) for one in serious], f"{name}, {scheme}"
                assert browser.value("document.documentElement.scrollWidth") <= width, f"{name}, {scheme}"
            assert [] == browser.console


ALL_OF_A_PAGE = """(async () => {
  const wrong = [], next = () => new Promise((done) => setTimeout(done, 0));
  for (const summary of document.querySelectorAll("summary")) {
    const before = summary.parentNode.open;
    summary.click();
    if (summary.parentNode.open === before) wrong.push(summary.textContent);
    summary.parentNode.open = false;
  }
  for (const link of document.querySelectorAll("a")) {
    link.click();
    await next();
    const there = document.querySelector(link.hash);
    if (!there.checkVisibility()) wrong.push(link.outerHTML);
    document.querySelectorAll("details").forEach((fold) => (fold.open = false));
  }
  return [wrong, document.querySelectorAll("summary, a").length];
})()"""
"""Unfolds each fold, and follows each link, which unfolds what it leads to."""


async def test_every_link_and_fold_works(facts: Facts, tmp_path: Path) -> None:
    _, trace_page, _ = await seen()
    for name, page in {"campaign": html(facts), "trace": trace_page}.items():
        (tmp_path / f"{name}.html").write_text(page)
        with Browser((tmp_path / f"{name}.html").as_uri(), tmp_path / name) as browser:
            browser.until("document.readyState === 'complete'")
            wrong, count = browser.value(ALL_OF_A_PAGE)
            assert [] == wrong and [] == browser.console
            assert count > (30 if name == "trace" else 2)


def test_the_policy_refuses_any_other_script(facts: Facts, tmp_path: Path) -> None:
    page = html(facts).replace("</body>", "<script>document.documentElement.dataset.probe = '1'</script></body>")
    value, console = browsed(page, tmp_path)
    assert value is None and 1 == len(console) and "Content Security Policy" in console[0]


def test_tables_sort(facts: Facts, tmp_path: Path) -> None:
    """By numbers, up and down, and the heading says which."""
    click = (
        "(() => {{ const heads = [...document.querySelectorAll('th button')];"
        " const one = heads.find((head) => head.textContent === 'executions'); {} return"
        " [one.parentNode.getAttribute('aria-sort'), ...[...document.querySelectorAll('table.sortable tbody tr')]"
        ".map((row) => Number(row.cells[5].dataset.value))]; }})()"
    )
    numbers = sorted(cell.executions for cell in facts.cells)
    assert ["ascending", *numbers] == browsed(html(facts), tmp_path, click.format("one.click();"))[0]
    down = browsed(html(facts), tmp_path, click.format("one.click(); one.click();"))[0]
    assert ["descending", *reversed(numbers)] == down


def test_a_page_with_many_failures_opens(facts: Facts, tmp_path: Path) -> None:
    """With little work: few elements for each, and a layout or two for all of them."""
    long = "\n".join(f"{number:>5}  {'x' * 112}" for number in range(52))
    found = tuple(replace(facts.findings[0], signature=f"{number:08x}", page=long) for number in range(FAILURES))
    (tmp_path / "page.html").write_text(html(replace(facts, findings=found)))
    with Browser((tmp_path / "page.html").as_uri(), tmp_path / "profile") as browser:
        browser.until("document.readyState === 'complete'")
        assert browser.value("document.querySelectorAll('pre').length") >= 2 * FAILURES and not browser.console
        assert browser.work("LayoutCount") <= LAYOUTS_MAX
        assert browser.work("Nodes") <= NODES_MAX * FAILURES
