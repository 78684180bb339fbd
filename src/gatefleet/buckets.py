"""Buckets of S3 and containers of Azure Blob: where copies of gateway groups are kept, and how they are named there."""

import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, Self
from urllib.parse import urlsplit

from obstore.store import AzureStore, S3Store

from gatefleet.errors import Invalid, NotFound, Unreachable
from gatefleet.settings import FallbackSettings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

Kind = Literal["snapshot", "resources"]
"""`snapshot`: what a group's nodes serve, as docs/reference/snapshot-format.md; `resources`: what people wrote."""
PATIENCE: Final = timedelta(seconds=20)
"""How long one request may take, its body included."""
LARGEST: Final = 1 << 29
"""Bytes of the largest object that is read."""
_NAME: Final = re.compile(r"gateway_groups/([\w.~-]+)/(\d{12,19})-(\d{10,12})-([\w]{1,64})\.(snapshot|resources)")
_CLIENT: Final["ClientConfig"] = {"connect_timeout": "5s", "timeout": PATIENCE}
_RETRY: Final["RetryConfig"] = {"max_retries": 2, "retry_timeout": PATIENCE}


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """What the name of a copy says; the newest sorts last."""

    revision: int
    made_at: int
    """Unix seconds."""
    key_id: str
    """The key that sealed or encrypted it."""
    group: str
    kind: Kind

    @property
    def path(self) -> str:
        number = f"{self.revision:012d}-{self.made_at:010d}-{self.key_id}"
        return f"{prefix(self.group)}{number}.{self.kind}"

    @classmethod
    def parse(cls, path: str) -> Self | None:
        """What `path` says; None for an object that is none of ours."""
        if not (found := _NAME.fullmatch(path)):
            return None
        group, revision, made_at, key_id, kind = found.groups()
        return cls(int(revision), int(made_at), key_id, group, "snapshot" if kind == "snapshot" else "resources")


def prefix(group: str | None = None) -> str:
    """Where the copies of a group are, or of all groups."""
    return f"gateway_groups/{group}/" if group else "gateway_groups/"


class Bucket:
    """One bucket or container. What goes wrong with it is Unreachable, in one line; a missing object is NotFound."""

    def __init__(self, name: str, store: S3Store | AzureStore) -> None:
        self.name = name
        self._store = store

    async def copies(self, kind: Kind, group: str | None = None) -> Sequence[Name]:
        """The copies of a group, or of all groups, newest first."""
        async with self._reaching("listed"):
            listing = self._store.list(prefix(group))  # pyright: ignore[reportUnknownMemberType]  (of arrow, not used)
            found = await listing.collect_async()
        names = [name for one in found if (name := Name.parse(one["path"])) and name.kind == kind]
        return sorted(names, reverse=True)

    async def read(self, name: Name) -> bytes:
        """A copy's bytes."""
        async with self._reaching("read"):
            answer = await self._store.get_async(name.path)
            if answer.meta["size"] > LARGEST:
                raise Invalid(f"[{name.path}] in [{self.name}] has {answer.meta['size']} bytes, more than is ever read")
            return bytes(await answer.bytes_async())

    async def write(self, name: Name, body: bytes) -> None:
        """Keep a copy; whoever lists the bucket sees it whole or not at all."""
        async with self._reaching("written to"):
            await self._store.put_async(name.path, body)

    async def delete(self, names: Iterable[Name]) -> None:
        """Remove copies; those that are gone already do not matter."""
        for name in names:
            async with self._reaching("cleaned up"):
                try:
                    await self._store.delete_async(name.path)
                except FileNotFoundError:
                    continue

    @asynccontextmanager
    async def _reaching(self, done: str) -> AsyncGenerator[None]:
        try:
            yield
        except Invalid:
            raise
        except FileNotFoundError as error:
            raise NotFound(f"[{self.name}] cannot be {done}: {_first_line(error)}") from error
        except Exception as error:  # the library raises errors of its own, OSErrors, and panics of its core
            raise Unreachable(f"[{self.name}] cannot be {done}: {_first_line(error)}") from error


def config_bucket(settings: FallbackSettings) -> Bucket | None:
    """Where the copies that nodes start from are; None when the settings name no bucket for them."""
    return _bucket(settings, settings.fallback_aws_s3_config_bucket, settings.fallback_azure_blob_config_container)


def resource_bucket(settings: FallbackSettings) -> Bucket | None:
    """Where the copies of resources are; None when the settings name no bucket for them."""
    return _bucket(settings, settings.fallback_aws_s3_resource_bucket, settings.fallback_azure_blob_resource_container)


def _bucket(settings: FallbackSettings, s3: str | None, azure: str | None) -> Bucket | None:
    try:
        if s3:
            return Bucket(s3, _s3(settings, s3))
        return Bucket(azure, _azure(settings, azure)) if azure else None
    except Exception as error:
        raise Invalid(f"[{s3 or azure}] cannot be used with these settings: {_first_line(error)}") from error


def _s3(settings: FallbackSettings, bucket: str) -> S3Store:
    """Keys and region that are not given are looked for where AWS's own tools look."""
    endpoint, path_style = settings.fallback_aws_s3_endpoint, settings.fallback_aws_s3_use_path_style
    secret = settings.fallback_aws_s3_secret_key
    given: dict[str, Any] = {
        "region": settings.fallback_aws_s3_region,
        "access_key_id": settings.fallback_aws_s3_access_key,
        "secret_access_key": secret and secret.get_secret_value(),
        "endpoint": _in_host(endpoint, bucket) if endpoint and not path_style else endpoint,
        "virtual_hosted_style_request": not path_style,
    }
    known = {name: value for name, value in given.items() if value is not None}
    return S3Store(bucket, **known, client_options=_client(endpoint), retry_config=_RETRY)


def _azure(settings: FallbackSettings, container: str) -> AzureStore:
    """A key that is not given is looked for where Azure's own tools look."""
    endpoint, key = settings.fallback_azure_blob_endpoint, settings.fallback_azure_blob_account_key
    given: dict[str, Any] = {
        "account_name": settings.fallback_azure_blob_account_name,
        "account_key": key and key.get_secret_value(),
        "endpoint": endpoint,
    }
    known = {name: value for name, value in given.items() if value is not None}
    return AzureStore(container, **known, client_options=_client(endpoint), retry_config=_RETRY)


def _client(endpoint: str | None) -> "ClientConfig":
    """Without TLS only where the endpoint says so."""
    return {**_CLIENT, "allow_http": bool(endpoint and endpoint.startswith("http://"))}


def _in_host(endpoint: str, bucket: str) -> str:
    parts = urlsplit(endpoint)
    return parts._replace(netloc=f"{bucket}.{parts.netloc}").geturl()


def _first_line(error: Exception) -> str:
    return " ".join(str(error).partition("\n")[0].split())[:300] or type(error).__name__
