"""How much script a browser loads before the home page is there."""

from playwright.sync_api import Browser, Response

from tests.dashboard.kit import Visitor, person, visitor
from tests.e2e.kit import Fleet

MOST = 400_000


def test_the_home_page_takes_less_than_400_kilobytes_of_script(browser: Browser, fleet: Fleet) -> None:
    person(fleet, "boss", "super_admin_id")
    loaded: dict[str, int] = {}

    def note(response: Response) -> None:
        if response.url.endswith(".js"):
            loaded[response.url] = int(response.headers["content-length"])

    with visitor(browser, fleet) as someone:
        someone.page.on("response", note)
        someone.sign_in("boss")
        someone.heading("Fleet")
        someone.settled()
        _hold(someone, loaded)


def _hold(someone: Visitor, loaded: dict[str, int]) -> None:
    assert loaded
    assert sum(loaded.values()) < MOST, loaded
    someone.quiet()
