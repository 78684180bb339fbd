"""A directory's bind and its answer (RFC 4511 4.2), as pyasn1 writes and reads them."""
# ruff: noqa: N815  (pyasn1's names)
# pyasn1's stubs leave these open:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from typing import Final

from pyasn1.codec.ber import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import namedtype, tag, univ

MESSAGE_ID: Final = 1


_PASSWORD: Final = univ.OctetString().subtype(implicitTag=tag.Tag(tag.tagClassContext, tag.tagFormatSimple, 0))
_REFERRAL: Final = univ.Sequence().subtype(implicitTag=tag.Tag(tag.tagClassContext, tag.tagFormatConstructed, 3))
_SASL: Final = univ.OctetString().subtype(implicitTag=tag.Tag(tag.tagClassContext, tag.tagFormatSimple, 7))
_CONTROLS: Final = univ.Sequence().subtype(implicitTag=tag.Tag(tag.tagClassContext, tag.tagFormatConstructed, 0))


class BindRequest(univ.Sequence):
    """A bind by name and password."""

    tagSet = univ.Sequence.tagSet.tagImplicitly(tag.Tag(tag.tagClassApplication, tag.tagFormatConstructed, 0))
    componentType = namedtype.NamedTypes(
        namedtype.NamedType("version", univ.Integer()),
        namedtype.NamedType("name", univ.OctetString()),
        namedtype.NamedType("simple", _PASSWORD),
    )


class BindResponse(univ.Sequence):
    """What a directory says to it."""

    tagSet = univ.Sequence.tagSet.tagImplicitly(tag.Tag(tag.tagClassApplication, tag.tagFormatConstructed, 1))
    componentType = namedtype.NamedTypes(
        namedtype.NamedType("resultCode", univ.Enumerated()),
        namedtype.NamedType("matchedDN", univ.OctetString()),
        namedtype.NamedType("diagnosticMessage", univ.OctetString()),
        namedtype.OptionalNamedType("referral", _REFERRAL),
        namedtype.OptionalNamedType("serverSaslCreds", _SASL),
    )


class Request(univ.Sequence):
    """The message a bind travels in."""

    componentType = namedtype.NamedTypes(
        namedtype.NamedType("messageID", univ.Integer()), namedtype.NamedType("bindRequest", BindRequest())
    )


class Response(univ.Sequence):
    """The message its answer travels in."""

    componentType = namedtype.NamedTypes(
        namedtype.NamedType("messageID", univ.Integer()),
        namedtype.NamedType("bindResponse", BindResponse()),
        namedtype.OptionalNamedType("controls", _CONTROLS),
    )


def bind(dn: str, password: bytes) -> bytes:
    """The bytes of a simple bind."""
    request = BindRequest()
    request["version"], request["name"], request["simple"] = 3, dn.encode(), password
    message = Request()
    message["messageID"], message["bindRequest"] = MESSAGE_ID, request
    return bytes(encoder.encode(message))


def result(message: bytes) -> int:
    """The result code of a bind's answer; ValueError for anything else."""
    try:
        found = decoder.decode(message, asn1Spec=Response())[0]
        answered, code = int(found["messageID"]), int(found["bindResponse"]["resultCode"])
    except PyAsn1Error as error:
        raise ValueError(f"no answer to a bind: {error!r}") from error
    if answered != MESSAGE_ID:
        raise ValueError("an answer to something else")
    return code
