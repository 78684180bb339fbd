"""Passwords: Argon2id in threads, the policy, and a short memory of what was just verified."""

import asyncio
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from gatefleet.errors import Invalid

LONGER_THAN: Final = 12
LONGEST: Final = 1024
DIFFERENT: Final = 5
REMEMBER_SECONDS: Final = 60.0
REMEMBER_MOST: Final = 1000


class Passwords:
    """Hashing and verifying. One per process: as many threads at once as there are cores, because each takes 64 MiB."""

    def __init__(self, clock: Callable[[], float], hasher: PasswordHasher) -> None:
        self._hasher = hasher
        self._clock = clock
        self._seats = asyncio.Semaphore(os.cpu_count() or 1)
        self._key = secrets.token_bytes(32)
        self._verified: dict[bytes, float] = {}
        self._nobody = ""

    async def hash(self, password: str) -> str:
        async with self._seats:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the hash's; without a hash (no such user) it takes as long and is never right."""
        if password_hash is None:
            self._nobody = self._nobody or await self.hash(secrets.token_hex())
        async with self._seats:
            right = await asyncio.to_thread(self._check, password_hash or self._nobody, password)
        return right and password_hash is not None

    async def verify_again(self, password_hash: str | None, password: str) -> bool:
        """`verify` for credentials that come with every request: right ones are remembered for a minute.

        The memory is keyed by the hash as well, so it ends with the password's change, in every process.
        """
        if self.remembers(password_hash, password):
            return True
        right = await self.verify(password_hash, password)
        if right:
            if len(self._verified) >= REMEMBER_MOST:
                self._verified.clear()
            self._verified[self._memory(password_hash, password)] = self._clock() + REMEMBER_SECONDS
        return right

    def remembers(self, password_hash: str | None, password: str) -> bool:
        """Whether just this was verified within the last minute."""
        return self._verified.get(self._memory(password_hash, password), 0) > self._clock()

    def _memory(self, password_hash: str | None, password: str) -> bytes:
        return hmac.new(self._key, f"{password_hash}\0{password}".encode(), hashlib.sha256).digest()

    def _check(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerificationError:
            return False


def check_policy(password: str) -> None:
    """Invalid if a user may not choose this password."""
    if not LONGER_THAN < len(password) <= LONGEST:
        said = f"the password must be longer than {LONGER_THAN} characters, up to {LONGEST}"
        raise Invalid(f'Error at "/new_password": {said}')
    if len(set(password)) < DIFFERENT:
        raise Invalid(f'Error at "/new_password": the password must have {DIFFERENT} different characters')
