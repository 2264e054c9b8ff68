"""What settings must not say together: the conditions under which a hub does not start, each with what to do."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hub import redis_urls
from hub.quantities import is_loopback

if TYPE_CHECKING:
    from hub.config import Settings

SECRET_BYTES = 32
DEVELOPMENT_PREFIX = "ng-development-"
"""How secrets made by development begin, so that production knows one that was copied from there."""
_SAMPLE_WORDS = ("changeme", "change-me", "change_me", "example", "your-secret", "your_secret", "insecure", "password")


def problems(settings: "Settings") -> list[str]:
    """One sentence for each reason not to start; empty if there is none."""
    found = [*_always(settings), *(_production(settings) if settings.is_production else _development(settings))]
    return [sentence for sentence in found if sentence]


def _always(settings: "Settings") -> list[str]:
    secret = settings.jwt_secret.get_secret_value().encode() if settings.jwt_secret else None
    return [
        f"NG_JWT_SECRET: expected at least {SECRET_BYTES} bytes, came {len(secret)}"
        if secret is not None and len(secret) < SECRET_BYTES
        else "",
        "NG_JWT_SECRET and NG_JWT_JWKS: expected one of them, came both; a second issuer goes into [issuers.NAME]"
        if secret is not None and settings.jwt_jwks
        else "",
        _jwks_problem(settings.jwt_jwks),
        *_redis_problems(settings),
        _durable_problem(settings),
        *_token_key_problems(settings),
        f"NG_DRAIN_WINDOW: expected at most NG_DRAIN_DEADLINE ({settings.drain_deadline:g}), "
        f"came {settings.drain_window:g}: who is to go later than that is closed before"
        if settings.drain_window > settings.drain_deadline
        else "",
        "NG_TLS_CERT and NG_TLS_KEY: expected both or neither, came one"
        if (settings.tls_cert is None) != (settings.tls_key is None)
        else "",
        f"NG_EMIT_BATCH: expected at most the capacity of NG_RATE_EMIT ({settings.rate_emit.capacity:g}, L15), "
        f"came {settings.emit_batch}"
        if settings.emit_batch > settings.rate_emit.capacity
        else "",
        f"NG_SIGNAL_NOVELTY_RADIUS: expected at most NG_SIGNAL_RADIUS ({settings.signal_radius}), "
        f"came {settings.signal_novelty_radius}"
        if settings.signal_novelty_radius > settings.signal_radius
        else "",
        f"NG_SIGNAL_WINDOW: expected at most NG_SIGNAL_CAPACITY ({settings.signal_capacity}), "
        f"came {settings.signal_window}"
        if settings.signal_window is not None and settings.signal_window > settings.signal_capacity
        else "",
    ]


def _token_key_problems(settings: "Settings") -> list[str]:
    sizes = [len(key.get_secret_value().encode()) for key in settings.token_keys]
    return [
        f"NG_TOKEN_KEYS: expected at least {SECRET_BYTES} bytes in each key, came {size} in key {number}"
        for number, size in enumerate(sizes, start=1)
        if size < SECRET_BYTES
    ]


def _jwks_problem(source: str | None) -> str:
    if source is None or "://" not in source or source.startswith("https://"):
        return ""
    return f"NG_JWT_JWKS: expected the path of a file or an https:// URL, came {source!r}"


def _redis_problems(settings: "Settings") -> list[str]:
    if settings.redis_url is None:
        return []
    fault = redis_urls.problem(settings.redis_url.get_secret_value())
    durable = _durable_channels(settings)
    has_keys = settings.token_keys or settings.jwt_secret
    return [
        f"NG_REDIS_URL: {fault}" if fault else "",
        f"NG_REDIS_URL: with it the logs live in Redis, and its persistence keeps them; take retention.durable out of "
        f"{', '.join(durable)}, or unset NG_REDIS_URL"
        if durable
        else "",
        "NG_TOKEN_KEYS: nodes that are joined by NG_REDIS_URL need the same keys for reconnection tokens (R2); set it "
        "to one secret on all of them (openssl rand -base64 48)"
        if settings.is_production and not has_keys
        else "",
    ]


def _durable_problem(settings: "Settings") -> str:
    if settings.data_dir is not None or settings.redis_url is not None:
        return ""
    durable = _durable_channels(settings)
    if not durable:
        return ""
    return f"NG_DATA_DIR: expected a directory for the durable log of {', '.join(durable)}, came nothing"


def _durable_channels(settings: "Settings") -> list[str]:
    tables = ((name, table) for name, table in settings.channels.items() if isinstance(table, Mapping))
    retentions = ((name, table.get("retention")) for name, table in tables)
    return [name for name, kept in retentions if isinstance(kept, Mapping) and kept.get("durable") is True]


def _production(settings: "Settings") -> list[str]:
    has_keys = settings.jwt_secret or settings.jwt_jwks or settings.issuers
    unnamed = (settings.jwt_secret or settings.jwt_jwks) and not (settings.jwt_issuer and settings.jwt_audience)
    return [
        ""
        if has_keys
        else "production needs keys to check tokens with: set NG_JWT_SECRET to at least 32 random bytes "
        "(openssl rand -base64 48), or NG_JWT_JWKS to the key set of your identity provider",
        # Hardening 3.1: aud and iss may be left unset in development only.
        "production needs NG_JWT_ISSUER and NG_JWT_AUDIENCE: the claims iss and aud that its tokens must carry"
        if unnamed
        else "",
        _sample_secret(settings),
        "NG_TEST_ECHO: a test switch, refused in production; unset it" if settings.test_echo else "",
        "[users]: the development issuer does not exist in production; users come from your identity provider"
        if settings.users
        else "",
    ]


def _sample_secret(settings: "Settings") -> str:
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else None
    if secret is None or len(secret.encode()) < SECRET_BYTES:
        return ""  # the first check has told it
    if secret.startswith(DEVELOPMENT_PREFIX):
        return "NG_JWT_SECRET: expected a secret of its own, came one that development made for itself"
    if len(set(secret)) < 10 or any(word in secret.lower() for word in _SAMPLE_WORDS):
        return "NG_JWT_SECRET: expected random bytes, came a sample; make one with openssl rand -base64 48"
    return ""


def _development(settings: "Settings") -> list[str]:
    if is_loopback(settings.host):
        return []
    return [
        f"NG_HOST: development listens on loopback only (127.0.0.1, ::1, localhost), came {settings.host!r}; "
        "set NG_MODE=production with NG_JWT_SECRET to be reached from elsewhere"
    ]
