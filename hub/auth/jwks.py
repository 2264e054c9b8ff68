"""Sources of keys: one secret, a JWKS file, a JWKS address that a timer task fetches (hardening.md 3.3).

A handshake only looks a key up. An unknown `kid` asks the task for a fetch, at most one per issuer and 30 s.
"""

import asyncio
import http.client
import random
import ssl
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from hub.auth.keys import Key, KeySetError, read_key_set

MAX_BYTES = 256 * 1024
TIMEOUT = 5.0
MIN_INTERVAL = 30.0
REFRESH_INTERVAL = 300.0
MAX_AGE = 3_600.0
"""How long the last good set serves while fetches fail; then the issuer fails closed."""

log = structlog.get_logger("hub.auth")


class SecretKey:
    """The one key of an issuer that signs with a shared secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = Key("HS256", secret)

    def find(self, kid: str | None) -> Key | None:
        """The key, whatever the token calls it."""
        return self._key

    def accepted(self) -> Iterable[Key]:
        """The key."""
        return (self._key,)


class KeySet:
    """Keys of a JWKS, fetched by `run`. `read` returns the text or raises `OSError` / `KeySetError`.

    With `algorithm`, keys for any other are left out.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], bytes],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        algorithm: str | None = None,
    ) -> None:
        self.name = name
        self._algorithm = algorithm
        self._read = read
        self._monotonic = monotonic
        self._keys: dict[str | None, Key] = {}
        self._loaded_at: float | None = None
        self._asked_at = -MIN_INTERVAL
        self._wanted = asyncio.Event()

    @property
    def is_loaded(self) -> bool:
        """Whether there is a set that may still be used."""
        return self._loaded_at is not None and self._monotonic() - self._loaded_at < MAX_AGE

    def find(self, kid: str | None) -> Key | None:
        """The key called `kid`; without a name, the only one. An unknown name asks for a fetch."""
        if not self.is_loaded:
            self._wanted.set()
            return None
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        if kid not in self._keys:
            self._wanted.set()
        return self._keys.get(kid)

    def accepted(self) -> Iterable[Key]:
        """Every key of the set; none where it may not be used any more."""
        return self._keys.values() if self.is_loaded else ()

    def load(self) -> None:
        """Read the set now; a failure keeps the last good one and is raised."""
        found = read_key_set(self._read())
        keys = {kid: key for kid, key in found.items() if self._algorithm in (None, key.algorithm)}
        if not keys:
            raise KeySetError(f"expected at least one {self._algorithm} key in the key set, came none")
        self._keys, self._loaded_at = keys, self._monotonic()

    async def run(self) -> None:
        """Fetch at once, then on the timer and on demand, never more often than `MIN_INTERVAL`."""
        while True:
            self._wanted.clear()
            await self._fetch()
            await asyncio.sleep(MIN_INTERVAL)  # the least distance of two fetches, not a wait for something
            wait = (REFRESH_INTERVAL if self.is_loaded else 0.0) * random.uniform(0.8, 1.2)  # noqa: S311 - not a secret
            try:
                await asyncio.wait_for(self._wanted.wait(), max(0.0, wait - MIN_INTERVAL))
            except TimeoutError:
                continue

    async def _fetch(self) -> None:
        try:
            await asyncio.to_thread(self.load)
        except (OSError, KeySetError, http.client.HTTPException) as error:
            log.warning("auth.jwks_failed", issuer=self.name, reason=str(error), loaded=self.is_loaded)
        else:
            log.info("auth.jwks_loaded", issuer=self.name, keys=len(self._keys))


def reader_of(source: str, *, context: ssl.SSLContext | None = None) -> Callable[[], bytes]:
    """What reads the JWKS at `source`: an `https://` address, else the path of a file."""
    if source.startswith("https://"):
        return lambda: fetch(source, context or ssl.create_default_context())
    return lambda: _read_file(Path(source))


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return _bounded(file.read(MAX_BYTES + 1))


def fetch(url: str, context: ssl.SSLContext) -> bytes:
    """GET over TLS without redirects, bounded in bytes and in time from the first to the last of them."""
    parts = urlsplit(url)
    deadline = time.monotonic() + TIMEOUT
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=TIMEOUT, context=context)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Accept": "application/json"})
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:  # a redirect is no key set either
            raise KeySetError(f"expected 200 from the key set's address, came {response.status}")
        return _read_until(response, deadline)
    finally:
        connection.close()


def _read_until(response: http.client.HTTPResponse, deadline: float) -> bytes:
    body = bytearray()
    while chunk := response.read1(65_536):
        body += chunk
        _bounded(body)
        if time.monotonic() > deadline:
            raise KeySetError(f"expected the key set within {TIMEOUT:g} s")
    return bytes(body)


def _bounded(body: bytes | bytearray) -> bytes:
    if len(body) > MAX_BYTES:
        raise KeySetError(f"expected a key set of at most {MAX_BYTES} bytes, came more")
    return bytes(body)
