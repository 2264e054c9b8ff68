"""Hubs by name: `$XDG_CONFIG_HOME/neurograph/contexts.toml`, readable by its owner alone."""

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .exits import Exit, Failed

_MEMBERS = ("url", "token", "format")


@dataclass(frozen=True, slots=True)
class Context:
    """What a name stands for; what is None is not said."""

    url: str | None = None
    token: str | None = field(default=None, repr=False)
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Contexts:
    """All of them, and which one counts where none is named."""

    current: str | None = None
    named: Mapping[str, Context] = field(default_factory=dict)

    def get(self, name: str) -> Context:
        """The context of that name."""
        if name not in self.named:
            known = ", ".join(self.named) or "none"
            text = f"--context: expected one that is known ({known}), got {name!r}"
            raise Failed(Exit.USAGE, text, "next: ng-ws context add NAME --url ws://HOST:8000/ws")
        return self.named[name]

    def added(self, name: str, context: Context) -> "Contexts":
        """With one more, or another of that name; the first one counts at once."""
        return Contexts(self.current or name, {**self.named, name: context})

    def removed(self, name: str) -> "Contexts":
        """Without it."""
        self.get(name)
        left = {other: about for other, about in self.named.items() if other != name}
        return Contexts(None if self.current == name else self.current, left)

    def using(self, name: str) -> "Contexts":
        """With another that counts."""
        self.get(name)
        return replace(self, current=name)


def path_of(environ: Mapping[str, str] | None = None) -> Path:
    """Where they are kept."""
    environ = os.environ if environ is None else environ
    config = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".config"
    return Path(config) / "neurograph" / "contexts.toml"


def load(path: Path) -> Contexts:
    """Read them; none where there is no file."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return Contexts()
    except OSError as fault:
        raise Failed(Exit.USAGE, f"{path}: expected a readable file: {fault.strerror}") from fault
    import tomllib  # noqa: PLC0415 - most have no such file

    try:
        found = tomllib.loads(text)
        named = {str(name): _context(about) for name, about in found.get("contexts", {}).items()}
        current = found.get("current")
        return Contexts(current if current in named else None, named)
    except (ValueError, AttributeError, TypeError) as fault:
        text = f"{path}: expected TOML with [contexts.NAME] tables of url, token, format: {fault}"
        raise Failed(Exit.USAGE, text, f"next: mend it, or remove it: rm {path}") from fault


def _context(about: Mapping[str, Any]) -> Context:
    members = {name: about[name] for name in _MEMBERS if name in about}
    for name, value in members.items():
        if not isinstance(value, str):
            raise TypeError(f"{name}: expected a string, got {value!r}")
    return Context(**members)


def save(path: Path, contexts: Contexts) -> None:
    """Write them, whole or not at all, with mode 0600."""
    lines = [f"current = {json.dumps(contexts.current)}"] if contexts.current else []
    for name, context in contexts.named.items():
        lines += ["", f"[contexts.{json.dumps(name)}]"]
        lines += [f"{member} = {json.dumps(value)}" for member in _MEMBERS if (value := getattr(context, member))]
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as file:
            file.write("\n".join(lines).lstrip("\n") + "\n")
        fresh.replace(path)
    except OSError as fault:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise Failed(Exit.USAGE, f"{path}: expected a place to write: {fault.strerror}") from fault
