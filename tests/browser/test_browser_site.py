"""The documentation site as readers meet it: from a disk, on a phone, in the dark, by keyboard."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from .conftest import DESKTOP, Browser

SITE = Path(__file__).parents[2] / "site"
PHONE = (390, 844)
DOCS = SITE.parent / "docs"
NAMES = [
    page.relative_to(DOCS).with_suffix(".html").as_posix() for page in sorted(DOCS.rglob("*.md"))
]


@pytest.fixture(scope="session")
def pages() -> list[Path]:
    """Every page of the site that script/docs built."""
    found = sorted(page for page in SITE.rglob("*.html") if page.name != "404.html")
    if not found:
        missing = "there is no site: script/docs"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


class Links(HTMLParser):
    """The targets that a page links to, the resources that it loads, and the ids that it has."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.ids: set[str] = set()
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name in {"href", "src"} and value:
                self.targets.add(value)
            elif name == "id" and value:
                self.ids.add(value)


def severe(browser: Browser) -> list[str]:
    """What the browser complains of, such as a request that cannot leave this machine."""
    return [one["message"] for one in browser.driver.get_log("browser") if one["level"] == "SEVERE"]


@pytest.mark.slow
def test_every_link_leads_to_a_file_and_a_place_in_it(pages: list[Path]) -> None:
    of_page = {page: Links(page) for page in pages}
    linked, broken = {SITE / "index.html"}, []
    for page, links in of_page.items():
        for target in links.targets:
            if target.startswith(("https://", "mailto:", "data:", "javascript:")):
                continue
            name, anchor = urldefrag(unquote(target))
            file = (page.parent / name).resolve() if name else page
            linked.add(file)
            if not file.is_file() or (anchor and anchor not in of_page[file].ids):
                broken.append(f"{page.relative_to(SITE)}: {target}")
    assert broken == []
    assert [page for page in pages if page not in linked] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_a_phone_and_is_accessible_in_light_and_dark(
    name: str, pages: list[Path], browser: Browser
) -> None:
    page = SITE / name
    assert page in pages
    browser.resize(PHONE)
    browser.open(page)
    assert browser.run("return document.documentElement.scrollWidth") <= PHONE[0]
    browser.resize(DESKTOP)
    for preferred, scheme in {"light": "default", "dark": "slate"}.items():
        browser.prefer(preferred)
        browser.until(f"document.body.dataset.mdColorScheme === '{scheme}'")
        browser.until("document.getAnimations().length === 0")  # colours change gradually
        assert browser.violations() == []


@pytest.mark.slow
def test_search_finds_a_page_from_a_disk_and_asks_no_host(
    pages: list[Path], browser: Browser
) -> None:
    browser.tell("Network.enable")
    browser.tell(
        "Network.emulateNetworkConditions",
        offline=True,
        latency=0,
        downloadThroughput=0,
        uploadThroughput=0,
    )
    browser.open(SITE / "index.html")
    browser.find(".md-search__input").send_keys("consent")
    browser.until("document.querySelectorAll('.md-search-result__link').length > 0")
    found = [one.get_attribute("href") or "" for one in browser.find_all(".md-search-result__link")]
    assert any("how-to/consent-withdrawal.html" in one for one in found)
    assert severe(browser) == []
