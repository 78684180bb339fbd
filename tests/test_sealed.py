"""Seals and sealed copies: what they give back, and what is refused with which words."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatefleet import sealed, snapshot
from gatefleet.errors import Invalid
from gatefleet.snapshot import CLUSTER, SECRET, Seal, snapshot_of

KEYS = sealed.new_snapshot_keys()
VERIFY = {KEYS.key_id: KEYS.verification}
COPIES = {KEYS.key_id: KEYS.copy}
CONTENT = snapshot_of([(CLUSTER, "c", b"cluster"), (SECRET, "s", b"private key")])


def seal_of(content: snapshot.Snapshot = CONTENT, **changed: object) -> Seal:
    made = Seal(group="default", revision=7, made_at=1, digest=snapshot.digest(content), key_id="")
    return msgspec.structs.replace(sealed.sign(made, KEYS), **changed)


COPY = sealed.write_copy(CONTENT, seal_of(), KEYS.copy)


def test_a_copy_gives_back_snapshot_and_seal() -> None:
    assert sealed.read_copy(COPY, VERIFY, COPIES) == (CONTENT, seal_of())
    assert b"private key" not in COPY


OTHER = sealed.new_snapshot_keys()


@pytest.mark.parametrize(
    ("copy", "verify", "key", "reason"),
    [
        (b"", VERIFY, COPIES, "not a snapshot copy"),
        (b"something else entirely", VERIFY, COPIES, "not a snapshot copy"),
        (COPY[:-1], VERIFY, COPIES, "changed, cut short, or encrypted with a key of another group"),
        (COPY[:40], VERIFY, COPIES, "header of the copy cannot be read"),
        (COPY.replace(b'"revision":7', b'"revision":8'), VERIFY, COPIES, "changed, cut short"),
        (COPY.replace(b'"format":1', b'"format":2'), VERIFY, COPIES, r"format \[2\]"),
        (COPY, VERIFY, {KEYS.key_id: OTHER.copy}, "encrypted with a key of another group"),
        (COPY, VERIFY, {OTHER.key_id: OTHER.copy}, "that this node does not know"),
        (COPY, {}, COPIES, "does not know"),
        (COPY, {KEYS.key_id: OTHER.verification}, COPIES, r"signature of revision \[7\] is wrong"),
        (sealed.write_copy(CONTENT, seal_of(revision=8), KEYS.copy), VERIFY, COPIES, "signature"),
        (sealed.write_copy(CONTENT, seal_of(group="other"), KEYS.copy), VERIFY, COPIES, "signature"),
        (sealed.write_copy(CONTENT, seal_of(signature=b""), KEYS.copy), VERIFY, COPIES, "signature"),
        (sealed.write_copy(snapshot_of([]), seal_of(), KEYS.copy), VERIFY, COPIES, "content is not what"),
        (sealed.write_copy(CONTENT, seal_of(format=2), KEYS.copy), VERIFY, COPIES, r"seal of format \[2\]"),
    ],
    ids=[
        "empty", "foreign", "cut", "cut-header", "revision", "format", "key", "copy-key", "no-key", "verification-key",
        "seal-revision", "seal-group", "no-signature", "content", "seal-format",
    ],
)  # fmt: skip
def test_a_tampered_copy_is_refused_and_the_reason_said(
    copy: bytes, verify: dict[str, bytes], key: dict[str, bytes], reason: str
) -> None:
    with pytest.raises(Invalid, match=reason):
        sealed.read_copy(copy, verify, key)


@settings(max_examples=300)
@given(st.integers(0, len(COPY) - 1), st.integers(1, 255))
def test_no_byte_of_a_copy_can_be_changed(at: int, by: int) -> None:
    with pytest.raises(Invalid):
        sealed.read_copy(COPY[:at] + bytes((COPY[at] ^ by,)) + COPY[at + 1 :], VERIFY, COPIES)
