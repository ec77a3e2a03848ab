"""A headless Chromium that finds things on a page as a person does: by the words that are shown.

Everything is waited for, nothing is slept for. A page is told its labels, never a CSS class of one MLflow version.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from support.chromium import programs
from support.environments import ROOT

PICTURES = ROOT / "build" / "pictures"
SECONDS = 15
MOVING_SECONDS = 2
MOVES = "return document.getAnimations().some(each => each.playState === 'running')"
SIZE = "1280,800"
NOT_YET = (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
DIALOG = "//*[@role='dialog']"
Found = TypeVar("Found")


class PageError(Exception):
    """The page shows an error message; its text is the exception's."""


class Page:
    """The one tab of a browser.

    Every action waits for what it needs, at most SECONDS, and then fails with what the page shows instead. Labels are
    compared with runs of white space as one space.
    """

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def open(self, url: str) -> None:
        """Load a version's or a model's address anew, and wait until the page has its heading or its table."""
        self._driver.get("about:blank")  # an address that differs in its fragment only would load nothing
        self._driver.get(url)
        version = url.partition("/versions/")[2]
        path = f"//*[{_says(f'Version {version}')}]" if version else "//*[@role='columnheader']"
        self._until(f"the page {url}", lambda: self._one(path))

    def click_in_row(self, row: str, column: str, label: str = "") -> None:
        """Click the button with this label, or the only one, in the cell of a table's row below a column's head."""

        def click() -> bool | None:
            heads = [_flat(head.text) for head in self._shown("//*[@role='columnheader']")]
            if column not in heads:
                return None
            cell = f"//*[@role='row'][.//*[{_says(row)}]]/*[@role='cell'][{heads.index(column) + 1}]"
            self._one(f"{cell}//button" + (f"[{_says(label, '.')}]" if label else "")).click()
            return True

        self._until(f'the button below "{column}" in the row of "{row}"', click)

    def has_dialog(self, title: str, seconds: float) -> bool:
        """Whether a dialog with this title opens in time."""
        try:
            self._until("", lambda: self._one(f"{DIALOG}//*[{_says(title)}]"), seconds)
        except AssertionError:
            return False
        return True

    def answer(self, label: str) -> None:
        """Click a button of the open dialog, and wait until the dialog is gone."""
        self._act(f'button "{label}" in a dialog', f"{DIALOG}//button[{_says(label, '.')}]", WebElement.click)
        self._until(f'the dialog closed by "{label}"', lambda: None if self._shown(DIALOG) else True)

    def switch_off(self, label: str) -> None:
        """Switch off the switch after a label; it must be on."""
        path = f"//*[{_says(label)}]/following::button[@role='switch'][1]"
        self._act(f'switch "{label}" that is on', f"{path}[@aria-checked='true']", WebElement.click)

    def type(self, text: str) -> None:
        """Type into the open dialog's field."""
        self._act("a field in a dialog", f"{DIALOG}//input", lambda field: field.send_keys(text))

    def press_enter(self) -> None:
        """Press Enter where the text went."""
        self._driver.switch_to.active_element.send_keys(Keys.ENTER)

    def remove(self, tag: str) -> None:
        """Remove a tag from the open dialog's field, by the cross on it."""
        self._act(f"the cross on {tag}", f"{DIALOG}//*[@title='{tag}']//button", WebElement.click)

    def open_drop_down(self, label: str) -> None:
        """Open the drop-down after a label, and wait for its items."""
        self._act(f'drop-down beside "{label}"', self._value(label), WebElement.click)
        self._until(f'items below "{label}"', lambda: self._one("//*[@role='menuitem']"))

    def choose(self, item: str) -> None:
        """Click an item of the open drop-down."""
        self._act(f'item "{item}"', f"//*[@role='menuitem'][{_says(item, '.')}]", WebElement.click)

    def tick(self, label: str) -> None:
        """Tick the open dialog's box with this label; it must not be ticked."""
        self._act(f'box "{label}"', f"{DIALOG}//label[{_says(label, '.')}]", self._tick)

    def wait_for_value(self, label: str, value: str) -> None:
        """Wait until the value after a label is this one.

        Raises:
            PageError: The page showed an error message first.
        """

        def look() -> bool | None:
            for alert in self._shown("//*[@role='alert']"):
                raise PageError(_flat(alert.text))
            return self._one(self._value(label)).text.strip() == value or None

        self._until(f'"{label}: {value}"', look)

    def value(self, label: str) -> str:
        """The value after a label."""
        return self._until(f'"{label}"', lambda: _flat(self._one(self._value(label)).text))

    def picture(self, name: str) -> None:
        """Save what the page shows as build/pictures/NAME.png, once nothing on it moves."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + MOVING_SECONDS
        while self._driver.execute_script(MOVES) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert self._driver.save_screenshot(str(PICTURES / f"{name}.png"))

    @staticmethod
    def _value(label: str) -> str:
        return f"(//*[{_says(label)}]/following::*[@role='status'])[1]"

    @staticmethod
    def _tick(label: WebElement) -> None:
        box = label.find_element(By.XPATH, ".//input[@type='checkbox']")
        if not box.is_selected():
            label.click()
        assert box.is_selected()

    def _shown(self, path: str) -> list[WebElement]:
        return [element for element in self._driver.find_elements(By.XPATH, path) if element.is_displayed()]

    def _one(self, path: str) -> WebElement:
        found = self._shown(path)
        if not found:
            raise NoSuchElementException(path)
        return found[0]

    def _act(self, what: str, path: str, action: Callable[[WebElement], object]) -> None:
        def try_it() -> bool:
            action(self._one(path))
            return True

        self._until(what, try_it)

    def _until(self, what: str, probe: Callable[[], Found | None], seconds: float = SECONDS) -> Found:
        deadline = time.monotonic() + seconds
        while True:
            found, covered = None, False
            try:
                found = probe()
            except NOT_YET as error:
                covered = isinstance(error, ElementClickInterceptedException)
            if found is not None:
                return found
            if time.monotonic() > deadline:
                shown = _flat(self._driver.find_element(By.TAG_NAME, "body").text)
                raise AssertionError(
                    f"{what} {'is covered' if covered else 'is not there'}; the page shows: {shown}"
                )
            time.sleep(0.05)


@contextlib.contextmanager
def open_page(name: str) -> Iterator[Page]:
    """A browser with a profile of its own, for one test.

    Args:
        name: Name of the picture that is saved in build/pictures when the test fails.
    """
    browser, chromedriver = programs()
    with tempfile.TemporaryDirectory(prefix="test-browser-", ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for argument in (
            "--headless=new",
            f"--window-size={SIZE}",
            f"--user-data-dir={profile}",
            "--lang=en-US",
            "--no-sandbox",  # root, as in a container, has none; the only pages are our own servers'
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-proxy-server",
            "--disable-background-networking",
        ):
            options.add_argument(argument)
        driver = webdriver.Chrome(options, Service(chromedriver))
        page = Page(driver)
        try:
            yield page
        except BaseException:
            page.picture(f"{name}-failed")
            raise
        finally:
            driver.quit()


def _says(label: str, where: str = "text()") -> str:
    """An XPath condition: the element's own text, or with ``"."`` all text in it, is this label.

    No-break spaces count as spaces; the arrow "->" is a picture on the page, without text.
    """
    plain = " ".join(label.replace("->", " ").split())
    quote = "'" if "'" not in plain else '"'
    return f"normalize-space(translate({where}, '\u00a0', ' ')) = {quote}{plain}{quote}"


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
