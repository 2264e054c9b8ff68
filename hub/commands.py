"""What the commands of `neurograph-hub` do. Each takes the settings and its own arguments and gives an exit code."""

import gc
import getpass
import resource
import sys
from typing import Any

import orjson

from channels import _native
from channels.errors import ConfigError
from channels.permissions import Role
from hub import __version__, logs, redis_urls
from hub.app import create_app
from hub.auth.api_keys import digest_of
from hub.auth.api_keys import new_key as fresh_key
from hub.auth.passwords import PasswordHash
from hub.banner import banner
from hub.config import Settings
from hub.http.state import effective
from hub.hub import Hub
from hub.listener import listen, port_of
from hub.server import HubServer, run


def serve(settings: Settings, _own: dict[str, Any]) -> int:
    """Serve until told to end."""
    return _serve(settings, [])


def demo(settings: Settings, own: dict[str, Any]) -> int:
    """Serve with the demo's bots; metrics come every second unless an interval was set."""
    if settings.is_production:
        raise ConfigError("demo: expected NG_MODE=development, came production")
    if "metrics_interval" not in settings.model_fields_set:
        settings = settings.model_copy(update={"metrics_interval": 1.0})
    from hub.demo import Demo  # noqa: PLC0415 - only the demo needs its phrases

    return _serve(settings, [Demo(own["rate"])])


def _serve(settings: Settings, companions: list[Any]) -> int:
    logs.configure(
        level=settings.log_level,
        rate=settings.log_rate,
        node=settings.node,
        shows_users=settings.log_users,
        is_final=True,
    )
    allow_open_files()
    listener = listen(settings.host, settings.port, may_step=_may_step(settings))
    app = create_app(settings, companions=companions)
    hub: Hub = app.state.hub
    told = ", ".join(companion.description for companion in companions)

    def greet() -> None:
        # What lives as long as the process is not looked through again at each collection.
        gc.collect()
        gc.freeze()
        print(banner(settings, port_of(listener), hub.tokens, demo=told), flush=True)

    server = HubServer(app, settings, greet)
    run(server, listener)
    return 0 if server.started and hub.health.was_live else 1


def _may_step(settings: Settings) -> bool:
    """Only the default port moves: who names a port has clients that look for the hub there."""
    return not settings.is_production and "port" not in settings.model_fields_set


def allow_open_files() -> None:
    """As many descriptors as the system lets this process have (L1)."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def check(settings: Settings, _own: dict[str, Any]) -> int:
    """What a start would check, without starting."""
    hub = Hub(settings)
    print(f"settings   ok, mode {settings.mode}")
    print(f"native     ok, {_native.__version__}")
    if settings.data_dir is not None:
        print(f"data       ok, {settings.data_dir}: durable {', '.join(hub.catalog.durable) or 'nothing'}")
    if settings.redis_url is not None:
        shown = redis_urls.shown(settings.redis_url.get_secret_value())
        print(f"redis      ok, {shown}, prefix {settings.redis_prefix} (not contacted)")
    listener = listen(settings.host, settings.port, may_step=False)
    print(f"port       ok, {settings.host}:{port_of(listener)} is free")
    listener.close()
    return 0


def show_config(settings: Settings, _own: dict[str, Any]) -> int:
    """Every setting as it holds, as JSON; secrets as ***."""
    document = {"version": __version__, "settings": effective(settings)}
    print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    return 0


def new_key(_settings: Settings, own: dict[str, Any]) -> int:
    """An API key, shown this once; what is kept of it goes into the settings file."""
    role = _role(own["role"])
    key = fresh_key()
    print(f"# the key, shown once: {key}", file=sys.stderr)
    print(f'[api_keys.{own["name"]}]\nsha256 = "{digest_of(key).hex()}"\nrole = "{role}"')
    return 0


def new_user(_settings: Settings, own: dict[str, Any]) -> int:
    """A user of the development issuer; the password comes from the terminal or a pipe, never from the arguments."""
    role = _role(own["role"])
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if not password:
        raise ConfigError("users new: expected a password on standard input, came nothing")
    print(f'[users.{own["name"]}]\npassword = "{PasswordHash.of(password)}"\nrole = "{role}"')
    return 0


def _role(text: str) -> Role:
    try:
        return Role.parse(text)
    except ValueError as error:
        raise ConfigError(f"--role: {error}") from None
