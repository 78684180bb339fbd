"""Write docs/reference/settings.md from the settings classes.

Usage: python tools/settings_docs.py [--check]    (`make docs`; --check only compares, for CI)
"""

import sys
from collections.abc import Iterator
from typing import Any

from pages import DOCS, main
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from gatefleet.settings import (
    AdminSettings,
    BackupSettings,
    BackupsSettings,
    DpmSettings,
    MigrateSettings,
    NodeSettings,
    UpSettings,
)

PAGE = DOCS / "reference" / "settings.md"
ROLES: dict[str, type[BaseSettings]] = {
    "up": UpSettings,
    "admin": AdminSettings,
    "dpm": DpmSettings,
    "node": NodeSettings,
    "backup": BackupSettings,
    "backups": BackupsSettings,
    "migrate": MigrateSettings,
}


def page() -> Iterator[str]:
    yield "# Settings"
    yield ""
    yield "<!-- Written by tools/settings_docs.py: `make docs`. -->"
    yield ""
    yield "Each setting is an option of its command and an environment variable; the option wins."
    for role, settings in ROLES.items():
        yield from ("", f"## gatefleet {role}", "")
        yield from ("| option | variable | default | meaning |", "|---|---|---|---|")
        yield from (row(settings, name) for name in settings.model_fields)
    yield ""


def row(settings: type[BaseSettings], name: str) -> str:
    field = settings.model_fields[name]
    variable = f"{settings.model_config.get('env_prefix', '')}{name}".upper()
    option = "--" + name.replace("_", "-")
    return f"| `{option}` | `{variable}` | {default(field.default)} | {field.description} |"


def default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    return "" if value in (None, ()) else f"`{value}`"


if __name__ == "__main__":
    sys.exit(main({PAGE: "\n".join(page())}))
