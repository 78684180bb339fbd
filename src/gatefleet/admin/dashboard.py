"""The Dashboard's files as they were built, served before the API: its page for every address a user may be sent."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

BUILT: Final = Path(__file__).parent / "static"
NONCE: Final = b"GATEFLEET_NONCE"
"""What the build writes where each answer has a nonce of its own."""
API: Final = ("/api", "/apisix", "/healthz", "/readyz", "/metrics")
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
ENCODINGS: Final = {"br": ".br", "gzip": ".gz"}
FOR_EVER: Final = "public, max-age=31536000, immutable"
"""Names of assets hold the hash of what is in them."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Nothing but our own files, no inline script, no evaluated text (W3C, Content Security Policy Level 3)."""
MISSING: Final = """The Dashboard was not built: run `make install` in the checkout.
The Admin API is here all the same, below /api and /apisix/admin.
"""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, as it is and compressed."""

    media: str
    forms: Mapping[str, bytes]

    def answer(self, accepted: str) -> Response:
        """In the first form of ENCODINGS that is accepted, else as it is."""
        offered = {part.partition(";")[0].strip() for part in accepted.lower().split(",")}
        encoding = next((name for name in ENCODINGS if name in offered and name in self.forms), "")
        headers = {"cache-control": FOR_EVER, "vary": "accept-encoding"}
        if encoding:
            headers["content-encoding"] = encoding
        return Response(self.forms[encoding], headers=headers, media_type=self.media)


class Dashboard:
    """Before the API: an asset, or the page that finds its way by the address; the rest is the API's to answer."""

    def __init__(self, api: ASGIApp, built: Path = BUILT) -> None:
        self._api = api
        page = built / "index.html"
        self._page = page.read_bytes() if page.exists() else None
        self._assets = {
            f"/assets/{file.name}": _asset(file) for file in (built / "assets").glob("*") if _is_asset(file)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope)(scope, receive, send)

    def _answer(self, scope: Scope) -> ASGIApp:
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"} or _is_api(scope["path"]):
            return self._api
        if not scope["path"].startswith("/assets/"):
            return self._front()
        if asset := self._assets.get(scope["path"]):
            return asset.answer(Headers(scope=scope).get("accept-encoding", ""))
        return self._api

    def _front(self) -> Response:
        """The page, with a nonce that nobody can guess for the styles that scripts put in."""
        if self._page is None:
            return Response(MISSING, 503, media_type="text/plain")
        nonce = secrets.token_urlsafe(16)
        headers = {"cache-control": "no-cache", "content-security-policy": POLICY.format(nonce=nonce)}
        return Response(self._page.replace(NONCE, nonce.encode()), headers=headers, media_type="text/html")


def _is_api(path: str) -> bool:
    return any(path == root or path.startswith(f"{root}/") for root in API)


def _is_asset(file: Path) -> bool:
    return file.suffix in TYPES


def _asset(file: Path) -> Asset:
    packed = {name: file.with_name(file.name + suffix) for name, suffix in ENCODINGS.items()}
    forms = {name: path.read_bytes() for name, path in packed.items() if path.exists()}
    return Asset(TYPES[file.suffix], {"": file.read_bytes(), **forms})
