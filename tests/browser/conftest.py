"""Headless Chromium, driven as a person would use it, and axe-core to look at what it shows."""

from __future__ import annotations

import base64
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

AXE = Path(sys.prefix) / "node" / "node_modules" / "axe-core" / "axe.min.js"
DESKTOP = (1280, 900)
PHONE = (360, 740)
WAIT_SECONDS = 20


@dataclass(frozen=True)
class Browser:
    """A browser with one page open, and the few things that are asked of it."""

    driver: Chrome

    def open(self, page: Path, *, anchor: str = "") -> None:
        self.driver.get("about:blank")
        self.driver.get(f"{page.as_uri()}{anchor}")

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def until(self, script: str) -> None:
        """Wait for an expression of the page to be true."""
        WebDriverWait(self.driver, WAIT_SECONDS).until(lambda _: self.run(f"return {script}"))

    def tell(self, command: str, **parameters: object) -> Any:
        """Say something in the DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, parameters)

    def prefer(self, scheme: str) -> None:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.tell("Emulation.setEmulatedMedia", media="screen", features=[feature])

    def resize(self, size: tuple[int, int]) -> None:
        width, height = size
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=size == PHONE,
        )

    def violations(self) -> list[str]:
        """What axe-core has against the page: rule, impact and the elements."""
        self.run(AXE.read_text("utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations));"
        )
        return [
            f"{one['id']} ({one['impact']}): {[node['html'][:200] for node in one['nodes'][:3]]}"
            for one in found
        ]

    def printed(self) -> bytes:
        """The page as PDF, in the style of paper."""
        self.tell("Emulation.setEmulatedMedia", media="print", features=[])
        pdf = self.tell("Page.printToPDF", printBackground=False)["data"]
        self.tell("Emulation.setEmulatedMedia", media="", features=[])
        return base64.b64decode(pdf)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chrome]:
    driver, browser = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or browser is None or not AXE.exists():
        missing = "chromium, chromium-driver or axe-core is missing: script/bootstrap test"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    options = ChromeOptions()
    options.binary_location = browser
    # A sandbox of its own is what a container does not allow.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = Chrome(options, ChromeService(driver))
    yield running
    running.quit()


@pytest.fixture
def browser(chromium: Chrome) -> Browser:
    opened = Browser(chromium)
    opened.tell("Emulation.setScriptExecutionDisabled", value=False)
    opened.prefer("light")
    opened.resize(DESKTOP)
    opened.driver.get_log("browser")
    return opened
