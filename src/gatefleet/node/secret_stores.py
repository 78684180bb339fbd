"""Asking the places where secrets are kept: Vault, AWS Secrets Manager, Kubernetes, and the node's environment."""

import asyncio
import base64
import json
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, cast
from urllib.parse import quote

import httpx

from gatefleet import references
from gatefleet.errors import GatefleetError, NotFound, Unreachable
from gatefleet.outbound import Outbound, Transport

Json = Mapping[str, Any]
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PATIENCE: Final = 5.0
"""Seconds an answer may take."""
LONGEST: Final = 65536
"""Characters of a secret; Kubernetes and AWS know no longer ones that are texts."""
LOGIN_SHARE: Final = 0.8
"""After this part of its life a login at Vault is made anew."""


class SecretStore(Protocol):
    """One place where secrets are kept."""

    async def read(self, secret: str) -> str | Json:
        """What stands under a name: its fields, or one text. NotFound or Unreachable, with the reason."""
        ...

    async def close(self) -> None: ...


def store_of(manager: str, config: Json, outbound: Outbound) -> SecretStore:
    """The place a secret provider's configuration describes; references in it to the environment are followed.

    It is not connected to where `outbound` does not let us. Unreachable if it cannot be used.
    """
    kinds = {"vault": Vault, "kubernetes": Kubernetes, "aws": AwsSecrets}
    try:
        own = {key: _followed(value) for key, value in config.items()}
        return kinds[manager](own, outbound) if manager in kinds else Environment()
    except (GatefleetError, ValueError, OSError) as error:
        raise Unreachable(f"the secret provider cannot be used: {error}") from error


def picked(found: str | Json, key: str) -> str:
    """The text that `key` leads to, the whole if it is empty; NotFound when there is none."""
    if not key:
        value: Any = found if isinstance(found, str) else json.dumps(found)
    else:
        value = (_parsed(found) if isinstance(found, str) else found).get(key)
    if value is None:
        raise NotFound(f"it has no [{key}]")
    if isinstance(value, dict | list):
        raise NotFound(f"its [{key}] is no text")
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) > LONGEST or "\0" in text:
        raise NotFound(f"its [{key}] is longer than {LONGEST} characters or holds NUL")
    return text


class Environment:
    """The environment the node was started with."""

    async def read(self, secret: str) -> str | Json:
        found = os.environ.get(secret)
        if found is None:
            raise NotFound(f"the node has no environment variable [{secret}]")
        return found

    async def close(self) -> None:
        """Nothing is held."""


class Vault:
    """HashiCorp Vault's key-value engines, versions 1 and 2.

    Source: https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v1, kv-v2, and auth/approle, auth/kubernetes.
    """

    def __init__(self, config: Json, outbound: Outbound) -> None:
        self._config = config
        self._http = _client(config, outbound)
        self._token, self._until = "", 0.0

    async def read(self, secret: str) -> str | Json:
        answer = await self._ask("GET", f"/v1/{self._path(secret)}", await self._logged_in())
        if answer.status_code == 403 and self._token:
            self._until = 0.0  # it may have been revoked
            answer = await self._ask("GET", f"/v1/{self._path(secret)}", await self._logged_in())
        fields: Json = _json(answer, secret).get("data") or {}
        if self._config.get("kv_version") == "2" or fields.keys() == {"data", "metadata"}:
            return cast("Json", fields.get("data") or {})
        return fields

    async def close(self) -> None:
        await self._http.aclose()

    def _path(self, secret: str) -> str:
        prefix = str(self._config["prefix"]).strip("/")
        if self._config.get("kv_version") == "2":
            engine, _, below = prefix.partition("/")
            prefix = f"{engine}/data/{below}".rstrip("/")
        return f"{quote(prefix)}/{quote(secret)}"

    async def _logged_in(self) -> str:
        method = self._config.get("auth_method") or "token"
        if method == "token":
            return str(self._config.get("token") or "")
        if time.monotonic() >= self._until:
            if method == "approle":
                proof = {"role_id": self._config["role_id"], "secret_id": self._config["secret_id"]}
            else:
                proof = {"role": self._config["role"], "jwt": await asyncio.to_thread(_service_account_token)}
            path = str(self._config.get("auth_path") or method).strip("/")
            answer = await self._ask("POST", f"/v1/auth/{quote(path)}/login", "", proof)
            auth = cast("Json", _json(answer, f"auth/{path}/login").get("auth") or {})
            self._token = str(auth.get("client_token") or "")
            self._until = time.monotonic() + LOGIN_SHARE * float(auth.get("lease_duration") or 3600)
        return self._token

    async def _ask(self, method: str, path: str, token: str, body: Json | None = None) -> httpx.Response:
        headers = {"X-Vault-Request": "true"} | ({"X-Vault-Token": token} if token else {})
        if namespace := self._config.get("namespace"):
            headers["X-Vault-Namespace"] = str(namespace)
        return await _request(self._http, method, str(self._config["uri"]).rstrip("/") + path, headers, body)


class Kubernetes:
    """Secrets of a Kubernetes cluster; a secret's name may have its namespace before it.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/
    """

    def __init__(self, config: Json, outbound: Outbound) -> None:
        self._config = config
        inside = SERVICE_ACCOUNT / "ca.crt"
        self._http = _client(config, outbound, inside if inside.is_file() and not config.get("api_server") else None)

    async def read(self, secret: str) -> str | Json:
        namespace, _, name = secret.rpartition("/")
        base = str(self._config.get("api_server") or "https://kubernetes.default.svc").rstrip("/")
        namespace = namespace or str(self._config.get("namespace") or "default")
        url = f"{base}/api/v1/namespaces/{quote(namespace, safe='')}/secrets/{quote(name, safe='')}"
        token = str(self._config.get("token") or await asyncio.to_thread(_service_account_token))
        answer = await _request(self._http, "GET", url, {"Authorization": f"Bearer {token}"} if token else {})
        data = cast("Mapping[str, str]", _json(answer, secret).get("data") or {})
        try:
            return {key: base64.b64decode(value).decode() for key, value in data.items()}
        except ValueError as error:
            raise NotFound(f"[{secret}] holds what is no text") from error

    async def close(self) -> None:
        await self._http.aclose()


class AwsSecrets:
    """AWS Secrets Manager; without keys those of the machine's role, as AWS' own tools find them.

    Source: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
    What it asks at an address of the configuration, rather than at AWS' own, goes through our own client.
    """

    def __init__(self, config: Json, outbound: Outbound) -> None:
        self._config = config
        self._client: Any = None
        self._http = _client(config, outbound)
        self._loop = asyncio.get_running_loop()

    async def read(self, secret: str) -> str | Json:
        return await asyncio.to_thread(self._read, secret)

    async def close(self) -> None:
        await self._http.aclose()
        if self._client is not None:
            self._client.close()

    def _read(self, secret: str) -> str:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - 20 MB that most nodes never need

        try:
            if self._client is None:
                self._client = self._connected()
            answer = cast("Json", self._client.get_secret_value(SecretId=secret))
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            raised = NotFound if code == "ResourceNotFoundException" else Unreachable
            raise raised(f"[{secret}]: {error}") from error
        except BotoCoreError as error:
            raise Unreachable(str(error)) from error
        if "SecretString" not in answer:
            raise NotFound(f"[{secret}] is no text")
        return str(answer["SecretString"])

    def _connected(self) -> Any:
        from botocore.config import Config  # noqa: PLC0415 - as above
        from botocore.session import Session  # noqa: PLC0415

        config = self._config
        session = Session()
        if config.get("access_key_id"):
            session.set_credentials(
                str(config["access_key_id"]), str(config.get("secret_access_key") or ""), config.get("session_token")
            )
        client = session.create_client(
            "secretsmanager",
            region_name=str(config.get("region") or "us-east-1"),
            endpoint_url=config.get("endpoint_url"),
            config=Config(connect_timeout=PATIENCE, read_timeout=PATIENCE, retries={"total_max_attempts": 1}),
        )
        if config.get("endpoint_url"):
            client.meta.events.register("before-send.secretsmanager", self._send)
        return client

    def _send(self, request: Any, **_: Any) -> Any:
        """Instead of botocore, which asks whatever address a name has; called in its thread."""
        from botocore.awsrequest import AWSResponse  # noqa: PLC0415 - as above

        given = cast("Mapping[str, str | bytes]", request.headers)
        headers = {name: text.decode() if isinstance(text, bytes) else text for name, text in given.items()}
        asking = _request(self._http, request.method, request.url, headers, content=request.body)
        answer = asyncio.run_coroutine_threadsafe(asking, self._loop).result()
        return AWSResponse(request.url, answer.status_code, cast("Any", answer.headers), _Raw(answer.content))


class _Raw:
    """A body that has been read, as botocore reads one."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> Iterator[bytes]:
        yield self._body


def _followed(value: Any) -> Any:
    """A field of a provider's configuration: what it is in the environment, if it says so."""
    if not references.is_reference(value):
        return value
    meant = references.read(str(value))
    if meant.manager != "env":
        raise Unreachable("a secret provider's fields can refer to the environment only")
    if meant.secret not in os.environ:
        raise Unreachable(f"the node has no environment variable [{meant.secret}]")
    return picked(os.environ[meant.secret], meant.key)


def _parsed(text: str) -> Json:
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise NotFound("it is no JSON object, so it has no keys")
    return cast("Json", found)


def _service_account_token() -> str:
    """The pod's; read each time, for Kubernetes replaces it."""
    file = SERVICE_ACCOUNT / "token"
    return file.read_text().strip() if file.is_file() else ""


def _client(config: Json, outbound: Outbound, authorities: Path | None = None) -> httpx.AsyncClient:
    """Trusts what the system trusts, and the authorities the provider names, or else `authorities`."""
    context = ssl.create_default_context()
    if ca := config.get("ca"):
        context.load_verify_locations(cadata=str(ca))
    elif authorities:
        context.load_verify_locations(cafile=str(authorities))
    return httpx.AsyncClient(timeout=PATIENCE, trust_env=False, transport=Transport(outbound, context))


async def _request(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: Json | None = None,
    content: bytes | None = None,
) -> httpx.Response:
    try:
        async with asyncio.timeout(2 * PATIENCE):
            return await http.request(method, url, headers=headers, json=body, content=content)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
        raise Unreachable(f"{type(error).__name__}: {error}"[:500]) from error


def _json(answer: httpx.Response, secret: str) -> Json:
    """NotFound for a 404, Unreachable for what else is no answer."""
    if answer.status_code == 404:
        raise NotFound(f"there is no secret [{secret}]")
    if not answer.is_success:
        raise Unreachable(f"answered {answer.status_code} for [{secret}]")
    try:
        found: Any = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unreachable(f"the answer for [{secret}] cannot be understood")
    return cast("Json", found)
