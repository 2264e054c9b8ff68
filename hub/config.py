"""The settings: one frozen object, read once from flags, `NG_...`, a TOML file and defaults, strongest first.

The fields below are the table: name, default, bounds and description, from which the help text, the environment and the
check are made (architecture.md "Settings", protocol.md section 12, hardening.md section 1).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import ByteSize, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from channels.buckets import Rate
from channels.errors import ConfigError
from hub import refusals
from hub.complaints import PREFIX, Origins, explain
from hub.quantities import (
    NamesSetting,
    NetworksSetting,
    NodeSetting,
    OriginsSetting,
    RateSetting,
    SecretsSetting,
    Table,
    host_name,
)
from hub.sources import Preset, TomlFile, read_toml

__all__ = ["PREFIX", "ConfigError", "Settings", "load_settings"]

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Settings(BaseSettings):
    """Everything that can be set. A `Settings` that exists is valid."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        validate_default=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    # the process
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    """Port to listen on; 0 takes a free one. Taken: only the default moves on to the next."""
    mode: Literal["development", "production"] = "development"
    """Development or production; development listens on loopback only."""
    node: NodeSetting = Field(default_factory=host_name)
    """Name of this node."""
    config: Path | None = None
    """TOML file with settings, [channels], [api_keys], [users], [issuers]."""
    dev_file: Path | None = Path(".ng/dev.json")
    """Where development keeps its secret and tokens."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""
    log_users: bool = False
    """Show users' names in logs; off: a hash of them."""
    log_rate: RateSetting = Rate(10, 10)
    """Log lines per event name."""
    test_echo: bool = False
    """Adds /echo for conformance suites; development only."""
    handover: bool = True
    """Hand sockets to the native plane; off: every WebSocket is relayed."""
    data_dir: Path | None = None
    """Directory of durable logs (channels with retention.durable); one hub at a time works with it."""
    fsync: Literal["always", "interval", "never"] = "interval"
    """When durable logs are synced. A kill loses nothing; a power loss nothing, the interval, or more (README)."""
    fsync_interval: Annotated[float, Field(ge=0.01, le=3_600)] = 1.0
    """Seconds after which a write is synced under fsync interval."""
    log_segment: Annotated[ByteSize, Field(ge=65_536, le=1_073_741_824)] = ByteSize(16_777_216)
    """Bytes of one file of a durable log; beyond retention, files go as a whole."""
    log_queue: Count = 65_536
    """Entries that may wait to be written to durable logs."""
    log_queue_bytes: Annotated[ByteSize, Field(ge=1_048_576)] = ByteSize(67_108_864)
    """Bytes that may wait to be written to durable logs."""
    tls_cert: Path | None = None
    """Certificate chain (PEM); WebSockets are relayed under TLS."""
    tls_key: Path | None = None
    """Private key (PEM) of the certificate."""

    # nodes that are joined by Redis
    redis_url: SecretStr | None = None
    """Redis that joins nodes and keeps their logs: redis://HOST:PORT/DB, rediss://…,
    redis+sentinel://HOST:PORT,HOST:PORT/SERVICE, redis+cluster://HOST:PORT,HOST:PORT; none: a node alone."""
    redis_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,32}$")] = "ng"
    """What all keys and bus channels begin with (N1); nodes of one cluster have the same."""
    redis_connect: Seconds = 1
    """Seconds to connect to Redis."""
    redis_command: Seconds = 2
    """Seconds for a command of Redis; a connection that has timed out is not used again."""
    redis_pool: Count = 16
    """Connections to Redis of this node."""
    redis_absent: Literal["refuse", "local"] = "refuse"
    """What a node does without Redis. refuse: publishes wait and are refused (N11). local: it goes on alone,
    and says so in welcome and status; a channel that takes entries meanwhile does so in an epoch of the node, and when
    Redis is back begins a new one for all nodes."""
    outbox: Count = 10_000
    """Publishes that may wait for Redis (N11)."""
    outbox_wait: Seconds = 5
    """Seconds that a publish may wait for Redis (N11)."""
    bus_message: Annotated[ByteSize, Field(ge=1_048_576, le=536_870_912)] = ByteSize(4_194_304)
    """Bytes of a message between nodes; larger ones are dropped and counted."""
    heal_rate: Annotated[float, Field(gt=0, le=1e6)] = 10
    """Holes of logs that a node reads from Redis per second (N7)."""

    # who may come in
    jwt_secret: SecretStr | None = None
    """HS256 secret, 32 bytes at least; random in development."""
    jwt_jwks: str | None = None
    """JWKS: path of a file, or https URL."""
    jwt_issuer: str | None = None
    """Required claim iss; needed in production."""
    jwt_audience: str | None = None
    """Required claim aud; needed in production."""
    token_keys: SecretsSetting = ()
    """Sealing keys of reconnection tokens, comma between them, newest first, 32 bytes each at least; none: made from
    NG_JWT_SECRET. To rotate: put a new one in front, drop the old one after NG_RESUME_TTL."""
    anonymous: bool = True
    """Let clients in without a credential, as role anonymous."""
    url_credentials: bool = True
    """Accept ?token= and ?reconnection_token= in the URL of /ws."""
    origins: OriginsSetting = ()
    """Allowed origins of /ws and of CORS, besides the hub's own."""
    proxies: NetworksSetting = ()
    """Proxies whose Forwarded / X-Forwarded-For is believed (L21)."""
    hosts: NamesSetting = ()
    """Names the hub is reached by; others are refused. Development: loopback."""
    token_ttl: Seconds = 3600
    """Life of tokens made by the development issuer."""
    token_ttl_max: Seconds = 86_400
    """Longest life that may be asked of the development issuer; NG_TOKEN_TTL where that is longer."""
    login_failures: RateSetting = Rate(20, 1 / 3)
    """Failed logins of one address."""
    verified_tokens: Annotated[int, Field(ge=0, le=1_000_000)] = 10_000
    """Checked tokens known by hash until their exp; key, clock, revocations are asked each time. 0: none."""

    # connections
    limits: Literal["default", "strict"] = "default"
    """Preset; strict: 100 connections, 10 per address."""
    max_connections: Count = 20_000
    """Connections of this node (L1)."""
    max_connections_per_address: Count = 200
    """Connections of one address, an IPv6 /64 counting as one (L2); loopback is exempt in development."""
    handshake_rate: RateSetting = Rate(200, 50)
    """Handshakes of one address (L3)."""
    handshake_timeout: Seconds = 5
    """Seconds from accept to the end of the upgrade (L4)."""
    max_request_line: Count = 8_192
    """Bytes of a request line (L5)."""
    max_header: Count = 8_192
    """Bytes of one header field (L5)."""
    max_header_bytes: Count = 32_768
    """Bytes of all header fields together (L5)."""
    max_headers: Count = 64
    """Header fields (L5)."""
    login_timeout: Seconds = 10
    """Seconds to log in where a login is required (L6)."""
    waiting_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Share of max_connections that may wait for a login."""
    file_reserve: Count = 512
    """Descriptors kept free."""
    heartbeat_interval: Annotated[float, Field(gt=0, le=30)] = 30
    """Seconds of silence before a ping (H1)."""
    heartbeat_timeout: Seconds = 10
    """Seconds for its pong (H1)."""
    write_stall: Seconds = 10
    """Seconds that a socket may take nothing of what waits (S8)."""
    close_wait: Seconds = 2
    """Seconds for the peer's close frame (X6)."""

    # messages
    max_message: Annotated[ByteSize, Field(ge=1_024, le=16_777_216)] = ByteSize(1_048_576)
    """Bytes of a publish or emit (L7)."""
    max_control: Annotated[ByteSize, Field(ge=1_024, le=16_777_216)] = ByteSize(65_536)
    """Bytes of any other message (L8)."""
    max_decoded: Annotated[ByteSize, Field(ge=1_024, le=134_217_728)] = ByteSize(8_388_608)
    """Bytes of a payload when it is decoded (L9); told in welcome."""
    max_ratio: Annotated[int, Field(ge=1, le=100_000)] = 100
    """How many times as long a payload may become when it is decoded (L9)."""
    deflate: bool = True
    """Negotiate permessage-deflate with clients that offer it (B2)."""
    max_subscriptions: Count = 64
    """Subscriptions of a connection (L13)."""
    filter_bytes: Annotated[int, Field(ge=2, le=65_536)] = 2_048
    """Bytes of a filter as received (F8)."""
    filter_nodes: Annotated[int, Field(ge=1, le=1_024)] = 32
    """Operators, literals and combinators of a filter (F8)."""
    filter_depth: Annotated[int, Field(ge=1, le=16)] = 4
    """Filters in one another, the outermost counted (F8)."""
    filter_total: Annotated[int, Field(ge=2, le=65_536)] = 4_096
    """Bytes of all filters of a connection (F8)."""
    max_in_flight: Count = 256
    """Ids that may await their answer (L14)."""
    emit_batch: Annotated[int, Field(ge=1, le=65_536)] = 1_000
    """Vectors in one emit (L15)."""
    message_timeout: Seconds = 30
    """Seconds from a message's first byte to its last (L16)."""
    max_empty_fragments: Count = 64
    """Empty fragments in a row (L16)."""
    control_rate: RateSetting = Rate(100, 20)
    """Control frames of a connection (L17)."""
    message_rate: RateSetting = Rate(4_000, 2_000)
    """Messages of a connection (L18)."""
    byte_rate: RateSetting = Rate(16_777_216, 4_194_304)
    """Bytes of a connection; beyond, it is not read (L19)."""
    rate_ping: RateSetting = Rate(120, 2)
    """Bucket of ping (L22)."""
    rate_subscribe: RateSetting = Rate(30, 1)
    """Bucket of subscribe (L22)."""
    rate_unsubscribe: RateSetting = Rate(30, 1)
    """Bucket of unsubscribe (L22)."""
    rate_publish: RateSetting = Rate(60, 10)
    """Bucket of publish (L22)."""
    rate_emit: RateSetting = Rate(1_000, 1_000)
    """Bucket of emit, one per vector (L22)."""
    rate_default: RateSetting = Rate(60, 10)
    """Bucket of everything else (L22)."""
    answer_buffer: Annotated[ByteSize, Field(ge=4_096)] = ByteSize(1_048_576)
    """Bytes of unread answers before a connection is not read (S11)."""
    resume_events: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """Largest number of past events a subscription may ask for (R9)."""
    resume_ttl: Seconds = 300
    """Life of a reconnection token (R1)."""
    resume_grace: Annotated[float, Field(ge=0, le=3_600)] = 30
    """Seconds after a resume in which the token it was made with still resumes (R10)."""
    resume_sessions: Count = 200_000
    """Sessions with tokens of which generation, role and acknowledgements are remembered; the oldest goes first."""

    # the end
    drain_announce: Annotated[float, Field(ge=0, le=3_600)] | None = None
    """Seconds after SIGTERM in which newcomers are still let in while balancers notice; production 5, development 0."""
    drain_window: Annotated[float, Field(ge=0, le=3_600)] = 20
    """Seconds over which clients that are asked to go spread (M50)."""
    drain_deadline: Annotated[float, Field(ge=0, le=3_600)] = 30
    """Seconds after which those that have not gone are closed with 4301 (M50)."""

    # HTTP
    http_body: Annotated[ByteSize, Field(ge=1_024)] = ByteSize(1_048_576)
    """Largest request body."""
    http_time: Seconds = 10
    """Time for a request body to arrive."""
    http_concurrency: Count = 256
    """Requests served at once."""
    http_rate: RateSetting = Rate(1_000, 500)
    """HTTP requests of one address."""
    auth_rate: RateSetting = Rate(30, 1)
    """Requests to /api/v1/auth per address, and per user."""
    page: bool = True
    """Serve the page at /."""
    page_title: Annotated[str, Field(min_length=1, max_length=80)] = "NeuroGraph Hub"
    """What the page calls itself."""

    # the plane and the reporters
    io_threads: Annotated[int, Field(ge=1, le=64)] = 1
    """Native I/O threads."""
    flush_ms: Annotated[float, Field(ge=0, le=1_000)] = 2.0
    """Longest time that writes are gathered under load."""
    direct_publishes: bool = True
    """I/O threads take plain publishes by themselves where the right was looked up; false: Python judges each."""
    max_grants: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Channels of one connection to which they do so; publishes to further ones are judged by Python."""
    ring_from: Annotated[int, Field(ge=0, le=1_000_000)] = 256
    """Subscribers from which on the writes of an event are one system call, by an io_uring; 0: never."""
    turn_read: Annotated[ByteSize, Field(ge=4_096)] = ByteSize(262_144)
    """Bytes read per connection and turn."""
    turn_write: Annotated[ByteSize, Field(ge=4_096)] = ByteSize(65_536)
    """Bytes written per connection and turn."""
    inbox_messages: Count = 10_000
    """Messages on their way to Python; beyond, sockets are not read."""
    inbox_bytes: Annotated[ByteSize, Field(ge=65_536)] = ByteSize(16_777_216)
    """Bytes on their way to Python."""
    log_memory: Annotated[ByteSize, Field(ge=1_048_576)] = ByteSize(536_870_912)
    """Memory of all logs."""
    view_memory: Annotated[ByteSize, Field(ge=1_048_576)] = ByteSize(268_435_456)
    """Memory of wire segments."""
    recorder_bytes: Annotated[ByteSize, Field(ge=0, le=65_536)] = ByteSize(4_096)
    """Bytes of the story of a connection (ng-ws explain); 0: none is kept."""
    recorder_ended: Annotated[int, Field(ge=0, le=1_000_000)] = 10_000
    """Ended connections whose stories are kept; the oldest go first."""
    recorder_seconds: Seconds = 900
    """Seconds for which they are kept."""
    max_filters: Count = 1_024
    """Distinct filters of subscriptions, each counted on each of its channels; equal ones are one. Not counted are
    those that need one of up to 8 balls of a `near` of radius 0.5 at most, in `data.vector` or the first 8 other places
    of the channel."""
    max_channel_filters: Count = 256
    """Distinct filters of subscriptions on one channel, counted likewise."""
    filter_memory: Annotated[ByteSize, Field(ge=65_536)] = ByteSize(268_435_456)
    """Memory of the distinct filters of subscriptions, of whatever kind, with their places in the index of balls, and
    what was judged through them. Either takes three quarters of it at most; of what was judged, beyond that the oldest
    is forgotten, and judged again where it is needed."""
    metrics_interval: Annotated[float, Field(ge=0.1, le=3_600)] = 5.0
    """Seconds between the hub's own metrics."""

    # the SignalSystem (signals.md)
    signal_capacity: Annotated[int, Field(ge=1_024, le=2**31)] = 1_048_576
    """Tokens kept: one is gone when as many newer ones were made."""
    signal_window: Annotated[int, Field(ge=1_024, le=2**31)] | None = None
    """Newest tokens that are searched; none: the core\'s own default."""
    signal_radius: Annotated[float, Field(gt=0, le=1e9)] = 0.1
    """Largest distance of a neighbour."""
    signal_novelty_radius: Annotated[float, Field(gt=0, le=1e9)] = 0.1
    """No token within: novel."""
    signal_neighbors: Literal["exact", "bounded", "off"] = "exact"
    """Search of neighbours; bounded: at most 24 buckets, and nothing is called novel that is not."""
    signal_threads: Annotated[int, Field(ge=1, le=64)] | None = None
    """Threads that search for one batch; none: one per processor, at most 4."""
    signal_auto_connect: Annotated[int, Field(ge=0, le=10)] = 0
    """Nearest tokens that each signal is connected with."""
    signal_warm: Annotated[int, Field(ge=0, le=1_048_576)] = 0
    """Vectors of the log of signals that the window is filled with at the start."""
    signal_publish: Literal["all", "novel", "none"] = "all"
    """Which signals become events."""
    signal_token_events: bool = False
    """A token.created for each emit as well."""
    signal_novelty_events: bool = False
    """A signal.anomaly.novelty for novel signals as well, at most ten a second."""
    signal_subscribers: Annotated[int, Field(ge=1, le=65_536)] = 256
    """Subscribers inside the process (SignalSystem.subscribe), each with a queue of its own."""

    # tables of the TOML file
    channels: Table = Field(default_factory=dict)
    """[channels.NAME]: channels beside the six, or changes to them."""
    api_keys: Table = Field(default_factory=dict)
    """[api_keys.NAME]: sha256, role, subject, expires_at, rates."""
    users: Table = Field(default_factory=dict, repr=False)
    """[users.NAME]: password (scrypt), role; development issuer."""
    issuers: Table = Field(default_factory=dict, repr=False)
    """[issuers.NAME]: secret (HS256) or jwks (RS256, EdDSA), audience, algorithm to take no other."""

    @property
    def is_production(self) -> bool:
        """Whether test switches, the development issuer and default users are refused."""
        return self.mode == "production"

    @property
    def announce_seconds(self) -> float:
        """`drain_announce`, or what the mode has: in development nobody balances."""
        default = 5.0 if self.is_production else 0.0
        return default if self.drain_announce is None else self.drain_announce

    @model_validator(mode="after")
    def _refuse_what_does_not_go_together(self) -> Self:
        problems = refusals.problems(self)
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, environment, file, preset; the defaults stand in the fields."""
        return init_settings, env_settings, TomlFile(settings_cls), Preset(settings_cls)


def load_settings(flags: Mapping[str, Any] | None = None) -> Settings:
    """Settings from all sources; raises `ConfigError`, one line for each wrong value."""
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        origins = _origins(given)
        lines = (explain(line, origins, Settings.model_fields) for line in error.errors(include_context=False))
        raise ConfigError("\n".join(lines)) from None


def _origins(flags: Mapping[str, Any]) -> Origins:
    """Where the values of a start that failed came from; a file that could not be read failed before."""
    file = flags.get("config") or os.environ.get(PREFIX + "CONFIG")
    return Origins(flags, file, read_toml(Path(file)) if file else {})
