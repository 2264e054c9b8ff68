"""A real hub on a free port, in a thread of its own, for integration tests.

with RunningHub(metrics_interval=0.2) as hub:
    httpx.get(f"{hub.http_url}/health")
    connect(hub.url, additional_headers={"Authorization": f"Bearer {hub.token('bot')}"})
"""

import io
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import jwt

from channels.buckets import Rate
from channels.permissions import Role
from hub import logs
from hub.config import Settings
from hub.hub import Companion, Hub
from hub.runtime import Runtime

T = TypeVar("T")
Transport = Literal["handover", "relay"]
SECRET = "b3f0cA91d7e24c58XqLmZt6RwYvKs0Pj"

PRODUCTION: dict[str, Any] = {
    "mode": "production",
    "jwt_secret": SECRET,
    "jwt_issuer": "https://id.example",
    "jwt_audience": "hub",
}
"""Settings of a hub that runs as in production."""


class RunningHub:
    """One hub: development mode, 127.0.0.1, no file touched. Any setting may be given by its name."""

    def __init__(
        self, *, transport: Transport = "handover", companions: Sequence[Companion] = (), **settings: Any
    ) -> None:
        chosen = {"port": 0, "dev_file": None, "node": "n1", "jwt_secret": SECRET, **settings}
        self.settings = Settings(handover=transport == "handover", **chosen)
        self.transport = transport
        self.records: list[logs.Record] = []
        """The hub's own log."""
        self._runtime = Runtime(self.settings, companions).bind()
        self._port = self._runtime.port

    @property
    def url(self) -> str:
        """Of the WebSocket endpoint."""
        return f"ws://{self.authority}/ws"

    @property
    def http_url(self) -> str:
        """Without a path."""
        return f"http://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._port

    @property
    def hub(self) -> Hub:
        """The hub itself; its parts belong to the hub's thread (`call`)."""
        return self._runtime.hub

    def token(self, role: Role | str, subject: str | None = None, ttl: float = 3_600, **claims: Any) -> str:
        """A token that the hub takes."""
        now = time.time()
        names = {"iss": self.settings.jwt_issuer, "aud": self.settings.jwt_audience}
        base = {"sub": subject or str(role), "role": str(role), "iat": now, "exp": now + ttl}
        payload = {**base, **{name: value for name, value in names.items() if value}, **claims}
        assert self.settings.jwt_secret is not None
        return jwt.encode(payload, self.settings.jwt_secret.get_secret_value(), algorithm="HS256")

    def headers(self, role: Role | str, subject: str | None = None) -> dict[str, str]:
        """`Authorization` for `role`."""
        return {"Authorization": f"Bearer {self.token(role, subject)}"}

    def call(self, work: Callable[[Hub], T]) -> T:
        """`work(hub)` on the hub's loop."""
        return self._runtime.call(work)

    def await_(self, awaitable: Awaitable[T]) -> T:
        """Its result, awaited on the hub's loop."""
        return self._runtime.wait(awaitable)

    @classmethod
    def start(cls, **options: Any) -> Self:
        """A hub that serves; to be ended by `stop`."""
        return cls(**options).begin()

    def begin(self) -> Self:
        """Serve; returns when it is ready, raises what stopped the start."""
        _quiet_logs()
        self._runtime.start()
        self.call(lambda hub: hub.log_listeners.append(self.records.append))
        return self

    def stop(self) -> None:
        """As SIGTERM would; raises if it does not end, or ended with an error."""
        self._runtime.stop()

    def has_ended(self, within: float) -> bool:
        """Wait for it to end by itself."""
        return self._runtime.join(within)

    def __enter__(self) -> Self:
        return self.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Nowhere(io.StringIO):
    def write(self, text: str) -> int:
        return len(text)


def _quiet_logs() -> None:
    """Lines go nowhere, unless NG_TEST_LOGS is set; records reach each hub all the same."""
    if logs.current().node != "tests":
        stream = None if os.environ.get("NG_TEST_LOGS") else _Nowhere()
        logs.configure(
            level="debug", rate=Rate(10_000, 10_000), node="tests", shows_users=True, stream=stream, owns_process=False
        )
