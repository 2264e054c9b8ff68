"""Parts of a hub that need more than one setting to be made."""

import secrets
from collections.abc import Callable, Sequence

import structlog

from channels._native import Plane, PlaneError
from channels.config import Catalog
from channels.errors import ConfigError
from hub.auth.authenticator import development_names
from hub.auth.development import DevelopmentState
from hub.auth.issuer import DevelopmentIssuer, read_users
from hub.auth.sealing import fingerprint
from hub.cluster.agreement import Fingerprints
from hub.config import Settings
from hub.options import plane_options
from hub.recorder import Recorder

MAX_FAULTS = 20
"""Channels whose files are told of in words, if many cannot be used."""

log = structlog.get_logger("hub")


def sealing_secrets(settings: Settings, development: DevelopmentState | None) -> list[bytes]:
    """Of reconnection tokens: nodes and restarts with the same ones agree (R2). The first that is given counts."""
    if settings.token_keys:
        return [key.get_secret_value().encode() for key in settings.token_keys]
    if settings.jwt_secret is not None:
        return [settings.jwt_secret.get_secret_value().encode()]
    if development is not None:
        return [development.secret.encode()]
    log.warning("resume.keys", message="NG_TOKEN_KEYS is not set: reconnection tokens end with this process")
    return [secrets.token_bytes(32)]


def fingerprints(settings: Settings, development: DevelopmentState | None, sealing: Sequence[bytes]) -> Fingerprints:
    """What the other nodes may know of the keys of this one. Keys of a JWKS are not ours."""
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else development and development.secret
    return Fingerprints(tuple(map(fingerprint, sealing)), fingerprint(secret.encode()) if secret else None)


def plane(settings: Settings, catalog: Catalog) -> Plane:
    """The native plane; raises `ConfigError` where its directory cannot be had, or files in it are not ours to read."""
    try:
        plane = Plane(**plane_options(settings))
    except PlaneError as error:
        raise ConfigError(f"NG_DATA_DIR: expected a directory for this hub alone: {error}") from error
    _check_kept(plane, catalog)
    return plane


def _check_kept(plane: Plane, catalog: Catalog) -> None:
    """Of durable channels; nothing is changed."""
    faults = []
    for channel in plane.durable_channels():
        if catalog.is_durable(channel):
            try:
                plane.check_durable_log(channel)
            except PlaneError as error:
                faults.append(f"NG_DATA_DIR: {error}")
    if len(faults) > MAX_FAULTS:
        faults[MAX_FAULTS:] = [f"NG_DATA_DIR: {len(faults) - MAX_FAULTS} more channels cannot be used"]
    if faults:
        raise ConfigError("\n".join(faults))


def recorder(plane: Plane, settings: Settings, wall: Callable[[], float]) -> Recorder:
    """What happened to connections."""
    return Recorder(plane, most=settings.recorder_ended, seconds=settings.recorder_seconds, wall=wall)


def issuer(settings: Settings, development: DevelopmentState) -> DevelopmentIssuer:
    """Who gives out tokens in development."""
    secret = settings.jwt_secret.get_secret_value() if settings.jwt_secret else development.secret
    name, audience = development_names(settings)
    return DevelopmentIssuer(
        secret.encode(), read_users(settings.users), name=name, audience=audience, ttl=settings.token_ttl
    )
