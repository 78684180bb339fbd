"""What verifying a bearer token needs of its provider: its keys, or its word (RFC 7662)."""

from gatefleet.errors import Invalid
from gatefleet.signin.provider import Providers
from gatefleet.signin.questions import Introspected, Introspection, Keys, KeysQuestion


class Bearer:
    """Answers questions about access tokens that clients bring."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers

    async def keys(self, question: KeysQuestion) -> Keys:
        """Who issues tokens, and its keys if they are wanted. Raises Unreachable."""
        metadata = await self._providers.metadata(question.client)
        if not question.jwks:
            return Keys(metadata.issuer)
        return Keys(metadata.issuer, await self._providers.keys(question.client, unknown=question.unknown))

    async def introspect(self, question: Introspection) -> Introspected:
        """The token's claims; None where the provider says that it is not active. Raises Unreachable."""
        client = question.client
        endpoint = client.introspection_endpoint
        if not endpoint:
            endpoint = (await self._providers.metadata(client)).introspection_endpoint
        method = client.introspection_endpoint_auth_method
        try:
            claims = await self._providers.call(client, endpoint, {"token": question.token}, method, question.headers)
        except Invalid:
            return Introspected(None)
        return Introspected(claims if claims.get("active") is True else None)
