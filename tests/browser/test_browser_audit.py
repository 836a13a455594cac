"""The page of an audit report in a real browser: it is read, filtered, folded, printed, signed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from reconciler.audit.report import make_report, selected_deletions
from reconciler.audit.snapshot import Snapshot
from reconciler.journal.places.disk import DiskState
from reconciler.journal.records import Intent, Record, Result, RunStarted, Verified
from reconciler.journal.writer import RunJournal
from reconciler.model.address import InstanceAddress, StoreAddress
from reconciler.model.audit import Selection
from reconciler.model.desired import Reason, ReasonCode
from reconciler.model.live import Presence
from reconciler.model.outcome import Outcome
from reconciler.model.problem import Source
from reconciler.model.provenance import Provenance, Requester
from reconciler.model.reply import ReplyKind
from reconciler.reporting.audit.html import report_as_html

from ..sampling import some
from .conftest import DESKTOP, PHONE, Browser

STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
ROOT = "1.2.826.0.1.3680043.10.1"
SHOWN = "[...document.querySelectorAll('.instances > li')].filter(one => one.checkVisibility())"
PER_SERIES, PER_STUDY, PER_RUN = 100, 400, 2_000
FAILED_EACH = 501
LOAD_SECONDS = 2.0
MADE = datetime(2026, 12, 1, tzinfo=UTC)
CODES = list(ReasonCode)
HEADS_OF_RUNS = ("When", "Run", "What", "How it ended", "Tickets")


def written(folder: Path, instances: int) -> Path:
    """The report of a record that is written as an apply writes it, a run a month."""
    state = folder / "state"
    for number, first in enumerate(range(0, instances, PER_RUN)):
        numbers = range(first, min(first + PER_RUN, instances))
        _write_run(state, f"run-{number:02}", number, numbers)
    snapshot = Snapshot.take(DiskState(state))
    report = make_report(snapshot, Selection(), made=MADE, tool_version="1.0")
    page = folder / "report.html"
    deletions = selected_deletions(snapshot, Selection())
    page.write_text("".join(report_as_html(report, deletions)))
    return page


def _write_run(state: Path, run: str, month: int, numbers: Sequence[int]) -> None:
    start = datetime(2025 + month // 12, 1 + month % 12, 3, 9, tzinfo=UTC)
    people = Provenance(
        "apply@imaging-prod.iam.gserviceaccount.com",
        Requester("github", "alice", str(month), f"https://ci.example/{month}"),
    )
    first = RunStarted(
        run=run,
        time=start,
        tool_version="1.0",
        plan_id=f"plan-{month}",
        digest=f"sha256:{month:064x}",
        endpoint="https://store.example",
        stores=(STORE,),
        planned=len(numbers),
        provenance=people,
    )
    with RunJournal.create(DiskState(state), first) as journal:
        for number in numbers:
            for record in _records(number, start + timedelta(milliseconds=number)):
                journal.append(record)


def _records(number: int, time: datetime) -> Iterator[Record]:
    study = f"{ROOT}.{number // PER_STUDY}"
    series = f"{study}.{number // PER_SERIES % (PER_STUDY // PER_SERIES)}"
    instance = InstanceAddress(study, series, f"{series}.{number % PER_SERIES}")
    reason = Reason(CODES[number // PER_STUDY % 3], ticket=f"RET-{number // PER_STUDY}")
    failed = number % FAILED_EACH == FAILED_EACH - 1
    yield Intent(time, 0, instance, 1, Source("specs/retention.yaml", number + 1), reason)
    kind = ReplyKind.REFUSED if failed else ReplyKind.ACCEPTED
    yield Result(time, 0, instance, 1, kind, 403 if failed else 200, request_id=f"r-{number}")
    yield Verified(
        time,
        0,
        instance,
        Presence.PRESENT if failed else Presence.ABSENT,
        Outcome.FAILED if failed else Outcome.DELETED,
        "it is still there" if failed else "",
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("audit"), 5_000)


@pytest.fixture(scope="module")
def demo_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the demo's own record."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    report = ["audit", "report", "--state", folder / ".reconciler"]
    for arguments in (
        ["demo", "--dir", folder],
        [*report, "--write", f"html={folder}/report.html"],
    ):
        subprocess.run(
            [sys.executable, "-m", "reconciler", *map(str, arguments)],
            check=True,
            capture_output=True,
        )
    return folder / "report.html"


@pytest.mark.parametrize(
    ("which", "scheme", "size"),
    some(product(["page", "demo_page"], ["light", "dark"], [DESKTOP, PHONE])),
)
def test_axe_finds_nothing_against_it(
    browser: Browser,
    request: pytest.FixtureRequest,
    which: str,
    scheme: str,
    size: tuple[int, int],
) -> None:
    browser.resize(size)
    browser.prefer(scheme)
    browser.open(request.getfixturevalue(which))
    assert browser.violations() == []
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")


def test_axe_finds_nothing_against_it_in_print(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.tell("Emulation.setEmulatedMedia", media="print", features=[])
    assert browser.violations() == []


def test_on_a_phone_no_table_is_cut_off(browser: Browser, page: Path) -> None:
    browser.resize(PHONE)
    browser.open(page)
    wide = browser.run(
        "return [...document.querySelectorAll('table')].filter("
        "one => one.offsetWidth > one.parentElement.clientWidth).map(one => one.outerHTML)"
    )
    assert wide == []
    shown = browser.run(
        "const row = document.querySelector('#runs ~ .wide tbody tr');"
        "return [...row.cells].map(one => getComputedStyle(one, '::before').content)"
    )
    assert shown[:5] == [f'"{head}: "' for head in HEADS_OF_RUNS]


@pytest.mark.slow
def test_twenty_thousand_instances_load_within_two_seconds(
    browser: Browser, tmp_path: Path
) -> None:
    page = written(tmp_path, 20_000)
    times = []
    for _ in range(3):
        browser.open(page)
        browser.until("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
        times.append(
            browser.run("return performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000
        )
    assert browser.run("return document.querySelectorAll('.instances > li').length") == 20_000
    assert min(times) < LOAD_SECONDS
    browser.find("#filter").send_keys(f"{ROOT}.49.3.98")
    browser.until("document.getElementById('matches').value === '1 instance of 1 study'")


def test_it_asks_for_nothing_else_and_complains_of_nothing(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert browser.driver.get_log("browser") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_charts_are_drawn_in_colours_that_stand_out(
    browser: Browser, page: Path, scheme: str
) -> None:
    browser.prefer(scheme)
    browser.open(page)
    parts = browser.run(
        "return [...document.querySelectorAll('svg rect')].map("
        "one => [one.querySelector('title').textContent, getComputedStyle(one).fill,"
        " one.getBoundingClientRect().height])"
    )
    month = "2025-01, 113001 Rejected for Quality Reasons: "
    assert [title for title, _, _ in parts if title.startswith(month)] == [f"{month}799"]
    ground = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert len({fill for _, fill, _ in parts}) >= 3
    for _, fill, height in parts:
        assert contrast(fill, ground) >= 3, fill
        assert height > 0


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours (WCAG 2.2); 3 is asked of graphics."""
    lighter, darker = sorted(map(luminance, (one, other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_request_narrows_it_down_to_one_instance(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.find("#filter").send_keys("request r-4321;")
    browser.until("document.getElementById('matches').value === '1 instance of 1 study'")
    (shown,) = browser.run(f"return {SHOWN}.map(one => one.textContent)")
    assert shown.startswith(
        f"{ROOT}.10.3.21 line 4322; HTTP 200, request r-4321; then a retrieve: absent"
    )


def test_an_outcome_shows_what_failed_and_clearing_shows_everything_as_before(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    before = browser.run("return [...document.querySelectorAll('details')].map(d => d.open)")
    browser.find("#filter").send_keys("failed:")
    browser.until("document.getElementById('matches').value === '9 instances of 9 studies'")
    browser.find("#filter").send_keys(Keys.CONTROL, "a", Keys.BACKSPACE)
    browser.until("document.getElementById('matches').value === ''")
    after = browser.run("return [...document.querySelectorAll('details')].map(d => d.open)")
    assert after == before


def test_what_is_not_proven_leads_to_where_it_is_listed(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.find(".banner.blocking a").click()
    browser.until("location.hash === '#not-proven'")
    link = browser.find("#not-proven ~ .wide a")
    uid = link.text
    link.click()
    browser.until("document.activeElement.tagName === 'SUMMARY'")
    series = browser.run("return document.activeElement.textContent")
    assert uid.rpartition(".")[0] in series
    assert browser.run(f"return {SHOWN}.some(one => one.textContent.startsWith('{uid}'))")


def test_without_javascript_all_of_it_can_be_read(browser: Browser, page: Path) -> None:
    browser.tell("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(page)
    assert not browser.find("#controls").is_displayed()
    first = browser.find("details.series")
    first.find_element("css selector", "summary").click()
    assert first.find_element("css selector", ".instances > li").is_displayed()


def test_every_control_has_a_name_and_every_chart_too(browser: Browser, page: Path) -> None:
    browser.open(page)
    nodes = browser.tell("Accessibility.getFullAXTree")["nodes"]
    named: dict[str, list[str]] = {}
    for node in nodes:
        role = node.get("role", {}).get("value")
        named.setdefault(role, []).append(node.get("name", {}).get("value", ""))
    assert {"Proven to be gone, by month and reason"} <= set(named["image"])
    for role in ("button", "searchbox", "link", "DisclosureTriangle", "image"):
        assert named[role]
        assert all(named[role])


def test_it_prints_with_the_lines_to_sign(browser: Browser, page: Path) -> None:
    browser.open(page)
    pdf = browser.printed()
    assert pdf.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", pdf)) >= 1
    cells = browser.find_all("table.sign tbody td")
    assert len(cells) == 6
    assert all(cell.rect["height"] >= 30 for cell in cells)
