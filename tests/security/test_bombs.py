"""What is small when it is sent and would be large when it is read is refused before it is large."""

import gzip
import json
import resource
import time
from pathlib import Path
from typing import Any

import pytest
from admin_api import Api

pytestmark = pytest.mark.anyio
LAUGHS = "\n".join(f"l{n + 1}: &l{n + 1} [{', '.join([f'*l{n}'] * 10)}]" for n in range(1, 10))
YAML = {
    "aliases of aliases": f"openapi: 3.1.0\ninfo: {{title: x, version: '1'}}\npaths: {{}}\nl1: &l1 [lol]\n{LAUGHS}\n",
    "an alias of itself": "openapi: 3.1.0\ninfo: &i {title: x, version: '1', x: *i}\npaths: {}\n",
    "deep flow lists": "openapi: " + "[" * 100_000,
    "deep block lists": "openapi: 3.1.0\nx:\n" + "".join(f"{' ' * n}-\n" for n in range(2_000)),
    "a very long key": "? " + "a" * 2_000_000 + "\n: b\n",
    "a python object": "openapi: !!python/object/apply:os.system ['true']\n",
    "a merge of merges": "a: &a {x: 1}\n" + "\n".join(f"k{n}: &k{n} {{<<: [*a, *a]}}" for n in range(3_000)),
}


@pytest.mark.parametrize("bomb", YAML)
async def test_a_document_that_grows_when_it_is_read_is_refused_quickly(api: Api, bomb: str) -> None:
    for path, method in (("/api/openapi/convert", "PUT"), ("/api/import/services/template", "POST")):
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        answer = await api.raw.request(method, path, headers=api.headers, json={"raw_openapi": YAML[bomb]})
        assert answer.status_code in {400, 413}, answer.text[:200]
        assert time.process_time() - began < 5
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10, "kilobytes"


@pytest.mark.parametrize(
    ("name", "body", "headers"),
    [
        ("a compressed body", gzip.compress(b"[" + b"0," * 5_000_000 + b"0]"), {"Content-Encoding": "gzip"}),
        ("nested lists", b"[" * 1_000_000, {}),
        ("nested objects", b'{"a":' * 200_000, {}),
        ("too much", b'{"name": "' + b"x" * (17 << 20) + b'"}', {}),
        ("a huge number", b'{"name": ' + b"9" * 1_000_000 + b"}", {}),
        ("the same key again", b"{" + b'"name": "x",' * 200_000 + b'"name": 1}', {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_body_that_is_a_bomb_is_refused(api: Api, name: str, body: bytes, headers: dict[str, str]) -> None:
    began = time.process_time()
    answer = await api.raw.put(
        "/apisix/admin/services/s?gateway_group_id=default", headers={**api.headers, **headers}, content=body
    )
    assert answer.status_code in {400, 413}, (name, answer.text[:200])
    assert time.process_time() - began < 5


async def test_a_file_in_an_archive_is_not_unpacked(api: Api, tmp_path: Path) -> None:
    """No endpoint takes archives: one is no OpenAPI document, whatever is in it."""
    body: Any = json.dumps({"raw_openapi": gzip.compress(b"openapi: 3.1.0").decode("latin-1")})
    del tmp_path
    answer = await api.raw.put("/api/openapi/convert", headers=api.headers, content=body)
    assert answer.status_code == 400
