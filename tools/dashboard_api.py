"""Writes the OpenAPI document that the Dashboard's types are made from; leaves the file alone if it is the same."""

from pathlib import Path
from typing import Any, Final, cast

import msgspec

from gatefleet.admin import kind_schemas, openapi
from gatefleet.admin.app import create_api

TARGET: Final = Path(__file__).parent.parent / "dashboard" / "openapi.json"


def main() -> None:
    """No endpoint is called, so there is nothing to control."""
    api = create_api(cast("Any", None))
    text = msgspec.json.format(msgspec.json.encode(openapi.document(api.routes, kind_schemas.components())))
    if not TARGET.exists() or TARGET.read_bytes() != text:
        TARGET.write_bytes(text)


if __name__ == "__main__":
    main()
