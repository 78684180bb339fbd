"""One product per test process and one browser per module, shared by the tests that leave them as they found them."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.dashboard.kit import Visitor, person, visitor
from tests.e2e import kit
from tests.e2e.conftest import fleet, upstream

__all__ = ["fleet", "upstream"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium without windows, which spends a third less on a page; none is downloaded.

    Playwright keeps an event loop running in this thread, in which no other loop can run: no longer than it must.
    """
    chromium = shutil.which("chromium-headless-shell")
    assert chromium, "make install-dev installs chromium-headless-shell"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@pytest.fixture
def guest(browser: Browser, fleet: kit.Fleet) -> Iterator[Visitor]:
    """Somebody who has not signed in."""
    with visitor(browser, fleet) as someone:
        yield someone
        someone.quiet()


@pytest.fixture
def boss(guest: Visitor, fleet: kit.Fleet) -> Visitor:
    """An administrator who is signed in and looks at the fleet."""
    person(fleet, "boss", "super_admin_id")
    guest.enter("boss")
    guest.heading("Fleet")
    return guest
