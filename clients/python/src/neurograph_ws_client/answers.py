"""The hub's answers as values; what is absent on the wire takes the protocol's default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

Rights = tuple[str, ...]

# Section 12, for a hub that leaves one out.
_DEFAULT_LIMITS: Mapping[str, int] = {
    "message": 1 << 20,
    "control": 64 << 10,
    "decoded": 8 << 20,
    "subscriptions": 64,
    "in_flight": 256,
    "resume_events": 1000,
    "emit_batch": 1000,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What the hub takes from this connection: bytes, counts, and rates as (capacity, refill per second)."""

    message: int = _DEFAULT_LIMITS["message"]
    control: int = _DEFAULT_LIMITS["control"]
    decoded: int = _DEFAULT_LIMITS["decoded"]
    subscriptions: int = _DEFAULT_LIMITS["subscriptions"]
    in_flight: int = _DEFAULT_LIMITS["in_flight"]
    resume_events: int = _DEFAULT_LIMITS["resume_events"]
    emit_batch: int = _DEFAULT_LIMITS["emit_batch"]
    rates: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def from_wire(cls, member: Mapping[str, Any]) -> Self:
        """Read `welcome.limits`."""
        told = {name: int(member.get(name, default)) for name, default in _DEFAULT_LIMITS.items()}
        rates = {str(name): (float(pair[0]), float(pair[1])) for name, pair in (member.get("rates") or {}).items()}
        return cls(**told, rates=rates)


@dataclass(frozen=True, slots=True)
class Welcome:
    """What the hub tells a connection about itself (M41)."""

    conn: str
    session: str
    node: str
    version: str
    role: str
    user: str | None
    resumed: bool
    expires_in: float | None
    interval: float
    timeout: float
    limits: Limits
    encodings: tuple[str, ...]
    channels: Mapping[str, Rights]

    @classmethod
    def from_wire(cls, message: Mapping[str, Any]) -> Self:
        """Read a `welcome`; a member of the wrong form raises TypeError or ValueError."""
        heartbeat = message.get("heartbeat") or {}
        expires_in = message.get("expires_in")
        channels = {str(name): tuple(about["rights"]) for name, about in (message.get("channels") or {}).items()}
        return cls(
            conn=str(message.get("conn", "")),
            session=str(message.get("session", "")),
            node=str(message.get("node", "")),
            version=str(message.get("version", "1")),
            role=str(message["role"]),
            user=message.get("user"),
            resumed=message.get("resumed") is True,
            expires_in=None if expires_in is None else float(expires_in),
            interval=float(heartbeat.get("interval", 30)),
            timeout=float(heartbeat.get("timeout", 10)),
            limits=Limits.from_wire(message.get("limits") or {}),
            encodings=tuple(message.get("encodings") or ()),
            channels=channels,
        )

    def may(self, right: str, channel: str) -> bool:
        """Whether the role has a right on a channel; a name that ends in `*` grants what begins so (C23)."""
        return any(
            right in rights and (name == channel or (name.endswith("*") and channel.startswith(name[:-1])))
            for name, rights in self.channels.items()
        )


@dataclass(frozen=True, slots=True)
class Published:
    """A stored publish: its position, and whether an earlier one with the same `mid` is the one stored (M31)."""

    position: str
    duplicate: bool = False

    @classmethod
    def from_wire(cls, answer: Mapping[str, Any], channel: str) -> Self:
        """Read the `ack` that answers a publish."""
        return cls(str(answer["positions"][channel]), answer.get("duplicate") is True)


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A token near a signal."""

    token_id: int
    distance: float


@dataclass(frozen=True, slots=True)
class Emitted:
    """What the SignalSystem said about one signal; `neighbors` by rising distance (M46)."""

    token_id: int
    is_novel: bool
    neighbors: list[Neighbor]
    position: str | None = None
    duplicate: bool = False
    processing_time_us: float | None = None

    @classmethod
    def from_wire(cls, result: Mapping[str, Any], answer: Mapping[str, Any]) -> Self:
        """Read one result of an `emitted`; `answer` is the whole message, which tells what holds for all of it."""
        return cls(
            token_id=int(result["token_id"]),
            is_novel=result["is_novel"] is True,
            neighbors=[Neighbor(int(near["token_id"]), float(near["distance"])) for near in result["neighbors"]],
            position=answer.get("position"),
            duplicate=answer.get("duplicate") is True,
            processing_time_us=answer.get("processing_time_us"),
        )


def emitted_from(answer: Mapping[str, Any]) -> list[Emitted]:
    """Every result of an `emitted`, in the order of its vectors."""
    results = answer.get("results", [answer])
    return [Emitted.from_wire(result, answer) for result in results]
