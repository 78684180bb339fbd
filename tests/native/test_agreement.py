"""Python and C agree: scopes, tables, paths and arguments, for whatever comes."""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native.kit import compiled

from gatefleet.native.sharding import host_entry, scope_key
from gatefleet.native.tables import Tables, table_bytes

FOUND, MISSING, UNREADABLE = range(3)
SLOW = settings(max_examples=100, deadline=None)


class Text(ctypes.Structure):
    _fields_ = (("at", ctypes.c_char_p), ("size", ctypes.c_size_t))


def text(value: bytes) -> Text:
    return Text(value, len(value))


class Library:
    """The module's own functions, by ctypes."""

    def __init__(self, path: Path) -> None:
        self._c = ctypes.CDLL(str(path))
        self._c.query_argument.restype = self._c.query_without.restype = ctypes.c_bool
        self._c.uri_of.restype = ctypes.c_bool
        self._c.scope_of.restype = ctypes.c_size_t

    def use(self, run_dir: Path) -> None:
        self._c.tables_use(str(run_dir).encode())

    def scope(self, host: str, uri: bytes) -> str | None:
        out, questions, usable = ctypes.create_string_buffer(400), Text(), ctypes.c_bool()
        rest = (out, ctypes.c_size_t(400), ctypes.byref(questions), ctypes.byref(usable))
        size = self._c.scope_of(text(host.encode()), text(uri), *rest)
        return out.raw[:size].decode() if usable.value else None

    def uri(self, path: bytes) -> bytes | None:
        return self._slice(self._c.uri_of, len(path), text(path))

    def argument(self, query: bytes, name: bytes) -> bytes | None:
        return self._slice(self._c.query_argument, len(query), text(query), text(name))

    def without(self, target: bytes, name: bytes) -> bytes | None:
        return self._slice(self._c.query_without, len(target), text(target), text(name))

    def _slice(self, call: Callable[..., bool], size: int, *arguments: Text) -> bytes | None:
        buffer, out = ctypes.create_string_buffer(size + 1), Text()
        if not call(*arguments, buffer, ctypes.c_size_t(size), ctypes.byref(out)):
            return None
        return self._bytes(out)

    def lookup(self, file: bytes, key: bytes) -> bytes | int:
        out = Text()
        result: int = self._c.table_search(text(file), text(key), ctypes.byref(out))
        return self._bytes(out) if result == FOUND else result

    @staticmethod
    def _bytes(out: Text) -> bytes:
        address: Any = ctypes.cast(ctypes.byref(out), ctypes.POINTER(ctypes.c_void_p)).contents.value
        return ctypes.string_at(address, out.size)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    path = tmp_path_factory.mktemp("library") / "library.so"
    return Library(compiled(path, "host.c", flags=("-O1", "-shared")))


@pytest.fixture(scope="module")
def tables(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tables]:
    """One run directory for all: a thread keeps the control file it has mapped."""
    run_dir = tmp_path_factory.mktemp("run")
    library.use(run_dir)
    tables = Tables(run_dir)
    yield tables
    tables.close()


segment = st.text(
    st.characters(codec="utf-8", exclude_characters="/?%#", min_codepoint=33, max_codepoint=0x2FF), max_size=6
)
path = st.lists(segment, max_size=6).map(lambda parts: "/" + "/".join(parts))
label = st.from_regex(r"\A[a-z0-9]{1,8}\Z")
host = st.lists(label, min_size=1, max_size=5).map(".".join)


@given(host, path, st.integers(0, 6), st.integers(1, 5000))
@SLOW
def test_both_find_the_same_scope(
    library: Library, tables: Tables, host: str, path: str, depth: int, shards: int
) -> None:
    tables.write("hosts", {host.encode(): host_entry(depth, shards)})
    assert library.scope(host, path.encode()) == scope_key(host, depth, shards, path)


@given(st.dictionaries(host, st.integers(2, 9), max_size=8), st.lists(st.sampled_from("abcw"), min_size=1, max_size=6))
@SLOW
def test_the_longest_known_suffix_wins(
    library: Library, tables: Tables, exact: dict[str, int], labels: list[str]
) -> None:
    known = {"*.a", "*.b.a", "*.c.b.a", "a", *exact}
    tables.write("hosts", {name.encode(): host_entry(0, 1) for name in known})
    wanted = ".".join(labels)
    suffixes = ["*." + ".".join(labels[n:]) for n in range(1, len(labels))]
    expected = next((name for name in (wanted, *suffixes) if name in known), "*")
    assert library.scope(wanted, b"/") == expected


@given(st.dictionaries(st.binary(max_size=40), st.binary(max_size=40), max_size=60), st.binary(max_size=40))
@SLOW
def test_a_table_holds_what_was_put_in_and_nothing_else(
    library: Library, entries: dict[bytes, bytes], other: bytes
) -> None:
    file = table_bytes(entries)
    assert all(library.lookup(file, key) == value for key, value in entries.items())
    assert library.lookup(file, other) == entries.get(other, MISSING)


def test_a_cut_table_is_no_table(library: Library) -> None:
    entries = {b"key-%d" % n: b"value-%d" % n for n in range(40)}
    file = table_bytes(entries)
    for size in range(len(file)):
        for key, value in list(entries.items())[::7]:
            assert library.lookup(file[:size], key) in (value, UNREADABLE, MISSING)
        assert library.lookup(file[:size], b"other") in (UNREADABLE, MISSING)
    assert library.lookup(b"", b"k") == UNREADABLE


@given(st.text("ab.%2fFeE5/~", max_size=30).map(lambda rest: b"/" + rest.encode()))
@settings(max_examples=300, deadline=None)
def test_paths_are_decoded_once_and_then_resolved(library: Library, path: bytes) -> None:
    assert library.uri(path) == resolved(unquote_to_bytes(path))


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "key", "k%65y"]), st.text("ab+%&=", max_size=5)), max_size=5))
@SLOW
def test_removed_arguments_are_gone_and_the_others_stay(library: Library, pairs: list[tuple[str, str]]) -> None:
    query = "&".join(f"{name}={value.replace('&', '')}" for name, value in pairs)
    kept = "&".join(one for one in query.split("&") if one.partition("=")[0] not in ("key", "k%65y"))
    assert library.without(f"/p?{query}".encode(), b"key") == (f"/p?{kept}" if kept else "/p").encode()
    assert (library.argument(query.encode(), b"key") is None) == (kept == query)


def resolved(path: bytes) -> bytes:
    """RFC 3986 5.2.4 on a path whose slashes were merged, as nginx does it; above the root is the root."""
    out: list[bytes] = []
    parts = [part for part in path.split(b"/") if part]
    for part in parts:
        if part == b"..":
            del out[-1:]
        elif part != b".":
            out.append(part)
    open_end = path.endswith(b"/") or (parts and parts[-1] in (b".", b".."))
    return (
        b"/"
        + b"".join(part + b"/" for part in out[:-1])
        + (out[-1] if out else b"")
        + (b"/" if out and open_end else b"")
    )
