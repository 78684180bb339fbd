"""One kind of question: how it is read, who answers it, how many at once and for how long."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gatefleet.errors import Invalid, Unreachable


@dataclass(slots=True)
class Desk:
    """Answers questions of the type `reads`, at most `most` at once, each within `patience` seconds."""

    reads: type[msgspec.Struct]
    answer: Callable[[Any], Awaitable[msgspec.Struct]]
    most: int
    patience: float
    _busy: int = field(default=0, init=False)

    async def ask(self, body: bytes) -> bytes:
        """The answer as JSON.

        Raises Invalid for what is no question, Unreachable where too many are being answered already, or it takes
        too long.
        """
        try:
            question = msgspec.json.decode(body, type=self.reads, strict=False)
        except msgspec.DecodeError as error:
            raise Invalid(f"this is no question: {error}") from error
        if self._busy >= self.most:
            raise Unreachable("too many questions at once")
        self._busy += 1
        try:
            async with asyncio.timeout(self.patience):
                return msgspec.json.encode(await self.answer(question))
        except TimeoutError:
            raise Unreachable(f"no answer within {self.patience:g} s") from None
        finally:
            self._busy -= 1
