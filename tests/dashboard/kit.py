"""A browser over the real product: signs in, watches the console, checks accessibility, takes pictures."""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.e2e.kit import Fleet, eventually

ROOT = Path(__file__).parents[2]
AXE = (ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js").read_text()
SCREENSHOTS = os.environ.get("GATEFLEET_SCREENSHOTS", "")
"""Where pictures of the pages are kept; nowhere if it is empty."""
COLOURS = ("color-contrast", "link-in-text-block")
"""Rules of axe that another colour scheme may break; the others see the same page."""
STILL = "document.getAnimations().every((each) => each.playState !== 'running')"
SIGNED_IN = "gatefleet-session"
"""What the Dashboard keeps in the browser to know so before it has asked."""
PASSWORD = "correct horse battery"
SECONDS = 60
WIDTHS: dict[str, ViewportSize] = {
    "phone": {"width": 390, "height": 844},
    "1280": {"width": 1280, "height": 900},
    "1920": {"width": 1920, "height": 1080},
}
expect.set_options(timeout=SECONDS * 1000)


@dataclass
class Visitor:
    """One user at one browser; whatever the console complains about is kept."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list[str])

    def open(self, path: str) -> None:
        self.page.goto(self.address + path)

    def sign_in(self, name: str, path: str = "/", password: str = PASSWORD) -> None:
        """Ask for a page, be sent to sign in, and arrive there."""
        self.open(path)
        self.page.get_by_label("User name").fill(name)
        self.page.locator("input[autocomplete=current-password]").fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def enter(self, name: str, path: str = "/") -> None:
        """Arrive at a page signed in; the page of signing in has tests of its own."""
        account = {"username": name, "password": PASSWORD}
        answer = self.page.context.request.post(f"{self.address}/api/login", data=account)
        assert answer.ok, answer.text()
        self.open("/api/version")  # a page of the same origin, where the browser is told that somebody has signed in
        self.page.evaluate("(mark) => localStorage.setItem(mark, '1')", SIGNED_IN)
        self.open(path)

    def heading(self, name: str) -> None:
        """Wait until the page with this heading is there."""
        expect(self.page.get_by_role("heading", level=1, name=name)).to_be_visible()

    def settled(self) -> None:
        """Wait until nothing is being loaded and nothing moves any more."""
        expect(self.page.locator(".mantine-Skeleton-root")).to_have_count(0)
        # wait_for_function would evaluate text in the page, which its policy forbids
        eventually(lambda: self.page.evaluate(STILL), SECONDS)

    def accessible(self, *rules: str) -> None:
        """No serious finding of axe, by all rules unless some are named."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE)
        options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
        found: list[dict[str, Any]] = self.page.evaluate("(how) => axe.run(how).then((all) => all.violations)", options)
        grave = [
            f"{each['id']}: {each['help']}: {node['html'][:300]} {node['any'][:1]}"
            for each in found
            if each["impact"] in {"serious", "critical"}
            for node in each["nodes"][:3]
        ]
        assert not grave, "\n".join(grave)

    def holds(self) -> None:
        """The page is not wider than the screen."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 1, f"{self.page.url} is {wide} pixels too wide"

    def picture(self, name: str) -> None:
        if SCREENSHOTS:
            self.page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")

    def examined(self, name: str) -> None:
        """The page as it stands: accessible in light and dark, not too wide on three widths, and a picture of each."""
        for width, scheme in (("1280", "light"), ("1920", "dark"), ("phone", "light")):
            self.page.set_viewport_size(WIDTHS[width])
            self.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            self.settled()
            self.holds()
            if width != "phone":
                self.accessible(*(COLOURS if scheme == "dark" else ()))
            self.picture(f"{name}-{width}-{scheme}")
        self.page.set_viewport_size(WIDTHS["1280"])
        self.page.emulate_media(color_scheme="light")

    def quiet(self) -> None:
        """Nothing was complained about on any page so far."""
        assert not self.complaints, "\n".join(self.complaints)


@contextmanager
def visitor(browser: Browser, fleet: Fleet, *, bypass_csp: bool = False) -> Generator[Visitor]:
    """A browser of its own: no cookie, no storage; the page's policy counts unless it is told otherwise."""
    context = browser.new_context(
        viewport=WIDTHS["1280"], color_scheme="light", reduced_motion="reduce", bypass_csp=bypass_csp
    )
    context.set_default_timeout(SECONDS * 1000)
    page = context.new_page()
    someone = Visitor(page, fleet.url("admin"))
    page.on("console", lambda said: someone.complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: someone.complaints.append(str(error)))
    try:
        yield someone
    finally:
        context.close()


def person(fleet: Fleet, name: str, *roles: str) -> None:
    """A user with PASSWORD, who has chosen it; the first administrator's stays for the tests that share the product."""
    made = fleet.call("POST", "/api/invites", {"username": name, "password": name})
    if made.status_code == 409:
        return
    user = made.json()["value"]["id"]
    fleet.call("PUT", f"/api/users/{user}/assigned_roles", {"roles": list(roles)}).raise_for_status()
    chosen = {"old_password": name, "new_password": PASSWORD}
    fleet.client.put(fleet.url("admin", "/api/password"), json=chosen, auth=(name, name)).raise_for_status()


def exactly(text: str) -> re.Pattern[str]:
    """For names that are part of others."""
    return re.compile(f"^{re.escape(text)}$")
