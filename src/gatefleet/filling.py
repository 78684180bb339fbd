"""Putting secrets where tokens stand for them: in Envoy's resources, and in entries of the table of consumers.

What is made of a resource is what it would have been with the secrets in it from the beginning; `resources.carriage`
refuses configurations for which that does not hold.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor

from gatefleet import references
from gatefleet.native import config, records
from gatefleet.protos import POOL, pack
from gatefleet.protos.envoy.config.route import v3 as route
from gatefleet.protos.envoy.extensions.filters.http.fault import v3 as fault
from gatefleet.protos.envoy.extensions.filters.http.lua import v3 as lua
from gatefleet.protos.google import protobuf as wkt

if TYPE_CHECKING:
    from google.protobuf.message import Message

Values = Mapping[str, str]
"""Token to secret, of those that are known."""
Pair = tuple[bytes, bytes]
Written = Callable[[bytes], bytes]
REFUSAL: Final = '{"error_msg":"a secret that this needs is not there"}\n'
_HTTP_FILTERS: Final = "type.googleapis.com/envoy.extensions.filters.http."
_AROUND: Final = tuple(_HTTP_FILTERS + name for name in ("filter_chain.", "composite."))
"""Filters that only hold others."""


@dataclass(slots=True)
class Filled:
    """What became of a resource; `missing` are tokens whose secrets are not known."""

    body: bytes
    missing: frozenset[str] = frozenset()
    blocked: bool = False
    """It cannot be used: what is missing is needed for all it does."""


def tokens_in(body: bytes) -> frozenset[str]:
    """The plain tokens in a serialized resource."""
    if references.MARK not in body:
        return frozenset()
    texts = (found.group() for found in references.TOKEN.finditer(body.decode("latin-1")))
    return frozenset(references.of_base64(text) or text for text in texts)


def fill(kind: str, body: bytes, values: Values) -> Filled:
    """A serialized resource of Envoy's of type URL `kind` with its secrets.

    Where one is missing, the filter or route that needs it answers 503 instead.
    """
    message = _parse(kind, body)
    filler = _Filler(values)
    needed = filler.fill(message)
    return Filled(message.SerializeToString(deterministic=True), frozenset(filler.missing), blocked=needed)


def fill_pair(pair: Pair, values: Values) -> Pair:
    """An entry of the table of consumers with its secrets.

    LookupError for one that is missing, ValueError for one that the table cannot hold.
    """
    key = _replaced(pair[0], values)
    if len(key) > 2 + records.SECRET_MAX or len(key) == 2:
        raise ValueError(f"must have 1 to {records.SECRET_MAX} bytes")
    return key, records.value_of(_replaced(text, values) for text in records.texts_of(pair[1]))


def _replaced(text: bytes, values: Values, written: Written = bytes) -> bytes:
    """LookupError for a token without a value, ValueError for one whose value is not base64 as it should be."""
    if references.MARK not in text:
        return text
    return references.TOKEN_BYTES.sub(lambda found: written(_value(found.group().decode(), values)), text)


def _in_json(secret: bytes) -> bytes:
    """As it stands between the quotes of a JSON string."""
    return json.dumps(secret.decode())[1:-1].encode()


def _value(token: str, values: Values) -> bytes:
    plain = references.of_base64(token)
    if plain is None:
        return values[token].encode()
    try:
        return base64.b64decode(values[plain], validate=True)
    except binascii.Error:
        raise ValueError("is not base64") from None


@dataclass(slots=True)
class _Filler:
    values: Values
    missing: set[str] = field(default_factory=set[str])

    def fill(self, message: "Message") -> bool:
        """Put secrets into a message, in place; whether one is missing that nothing in it could answer for."""
        if isinstance(message, wkt.Any):
            return self._fill_any(message)
        needed = False
        for described, value in list(message.ListFields()):
            if described.type == FieldDescriptor.TYPE_MESSAGE:
                needed |= self._fill_below(described, value)
            elif described.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
                needed |= self._fill_text(message, described.name, value)
        return needed

    def _fill_below(self, described: FieldDescriptor, value: Any) -> bool:
        """A message, a list of messages, or a map."""
        entry = described.message_type
        if not (entry and entry.GetOptions().map_entry):
            return self._fill_all(value if described.is_repeated else [value])
        if entry.fields_by_name["value"].type == FieldDescriptor.TYPE_MESSAGE:
            return self._fill_all([value[key] for key in value])
        texts = {key: self._text(text) for key, text in value.items() if isinstance(text, str | bytes)}
        value.update({key: text for key, text in texts.items() if text is not None})
        return None in texts.values()

    def _fill_all(self, messages: "Iterable[Message]") -> bool:
        needed = [self.fill(message) for message in messages]
        return any(needed)

    def _fill_text(self, message: "Message", name: str, value: Any) -> bool:
        if isinstance(value, str | bytes):
            filled = self._text(value)
            if filled is not None and filled != value:
                setattr(message, name, filled)
            return filled is None
        texts = [self._text(text) for text in value]
        value[:] = [old if text is None else text for old, text in zip(value, texts, strict=True)]
        return None in texts

    def _text(self, text: Any, written: Written = bytes) -> Any:
        """The text with its secrets, `written` as the text has them; None where one is missing."""
        encoded = text.encode() if isinstance(text, str) else text
        if references.MARK not in encoded:
            return text
        try:
            filled = _replaced(encoded, self.values, written)
        except (LookupError, ValueError):
            self.missing |= tokens_in(encoded)
            return None
        return filled.decode() if isinstance(text, str) else filled

    def _fill_any(self, packed: "wkt.Any") -> bool:
        if references.MARK not in packed.value:
            return False
        message = _parse(packed.type_url, packed.value)
        needed = self._fill_packed(message)
        if needed and isinstance(message, route.Route):
            packed.CopyFrom(pack(_refusing(message)))
            return False
        if needed and packed.type_url.startswith(_HTTP_FILTERS) and not packed.type_url.startswith(_AROUND):
            packed.CopyFrom(pack(_REFUSING_FILTER))
            return False
        packed.value = message.SerializeToString(deterministic=True)
        return needed

    def _fill_packed(self, message: "Message") -> bool:
        if isinstance(message, wkt.BytesValue):
            return self._fill_config(message)
        if isinstance(message, lua.Lua):
            return self._fill_script(message)
        return self.fill(message)

    def _fill_config(self, packed: "wkt.BytesValue") -> bool:
        """The configuration of a filter of our native module."""
        fields = [(key, self._text(value)) for key, value in config.decode_config(packed.value)]
        if any(value is None for _, value in fields):
            return True
        packed.value = config.encode_config(fields)
        return False

    def _fill_script(self, message: lua.Lua) -> bool:
        """The configuration of a script, which is JSON."""
        conf = message.filter_context.fields["conf"]
        filled = self._text(conf.string_value, _in_json)
        if filled is not None:
            conf.string_value = filled
        return filled is None


def _refusing(refused: route.Route) -> route.Route:
    return route.Route(
        name=refused.name,
        match=refused.match,
        direct_response=route.DirectResponseAction(status=503, body={"inline_string": REFUSAL}),
    )


_REFUSING_FILTER: Final = fault.HTTPFault(
    abort=fault.FaultAbort(http_status=503, percentage={"numerator": 100}, response_body=REFUSAL)
)


def _parse(kind: str, body: bytes) -> "Message":
    name = kind.rpartition("/")[2]
    message = message_factory.GetMessageClass(POOL.FindMessageTypeByName(name))()
    message.ParseFromString(body)
    return message
