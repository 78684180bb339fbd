"""Secrets in answers: shown to those who may read them, and each time a row of the audit log."""

from typing import Any

from fastapi import Request

from gatefleet.admin import audit
from gatefleet.admin.access import asked_group, caller_of
from gatefleet.admin.present import shown
from gatefleet.resources.kept import hidden_paths
from gatefleet.store import Stored


class Reveal:
    """What one answer tells of secrets."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._count = 0

    def shown(self, stored: Stored, *, clear: bool) -> dict[str, Any]:
        """A document as the value of an answer; in `clear`, its secrets are counted."""
        if clear and stored.secrets:
            whole = hidden_paths(stored.document, stored.secrets)
            self._count += len(whole) - len(hidden_paths(stored.document, stored.secrets, clear=True))
        return shown(stored, clear=clear)

    async def account(self, kind: str, about: str | None) -> None:
        """Write down that secrets are about to be told; call it before they are."""
        if self._count:
            group = asked_group(self._request) or caller_of(self._request).group_id
            await audit.reveal(self._request, kind, about or "*", {"secrets_in_clear": self._count}, group)
