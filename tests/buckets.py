"""Real object storage on this machine: an S3 server and Azure's Blob server, each with the settings that reach it.

The clouds' own libraries are loaded where they are used: every worker collects every test, and few of them need these.
"""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import httpx

from gatefleet.settings import FallbackSettings
from tests.ports import free_ports

AZURITE = Path(__file__).parent.parent / "requirements" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""What the emulator's account is called and its well-known key: https://learn.microsoft.com/azure/storage/common/storage-use-azurite."""

Settings = Mapping[str, str]
"""Settings of a role, names without the role, values as an environment has them."""


@contextmanager
def s3() -> Iterator[str]:
    """The URL of an S3 server."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def azurite(certificate: Path | None = None) -> Iterator[str]:
    """The URL of a Blob server's account; with a certificate for localhost and its key, it takes identities' tokens."""
    (port,) = free_ports(1)
    options = ["--blobPort", str(port), "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    address = f"http://127.0.0.1:{port}/"
    if certificate:
        options += ["--oauth", "basic", "--cert", str(certificate), "--key", str(certificate.with_suffix(".key"))]
        address = f"https://localhost:{port}/"
    process = subprocess.Popen([AZURITE, *options], stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with suppress(httpx.HTTPError):
                httpx.get(address, timeout=1, verify=False)  # noqa: S501  (whether it is there)
                break
            time.sleep(0.05)
        yield address + ACCOUNT
    finally:
        process.terminate()
        process.wait(30)


def s3_buckets(url: str) -> Settings:
    """Two fresh buckets."""
    names = [f"{kind}-{uuid4().hex[:12]}" for kind in ("config", "resource")]
    for name in names:
        make(url, name)
    return {
        "fallback_aws_s3_config_bucket": names[0],
        "fallback_aws_s3_resource_bucket": names[1],
        "fallback_aws_s3_region": "us-east-1",
        "fallback_aws_s3_access_key": "test",
        "fallback_aws_s3_secret_key": "test",
        "fallback_aws_s3_endpoint": url,
        "fallback_aws_s3_use_path_style": "true",
    }


def make(url: str, bucket: str) -> None:
    """Make a bucket at an S3 server."""
    import boto3  # noqa: PLC0415

    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    client.create_bucket(Bucket=bucket)


def azure_containers(url: str, certificate: Path | None = None) -> Settings:
    """Two fresh containers."""
    from azure.storage.blob import BlobServiceClient  # noqa: PLC0415

    names = [f"{kind}-{uuid4().hex[:12]}" for kind in ("config", "resource")]
    with BlobServiceClient(url, credential=KEY, connection_verify=str(certificate) if certificate else True) as client:
        for name in names:
            client.create_container(name)
    return {
        "fallback_azure_blob_config_container": names[0],
        "fallback_azure_blob_resource_container": names[1],
        "fallback_azure_blob_account_name": ACCOUNT,
        "fallback_azure_blob_account_key": KEY,
        "fallback_azure_blob_endpoint": url,
    }


def fallback(settings: Settings) -> FallbackSettings:
    return FallbackSettings.model_validate(settings)


def variables(role: str, settings: Settings) -> dict[str, str]:
    """The same as environment variables of a role."""
    return {f"GATEFLEET_{role}_{name}".upper(): value for name, value in settings.items()}
