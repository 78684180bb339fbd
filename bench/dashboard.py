"""What somebody at the Dashboard waits for with many routes: measured by the browser's own tracing of each interaction.

An interaction's time is the longest of its events, from the key or the click to the next frame on the screen (Event
Timing; Interaction to Next Paint); a long task is what kept the page's thread busy for more than 50 ms (Long Tasks).
"""

import shutil
import statistics
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import httpx
from playwright.sync_api import Locator, Page, sync_playwright

from bench.fleet import ADMIN, Fleet
from bench.shape import Shape

NAME: Final = "bench"
PASSWORD: Final = "correct horse battery"  # noqa: S105 - of a user of a fleet that is gone afterwards
TIMES: Final = 7
CALM_MS: Final = 400
"""After an interaction, until the browser has told what it took."""
SEEN: Final = 14
"""A row that is in sight after a page was scrolled: those above are drawn, too."""
LEAST_MS: Final = 16.0
"""What takes less the browser does not tell."""
OBSERVED: Final = """
    window.told = { event: [], longtask: [] };
    for (const type of ["event", "longtask"])
        new PerformanceObserver((list) => window.told[type].push(...list.getEntries()
            .filter((entry) => type === "longtask" || entry.interactionId)
            .map((entry) => entry.duration))).observe({ type, durationThreshold: 16, buffered: true });
"""
TELL: Final = """() => {
    const most = ["event", "longtask"].map((type) => Math.max(0, ...window.told[type]));
    window.told.event.length = window.told.longtask.length = 0;
    return most;
}"""
SCRIPTS: Final = """() => performance.getEntriesByType("resource")
    .filter((entry) => entry.name.endsWith(".js")).reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""

Deed = Callable[[], object]
Found = dict[str, dict[str, float]]


def measure(fleet: Fleet, upstream: int, shape: Shape) -> Found:
    """By what is done: ms until the next frame (p50, worst; 16 stands for all below), and the longest task's ms."""
    fleet.fill(shape, upstream)
    _user(fleet)
    with _signed_in(fleet) as page:
        scripts = page.evaluate(SCRIPTS)
        address = f"http://127.0.0.1:{fleet.admin}/groups/default/services/s0"
        loaded = [_load(page, address, shape) for _ in range(TIMES)]
        rounds = [{name: _timed(page, deed) for name, deed in _steps(page)} for _ in range(TIMES)]
    return {
        "(load the page)": {"p50 ms": round(statistics.median(loaded)), "worst ms": round(max(loaded))},
        "(scripts of the home page)": {"kB": round(scripts / 1000)},
        **{name: _of([each[name] for each in rounds]) for name in rounds[0]},
    }


def _of(times: Sequence[tuple[float, float]]) -> dict[str, float]:
    frames, tasks = zip(*times, strict=True)
    return {"p50 ms": statistics.median(frames), "worst ms": max(frames), "longest task ms": max(tasks)}


def _steps(page: Page) -> Iterator[tuple[str, Deed]]:
    """One round; each step leaves the page so that the next can follow.

    A deed is the key or the click alone, where the mouse is told to click before it is timed: looking for elements by
    their roles makes the browser's thread busy for as long as the interaction itself, and nobody but a test does it.
    """
    table, dialog = page.get_by_role("table", name="Routes"), page.get_by_role("dialog")
    letters, search = page.get_by_label("Filter this list"), page.get_by_placeholder("Find groups, services")

    def click(target: Locator) -> Deed:
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        assert box
        return lambda: page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def press(key: str) -> Deed:
        return lambda: page.keyboard.press(key)

    yield "sort by name", click(page.get_by_role("button", name="Name").first)
    table.locator("xpath=ancestor::*[@tabindex=0]").first.focus()
    yield "scroll a page", press("PageDown")
    yield "open a route", click(table.get_by_role("link").nth(SEEN))
    dialog.get_by_label("Name").first.wait_for()
    yield "close it", press("Escape")
    dialog.wait_for(state="detached")
    letters.focus()
    yield "first letter in the filter", press("r")
    yield "second letter in the filter", press("7")
    letters.fill("")
    yield "to another tab", click(page.get_by_role("tab", name="Versions"))
    yield "back to the routes", click(page.get_by_role("tab", name="Routes"))
    table.wait_for()
    yield "open the search", press("Control+k")
    search.wait_for()
    yield "letter in the search", press("r")
    yield "second letter in the search", press("7")
    search.fill("")
    yield "close the search", press("Escape")
    search.wait_for(state="detached")


def _timed(page: Page, deed: Deed) -> tuple[float, float]:
    """Of this deed: ms until the next frame, and of the longest task."""
    page.wait_for_timeout(CALM_MS)
    page.evaluate(TELL)
    deed()
    page.wait_for_timeout(CALM_MS)
    frame, task = page.evaluate(TELL)
    return max(float(frame), LEAST_MS), round(float(task))


def _load(page: Page, address: str, shape: Shape) -> float:
    """From asking for the page until its routes are there, in ms."""
    began = time.monotonic()
    page.goto(address)
    page.get_by_text(f"{shape.routes} rows").wait_for()
    return (time.monotonic() - began) * 1000


@contextmanager
def _signed_in(fleet: Fleet) -> Generator[Page]:
    """Debian's Chromium at the home page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(OBSERVED)
        page.goto(f"http://127.0.0.1:{fleet.admin}/")
        page.get_by_label("User name").fill(NAME)
        page.locator("input[autocomplete=current-password]").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="default").wait_for()
        yield page
        browser.close()


def _user(fleet: Fleet) -> None:
    """An administrator who has chosen his password."""
    with httpx.Client(base_url=f"http://127.0.0.1:{fleet.admin}", timeout=30) as client:
        made = client.post("/api/invites", json={"username": NAME, "password": NAME}, auth=ADMIN).raise_for_status()
        roles = f"/api/users/{made.json()['value']['id']}/assigned_roles"
        client.put(roles, json={"roles": ["super_admin_id"]}, auth=ADMIN).raise_for_status()
        chosen = {"old_password": NAME, "new_password": PASSWORD}
        client.put("/api/password", json=chosen, auth=(NAME, NAME)).raise_for_status()
