"""The page of a plan in a real browser: it folds, filters, follows links, prints and is read."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from reconciler.cli.main import run as type_command
from reconciler.drill.real_files import store_real_files
from reconciler.emulator import DEMO_STORE, Emulator, EmulatorSettings, running_emulator
from reconciler.model.address import StoreAddress
from reconciler.model.desired import Hold, Limits, Reason, ReasonCode
from reconciler.model.plan import (
    DeclaredInstances,
    DeletionGroup,
    Finding,
    KeptEntry,
    OverriddenEntry,
    Plan,
    SavedPlan,
    SeriesPlan,
    StorePlan,
    StudyPlan,
    Why,
)
from reconciler.model.problem import Source
from reconciler.planning.gates import gates_of
from reconciler.reporting.plan.html import plan_as_html

from ..cli.conftest import LIMITS_OPEN, REASON, head, removal
from ..sampling import some
from .conftest import DESKTOP, PHONE, Browser

ROOT = "1.2.826.0.1.3680043.10.1"
STORE = StoreAddress("imaging-prod", "europe-west4", "radiology", "archive")
EXPIRED = Reason(ReasonCode.DATA_RETENTION_POLICY_EXPIRED, ticket="RET-1042")
SHOWN = "[...document.querySelectorAll('.instances > li')].filter(one => one.checkVisibility())"
PER_SERIES = 100
LOAD_SECONDS = 2.0


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with running_emulator(EmulatorSettings(tmp_path / "store")) as running:
        yield running


def plan_of(instances: int) -> SavedPlan:
    """Studies of four series of a hundred instances; the first study is not emptied."""
    studies = tuple(_study(number) for number in range(instances // (4 * PER_SERIES)))
    first = replace(studies[0], emptied=False, instances=500, unmanaged=100)
    source = Source("specs/retention.yaml", 4)
    store = StorePlan(
        STORE,
        Limits(),
        (first, *studies[1:]),
        (Finding(Why.PROBE_FAILED, f"{ROOT}.999", None, None, source, "it answered 503"),),
        (KeptEntry(source, f"{ROOT}.998", None, 12, Hold("Litigation <b>2026-17</b>")),),
        (OverriddenEntry(source, source, f"{ROOT}.998", None, 12, None),),
    )
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    return SavedPlan(
        Plan(("specs",), (), (store,)),
        f"sha256:{'d' * 64}",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        moment,
        moment,
        "0.1.0",
        "http://127.0.0.1:8042",
    )


def _study(number: int) -> StudyPlan:
    series = tuple(_series(f"{ROOT}.{number}.{one}", number) for one in range(4))
    return StudyPlan(f"{ROOT}.{number}", 4 * PER_SERIES, 0, True, series)


def _series(uid: str, study: int) -> SeriesPlan:
    uids = DeclaredInstances((f"{uid}.{one}", 10 + one) for one in range(PER_SERIES))
    reason = replace(EXPIRED, ticket=f"RET-{study}")
    group = DeletionGroup(f"specs/{study}.yaml", reason, False, uids)
    return SeriesPlan(uid, PER_SERIES, True, (group,))


def written(folder: Path, saved: SavedPlan) -> Path:
    page = folder / "plan.html"
    page.write_text("".join(plan_as_html(saved, gates_of(saved))), "utf-8")
    return page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("plan"), plan_of(1200))


@pytest.fixture(scope="module")
def demo_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the demo's own plan."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    for arguments in (["demo", "--dir", folder], ["show", folder / "plan.json"]):
        extra = ["--write", f"html={folder}/plan.html"] if arguments[0] == "show" else []
        subprocess.run(
            [sys.executable, "-m", "reconciler", *map(str, arguments), *extra],
            check=True,
            capture_output=True,
        )
    return folder / "plan.html"


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
    browser.find("#unfold").click()
    assert browser.violations() == []
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")


def test_axe_would_find_something(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run("document.querySelector('label').remove(); document.documentElement.lang = ''")
    assert {one.split()[0] for one in browser.violations()} >= {"html-has-lang"}


def test_light_and_dark_differ(browser: Browser, page: Path) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        browser.open(page)
        grounds.append(browser.run("return getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(255, 255, 255)", "rgb(18, 23, 28)"]


def test_twenty_thousand_instances_load_within_two_seconds(
    browser: Browser, tmp_path: Path
) -> None:
    page = written(tmp_path, plan_of(20_000))
    times = []
    for _ in range(3):
        browser.open(page)
        browser.until("performance.getEntriesByType('navigation')[0].loadEventEnd > 0")
        times.append(
            browser.run("return performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000
        )
    assert browser.run("return document.querySelectorAll('.instances > li').length") == 20_000
    assert min(times) < LOAD_SECONDS


@pytest.mark.slow
def test_the_first_paint_of_a_long_plan_takes_at_most_twice_as_long(
    browser: Browser, tmp_path: Path
) -> None:
    """The head is there to read while the lists are still coming."""
    painted = "performance.getEntriesByName('first-contentful-paint')[0]"
    pages = {}
    for saved in (of_one_series(plan_of(4 * PER_SERIES)), plan_of(20_000)):
        folder = tmp_path / str(saved.plan.count(Why.LISTED))
        folder.mkdir()
        pages[folder.name] = written(folder, saved)
    times: dict[str, list[float]] = {name: [] for name in pages}
    for _ in range(5):
        for name, page in pages.items():
            browser.open(page)
            browser.until(f"{painted} !== undefined")
            times[name].append(browser.run(f"return {painted}.startTime"))
    assert min(times["20000"]) <= 2 * min(times["100"]), times


def of_one_series(saved: SavedPlan) -> SavedPlan:
    """The plan with the first of its series alone."""
    (store,) = saved.plan.stores
    study = replace(store.studies[0], series=store.studies[0].series[:1])
    return replace(saved, plan=replace(saved.plan, stores=(replace(store, studies=(study,)),)))


def test_it_asks_for_nothing_else_and_complains_of_nothing(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert browser.driver.get_log("browser") == []


def test_a_uid_narrows_it_down_to_one_instance(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.find("#filter").send_keys(f"{ROOT}.1.2.57")
    browser.until("document.getElementById('matches').value === '1 instance of 1 study'")
    (shown,) = browser.run(f"return {SHOWN}.map(one => one.textContent)")
    assert shown == f"{ROOT}.1.2.57 line 67"


def test_a_ticket_shows_all_that_is_under_it_and_clearing_shows_everything_as_before(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    before = browser.run("return [...document.querySelectorAll('details')].map(d => d.open)")
    browser.find("#filter").send_keys("ret-2")
    browser.until("document.getElementById('matches').value === '400 instances of 1 study'")
    assert browser.run(f"return {SHOWN}.length") == 400
    browser.find("#filter").send_keys(Keys.CONTROL, "a", Keys.BACKSPACE)
    browser.until("document.getElementById('matches').value === ''")
    after = browser.run("return [...document.querySelectorAll('details')].map(d => d.open)")
    assert after == before
    assert browser.run("return document.querySelectorAll('main [hidden]').length") == 0


def test_what_matches_nothing_says_so(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.find("#filter").send_keys("no such thing")
    browser.until("document.getElementById('matches').value === '0 instances of 0 studies'")
    assert browser.run(f"return {SHOWN}.length") == 0


def test_it_folds_and_unfolds_by_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page)
    series = browser.find("details.study[open] > details.series")
    assert not series.get_property("open")
    browser.run("arguments[0].querySelector('summary').focus()", series)
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert series.get_property("open")
    assert browser.run(f"return {SHOWN}.length") == PER_SERIES
    browser.find("#fold").click()
    assert browser.run(f"return {SHOWN}.length") == 0
    browser.find("#unfold").click()
    assert browser.run(f"return {SHOWN}.length") == 1200


def test_a_link_leads_into_what_was_folded(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.find("#fold").click()
    uid = f"{ROOT}.2"
    browser.find(f'a[href="#store-1-{uid}"]').click()
    browser.until("document.activeElement.tagName === 'SUMMARY'")
    assert uid in browser.driver.switch_to.active_element.text
    assert browser.run("return document.activeElement.parentElement.open")
    assert browser.run(
        "const top = document.activeElement.getBoundingClientRect().top;"
        "return top >= 0 && top < innerHeight"
    )


def test_an_address_with_an_anchor_opens_what_it_names(browser: Browser, page: Path) -> None:
    browser.open(page, anchor=f"#store-1-{ROOT}.2")
    browser.until(f"document.getElementById('store-1-{ROOT}.2').open")


def test_without_javascript_it_can_be_read_and_folded(browser: Browser, page: Path) -> None:
    browser.tell("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(page)
    assert not browser.find("#controls").is_displayed()
    first = browser.find("details.series")
    first.find_element("css selector", "summary").click()
    assert first.find_element("css selector", ".instances > li").is_displayed()


def test_every_control_has_a_name(browser: Browser, page: Path) -> None:
    browser.open(page)
    nodes = browser.tell("Accessibility.getFullAXTree")["nodes"]
    controls = [
        node
        for node in nodes
        if node.get("role", {}).get("value")
        in {"button", "searchbox", "link", "DisclosureTriangle", "combobox", "checkbox"}
    ]
    assert len(controls) > 10
    assert [node for node in controls if not node.get("name", {}).get("value")] == []


def test_it_prints_in_full_with_the_digest_and_a_number_on_each_page(
    browser: Browser, page: Path
) -> None:
    browser.open(page)
    (feet,) = browser.run(
        "return [...document.styleSheets].flatMap(one => [...one.cssRules])"
        ".filter(one => one instanceof CSSPageRule).map(one => one.cssText)"
    )
    assert "Digest" in feet
    assert "d" * 64 in feet
    assert 'counter(page) " / " counter(pages)' in feet
    as_it_stands = pages_of(browser.printed())
    browser.find("#unfold").click()
    assert pages_of(browser.printed()) == as_it_stands > 10


def pages_of(pdf: bytes) -> int:
    assert pdf.startswith(b"%PDF-")
    return len(re.findall(rb"/Type /Page\b", pdf))


def test_without_javascript_it_prints_in_full_too(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.tell("Emulation.setEmulatedMedia", media="print", features=[])
    assert browser.run(f"return {SHOWN}.length") == 1200
    assert browser.run("return document.querySelectorAll('details:not([open])').length") > 0
    assert browser.violations() == []


def test_a_uid_is_selected_as_a_whole(browser: Browser, page: Path) -> None:
    browser.open(page)
    code = browser.find("details.study > summary code")
    assert browser.run("return getComputedStyle(arguments[0]).userSelect", code) == "all"


def test_thumbnails_are_drawn_and_have_words(
    browser: Browser, emulator: Emulator, tmp_path: Path
) -> None:
    stored = store_real_files(emulator, DEMO_STORE)
    wanted = [stored[f"test_files/{name}_small.dcm"] for name in ("CT", "MR")]
    specs = tmp_path / "specs"
    specs.mkdir()
    (specs / "a.yaml").write_text(head() + REASON + LIMITS_OPEN + removal(wanted))
    where = ["--root", tmp_path, "--state", tmp_path / "state", "--endpoint", emulator.url]
    saved, page = tmp_path / "plan.json", tmp_path / "plan.html"
    for arguments in (
        ["plan", specs, "--out", saved, *where],
        ["show", saved, "--thumbnails", "--write", f"html={page}", *where],
    ):
        assert type_command([str(one) for one in arguments]) == 0
    for size in (DESKTOP, PHONE):
        browser.resize(size)
        browser.open(page)
        images = browser.run(
            "return [...document.images].map(one => [one.complete, one.naturalWidth, one.alt])"
        )
        assert [(done, width) for done, width, _ in images] == [(True, 128), (True, 64)]
        assert all("rendered by the store" in alt for _, _, alt in images)
        assert browser.violations() == []
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.driver.get_log("browser") == []
