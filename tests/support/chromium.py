"""Chromium as a reader of pages has it: a width, a light or dark setting, and what its console says."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

HEIGHT = 900
PHONE = 500


def programs() -> tuple[str, str]:
    """The paths of Chromium and its driver."""
    paths = {program: shutil.which(program) for program in ("chromium", "chromedriver")}
    missing = [program for program, path in paths.items() if not path]
    assert not missing, f"{' and '.join(missing)} missing: run scripts/ensure-chromium.sh"
    return str(paths["chromium"]), str(paths["chromedriver"])


@contextlib.contextmanager
def running_chromium() -> Iterator[webdriver.Chrome]:
    """A headless browser with a profile of its own, and its console kept."""
    browser, chromedriver = programs()
    with tempfile.TemporaryDirectory(prefix="test-report-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for argument in (
            "--headless=new",
            f"--user-data-dir={profile}",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-proxy-server",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options, Service(chromedriver))
        try:
            yield driver
        finally:
            driver.quit()


def look(driver: webdriver.Chrome, url: str, *, width: int, scheme: str) -> None:
    """Open an address in a window of this width, as a reader with the setting light or dark."""
    size = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < PHONE}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": feature})
    driver.get(url)


def console(driver: Any) -> list[str]:
    """What the console has said since it was asked last."""
    return [entry["message"] for entry in driver.get_log("browser")]


def evaluated(driver: webdriver.Chrome, expression: str) -> Any:
    """A value of the page, found outside of its sandbox, which runs no script."""
    answer = driver.execute_cdp_cmd("Runtime.evaluate", {"expression": expression, "returnByValue": True})
    return answer["result"].get("value")
