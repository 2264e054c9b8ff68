"""What is the same for every session of a hub: limits, channels, who checks credentials, and where it counts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from channels.buckets import DEFAULT_RATES, Rate, SubjectBuckets
from channels.config import Catalog
from channels.permissions import Role
from channels.tables import EMIT_CHANNEL, read_channels
from hub.auth import Identity
from hub.counters import Counters
from hub.resumption import Resumption

if TYPE_CHECKING:
    from hub.config import Settings

SIGNALS = EMIT_CHANNEL
"""The one channel with the right to emit (C20)."""


class Moment(NamedTuple):
    """Both clocks, in seconds: `now` is monotonic and drives timers, `wall` serves `ts` and expiry (H6)."""

    now: float
    wall: float


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits of section 12 that a session keeps, and what `welcome` tells of them."""

    node: str = "n1"
    anonymous: bool = True
    max_message: int = 1_048_576
    largest_message: int = 1_048_576
    """The largest that any channel takes: what the plane reads of those who are in (L7)."""
    smallest_limit: int = 65_536
    """No message of at most so many bytes is too large anywhere."""
    max_control: int = 65_536
    max_payload: int = 65_536
    max_decoded: int = 8_388_608
    max_ratio: int = 100
    max_subscriptions: int = 64
    filter_bytes: int = 2_048
    filter_nodes: int = 32
    filter_depth: int = 4
    filter_total: int = 4_096
    max_in_flight: int = 256
    emit_batch: int = 1_000
    resume_events: int = 1_000
    login_timeout: float = 10.0
    heartbeat_interval: float = 30.0
    heartbeat_timeout: float = 10.0
    rates: Mapping[str, Rate] = field(default_factory=lambda: DEFAULT_RATES)

    @classmethod
    def from_settings(cls, settings: "Settings") -> Self:
        """The settings of the same names."""
        rates = {name: getattr(settings, f"rate_{name}") for name in DEFAULT_RATES}
        names = cls.__dataclass_fields__.keys() & type(settings).model_fields.keys()
        limits = [channel.max_message or settings.max_message for channel in read_channels(settings.channels)]
        return cls(
            **{name: getattr(settings, name) for name in names},
            rates=rates,
            largest_message=max(settings.max_message, *limits),
            smallest_limit=min(settings.max_control, settings.max_message, *limits),
        )


class Tally:
    """What sessions count: the families of `hub.counters` that are theirs."""

    __slots__ = ("errors", "messages_received", "messages_sent", "rate_limited", "recoveries", "subscriptions")

    def __init__(self, counters: Counters) -> None:
        self.messages_received = counters.values["messages_received"]
        self.messages_sent = counters.values["messages_sent"]
        """Of both: by type. Events are counted by the plane."""
        self.errors = counters.values["errors"]
        self.rate_limited = counters.values["rate_limited"]
        self.subscriptions = counters.values["subscriptions"]
        self.recoveries = counters.values["recoveries"]

    def count_error(self, label: str) -> None:
        """`label` is layer/reason."""
        layer, _, reason = label.partition("/")
        self.errors[layer, reason] += 1


class TooManyFailures(Exception):  # noqa: N818 - what happened, in the words of the limit
    """The address has failed to log in so often that nothing of it is checked for `wait` seconds (`login_failures`)."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"nothing of this address is checked for {wait:.3f} s")
        self.wait = wait


Login = Callable[[str, str, Moment], Identity]
"""(credential, address, moment) -> identity; raises `AuthError` or `TooManyFailures`."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything a session looks at besides itself."""

    policy: Policy
    catalog: Catalog
    login: Login
    subjects: SubjectBuckets = field(default_factory=SubjectBuckets)
    tally: Tally = field(default_factory=lambda: Tally(Counters()))
    resumption: Resumption = field(default_factory=Resumption)
    is_alone: Callable[[], bool] = lambda: False
    """Whether the node goes on without the store that it should share with others (N11)."""
    shown: dict[tuple[Role, str | None], dict[str, Any]] = field(default_factory=dict)
    """What `welcome` tells of channels, by role and subject: the same for thousands who come at once."""
    limits: dict[str, Any] = field(default_factory=dict)
    """What it tells of limits where no API key has rates of its own."""
