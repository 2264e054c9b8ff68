"""`ng-ws context`: hubs by name."""

import re
from collections.abc import Mapping
from typing import Any

from neurograph_ws_client.urls import checked, masked

from .contexts import Context, load, path_of, save
from .exits import Exit, Failed, misused
from .notes import Notes
from .settings import Settings
from .tables import tell

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def add(settings: Settings, name: str, given: Mapping[str, Any]) -> None:
    """Keep what was `given` as global options."""
    if not _NAME.fullmatch(name):
        raise misused("NAME", "1 to 64 letters, digits, and _.-", name)
    has_token = given.get("token") is not None or given.get("token_file") is not None
    context = Context(
        url=checked(settings.url) if given.get("url") is not None else None,
        token=settings.token if has_token else None,
        format=settings.format.value if given.get("format") is not None else None,
    )
    if context == Context():
        hint = f"next: ng-ws context add {name} --url ws://localhost:8000/ws"
        raise Failed(Exit.USAGE, "context add: expected --url, a token or --format, got none of them", hint)
    path = path_of()
    contexts = load(path).added(name, context)
    save(path, contexts)
    Notes(settings).say(f"{name} is kept in {path}{' and counts from now on' if contexts.current == name else ''}")


def use(settings: Settings, name: str) -> None:
    """The one that counts."""
    path = path_of()
    save(path, load(path).using(name))
    Notes(settings).say(f"{name} counts from now on")


def ls(settings: Settings) -> None:
    """All; of a token only whether there is one."""
    contexts = load(path_of())
    rows = [
        {
            "current": "*" if name == contexts.current else "",
            "name": name,
            "url": masked(about.url) if about.url else None,
            "token": "kept" if about.token else None,
            "format": about.format,
        }
        for name, about in contexts.named.items()
    ]
    tell(settings, rows, ("current", "name", "url", "token", "format"))


def rm(settings: Settings, name: str) -> None:
    """Forget one."""
    path = path_of()
    save(path, load(path).removed(name))
    Notes(settings).say(f"{name} is forgotten")
