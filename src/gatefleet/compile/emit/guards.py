"""The check behind the route of hosts that want a certificate from their clients.

Whether the client has shown one is known by the connection's server name, but a request goes by its Host header, and
the two need not agree. So the routes of such a host look whether the connection was one of its names.

Source of the rule: APISIX's documentation on mutual TLS between client and gateway (`skip_mtls_uri_regex`), and its
answer 400 to a request whose host wants a certificate that the connection did not ask for.
"""

import re
from dataclasses import dataclass
from typing import Final

from gatefleet.compile import vars as conditions

CLIENT_HEADER: Final = "x-gf-client"
"""Set on connections of names that want a certificate: whose names they are, and the fingerprint of the client's."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Requests over TLS pass if the connection is one of `chain` and its client has shown a certificate.

    Those whose path has one of the patterns `skip` in it pass all the same.
    """

    chain: str
    skip: tuple[str, ...]

    def refused(self) -> conditions.Predicate:
        """Who does not pass."""
        verified = conditions.full_match(CLIENT_HEADER, rf"{re.escape(self.chain)}/[0-9a-f]{{64}}")
        plain = conditions.equals("x-forwarded-proto", "http")
        skipped = [conditions.full_match(conditions.PATH_HEADER, f"(?s).*(?:{pattern}).*") for pattern in self.skip]
        return conditions.none_of(conditions.any_of([plain, verified, *skipped]))
