"""Buckets that are reached without keys, by who the workload or the machine is.

AWS's part is played by the test server's own Security Token Service. The endpoint that gives machines their identity in
Azure is a stand-in, whose token Azure's own Blob server judges.
"""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from moto.server import create_backend_app
from werkzeug.serving import make_server

from gatefleet.buckets import Name, config_bucket
from gatefleet.pki import self_signed
from tests import buckets

COPY = Name(1, 1_800_000_000, "0123456789abcdef", "default", "snapshot")
RESOURCE = "https://storage.azure.com"


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of localhost, trusted by this process, its key beside it."""
    file, pair = tmp_path / "localhost.crt", self_signed(["localhost"], datetime.now(UTC))
    file.write_text(pair.certificate)
    file.with_suffix(".key").write_text(pair.key)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


async def test_a_service_account_s_role_opens_a_bucket_of_s3(
    s3: str, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, asked = tmp_path / "token", list[str]()
    token.write_text("of-the-service-account")
    keys = "fallback_aws_s3_access_key", "fallback_aws_s3_secret_key"
    settings = {name: value for name, value in buckets.s3_buckets(s3).items() if name not in keys}
    with _served(_noting(create_backend_app("sts"), asked), certificate) as port:
        monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/backup")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"https://localhost:{port}")
        await _written_and_listed(settings)
    assert "Action=AssumeRoleWithWebIdentity" in asked[0]
    assert "WebIdentityToken=of-the-service-account" in asked[0]


async def test_a_managed_identity_opens_a_container_of_azure(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    with buckets.azurite(certificate) as url, _served(_noting(_managed_identity, asked)) as port:
        settings = dict(buckets.azure_containers(url, certificate))
        del settings["fallback_azure_blob_account_key"]
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{port}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "of-the-machine")
        await _written_and_listed(settings)
    assert asked


async def _written_and_listed(settings: buckets.Settings) -> None:
    bucket = config_bucket(buckets.fallback(settings))
    assert bucket
    await bucket.write(COPY, b"body")
    assert await bucket.copies("snapshot", "default") == [COPY]
    assert await bucket.read(COPY) == b"body"


def _managed_identity(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
    """As https://learn.microsoft.com/azure/app-service/overview-managed-identity says."""
    if environ.get("HTTP_X_IDENTITY_HEADER") != "of-the-machine":
        start("401 Unauthorized", [])
        return [b""]
    now = int(time.time())
    claims = {
        "aud": RESOURCE,
        "iss": "https://sts.windows.net/tenant/",
        "nbf": now - 60,
        "iat": now - 60,
        "exp": now + 600,
    }
    token = ".".join((_base64url({"alg": "RS256", "typ": "JWT"}), _base64url(claims), "c2lnbmF0dXJl"))
    told = {"access_token": token, "expires_on": str(claims["exp"]), "resource": RESOURCE, "token_type": "Bearer"}
    start("200 OK", [("content-type", "application/json")])
    return [json.dumps(told).encode()]


def _base64url(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _noting(app: Any, asked: list[str]) -> Any:
    def noting(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        asked.append(environ["QUERY_STRING"])
        return app(environ, start)

    return noting


@contextmanager
def _served(app: Any, certificate: Path | None = None) -> Iterator[int]:
    """The port of a server, with TLS if there is a certificate."""
    secure = (str(certificate), str(certificate.with_suffix(".key"))) if certificate else None
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=secure)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
