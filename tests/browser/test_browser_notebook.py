"""A plan as the output of a notebook's cell: its page, in a frame that stays apart."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException

from reconciler.api.showing import Plan

from .conftest import Browser
from .test_browser_plan import ROOT, SHOWN, plan_of

HOSTILE = """"></iframe><script>document.title = "reached"</script>"""


def output(saved_size: int) -> str:
    """What a cell holds that ends with a plan, of files with a name that tries to get out."""
    saved = plan_of(saved_size)
    return Plan.of(replace(saved, tool_version=HOSTILE))._repr_html_()


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a style of its own, in which the plan is an output."""
    page = tmp_path_factory.mktemp("notebook") / "notebook.html"
    page.write_text(
        "<!doctype html><html lang='en'><title>Notebook</title>"
        "<style>h1, li, code { display: none }</style>"
        f"<main><p>Out</p>{output(1200)}</main></html>",
        encoding="utf-8",
    )
    return page


def test_a_cell_shows_the_page_of_a_plan_and_its_filter_works(
    browser: Browser, notebook: Path
) -> None:
    browser.open(notebook)
    browser.driver.switch_to.frame(browser.find("iframe[title=Plan]"))
    try:
        browser.until("document.readyState === 'complete'")
        assert browser.find("h1").is_displayed()
        browser.find("#filter").send_keys(f"{ROOT}.1.2.57")
        browser.until("document.getElementById('matches').value === '1 instance of 1 study'")
        assert browser.run(f"return {SHOWN}.length") == 1
        assert browser.run("return window.origin") == "null"
        with pytest.raises(WebDriverException, match="Blocked a frame"):
            browser.run("return parent.document.title")
    finally:
        browser.driver.switch_to.default_content()
    assert browser.run("return document.title") == "Notebook"
    assert browser.run("return document.querySelectorAll('iframe').length") == 1
    assert browser.driver.get_log("browser") == []


class Elements(HTMLParser):
    """The names of the elements that a text opens."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.opened.append(tag)


def test_the_output_is_one_element() -> None:
    assert Elements(output(400)).opened == ["iframe"]


def test_a_large_plan_is_text_that_stays_short() -> None:
    shown = output(20_000)
    assert Elements(shown).opened == ["pre"]
    assert len(shown) < 200_000
