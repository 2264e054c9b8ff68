"""Passwords of the development issuer: scrypt, computed in a bounded pool (hardening.md 3.7)."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

WORKERS = 2
MAX_WAITING = 32
MAX_PASSWORD = 1_024
_N, _R, _P = 2**14, 8, 1
_MAX_MEMORY = 64 * 1024 * 1024


class PoolFullError(Exception):
    """More logins wait for their hash than the pool takes."""


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """`scrypt$n$r$p$salt$hash`, salt and hash in base64."""

    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> "PasswordHash":
        """Read the written form; `ValueError` says what was expected and repeats nothing of it."""
        expected = "expected scrypt$n$r$p$salt$hash (neurograph-hub users new), came something else"
        parts = text.split("$")
        if len(parts) != 6 or parts[0] != "scrypt":
            raise ValueError(expected)
        try:
            n, r, p = (int(part) for part in parts[1:4])
            salt, digest = (base64.b64decode(part, validate=True) for part in parts[4:])
        except (ValueError, binascii.Error):
            raise ValueError(expected) from None
        if n not in (2**14, 2**15, 2**16) or not (
            1 <= r <= 8 and 1 <= p <= 4 and len(salt) >= 16 and len(digest) == 32
        ):
            raise ValueError(expected)
        return cls(n, r, p, salt, digest)

    @classmethod
    def of(cls, password: str) -> "PasswordHash":
        """The hash of a new password under a fresh salt."""
        salt = os.urandom(16)
        return cls(_N, _R, _P, salt, _scrypt(password, salt, _N, _R, _P))

    def __str__(self) -> str:
        salt, digest = (base64.b64encode(part).decode() for part in (self.salt, self.digest))
        return f"scrypt${self.n}${self.r}${self.p}${salt}${digest}"

    def matches(self, password: str) -> bool:
        """Whether it is the hash of `password`, in constant time of the comparison."""
        return hmac.compare_digest(_scrypt(password, self.salt, self.n, self.r, self.p), self.digest)


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MAX_MEMORY, dklen=32)


class PasswordPool:
    """Threads that compute hashes, so that a flood of logins holds neither the loop nor the memory."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="password")
        self._waiting = 0

    async def matches(self, stored: PasswordHash, password: str) -> bool:
        """`stored.matches(password)` in the pool; raises `PoolFullError`."""
        if self._waiting >= MAX_WAITING:
            raise PoolFullError
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, stored.matches, password)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=True, cancel_futures=True)
