"""The catalog: which channels exist, and what each role may do there (C18-C25). Immutable after the start."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

from channels.channel import DEFAULT_CHANNELS, PRESENCE, ChannelConfig, Retention
from channels.errors import ConfigError
from channels.names import is_channel_name
from channels.patterns import Match, Pattern
from channels.permissions import NO_RIGHTS, Right, Rights, Role
from channels.tables import read_channels, read_name

__all__ = ["DEFAULT_CHANNELS", "Catalog", "ChannelConfig", "ConfigError", "Resolved", "Retention", "granted"]


MAX_REMEMBERED = 4_096
"""Names of namespaces whose meaning is remembered."""


class Resolved(NamedTuple):
    """What a channel name stands for."""

    config: ChannelConfig
    owner: str
    """The subject whose channel it is (C24); empty where it belongs to nobody."""
    base: str | None
    """The channel whose presence it tells (C25); None for any other channel."""


class Catalog:
    """Every channel that exists, by exact name or by namespace. A lookup costs the same however many are open."""

    def __init__(self, channels: Iterable[ChannelConfig] = DEFAULT_CHANNELS) -> None:
        self._fixed: dict[str, Resolved] = {}
        self._patterns: dict[str, tuple[Pattern, ChannelConfig]] = {}
        self._companions: dict[str, ChannelConfig] = {}
        for config in channels:
            self._add(config)
        # Patterns by the literal text they begin with: a lookup is one dict read for each length of it.
        self._by_head: dict[str, list[tuple[Pattern, ChannelConfig]]] = {}
        for pattern, config in self._patterns.values():
            self._by_head.setdefault(pattern.head, []).append((pattern, config))
        self._lengths = sorted({len(head) for head in self._by_head})
        self._remembered: dict[str, Resolved] = {}

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> Self:
        """The six channels, changed and joined by the tables of `[channels]`; raises `ConfigError`."""
        return cls(read_channels(tables))

    @property
    def fixed(self) -> list[ChannelConfig]:
        """The channels that exist from the start, in the order of the configuration."""
        return [resolved.config for resolved in self._fixed.values() if resolved.base is None]

    @property
    def durable(self) -> list[str]:
        """The configured names whose logs are kept on disk."""
        fixed = self.fixed
        patterns = (config for _, config in self._patterns.values())
        return [config.name for config in (*fixed, *patterns) if config.retention.durable]

    @property
    def has_subjects(self) -> bool:
        """Whether what is seen depends on the subject: some name holds `{sub}` (C24)."""
        return any(pattern.has_subject for pattern, _ in self._patterns.values())

    def is_durable(self, name: str) -> bool:
        """Whether the log of channel `name` is kept on disk."""
        found = self.resolve(name)
        return found is not None and found.config.retention.durable

    def find(self, name: str) -> ChannelConfig | None:
        """The configuration of channel `name`; None if there is no such channel. The same for every subject (E5)."""
        found = self.resolve(name)
        return None if found is None else found.config

    def exists(self, name: str) -> bool:
        """Whether `name` is a channel: 404 if not, and 403 if it is and the right is missing (E5)."""
        return self.resolve(name) is not None

    def resolve(self, name: str) -> Resolved | None:
        """What `name` stands for: an exact name, else a presence companion, else the longest matching pattern."""
        return self._fixed.get(name) or self._remembered.get(name) or self._resolve_open(name)

    def rights(self, name: str, role: Role, subject: str | None) -> Rights:
        """What `role` may do on channel `name`; nothing where there is no such channel."""
        found = self.resolve(name)
        return NO_RIGHTS if found is None else granted(found.config, found.owner, role, subject)

    def visible(self, role: Role, subject: str | None) -> dict[str, ChannelConfig]:
        """The configured names on which the role has a right (M41): namespaces as `room:*`, `{sub}` filled in."""
        seen = self._seen_by(subject)
        return {name: seen[name][0] for name in self.visible_rights(role, subject)}

    def visible_rights(self, role: Role, subject: str | None) -> dict[str, Rights]:
        """The rights on each name of `visible`."""
        seen = self._seen_by(subject).items()
        held = {name: granted(config, owner, role, subject) for name, (config, owner) in seen}
        return {name: rights for name, rights in held.items() if rights}

    def subscribable(self, role: Role, subject: str | None) -> list[str]:
        """What `["*"]` means in a `subscribe` (M22): every channel the role may follow, save those of namespaces."""
        shown = self.visible_rights(role, subject).items()
        return [name for name, rights in shown if Right.SUBSCRIBE in rights and not name.endswith("*")]

    def _add(self, config: ChannelConfig) -> None:
        try:
            pattern = read_name(config.name)
        except ValueError as error:
            raise ConfigError(f'[channels."{config.name}"]: {error}') from None
        if config.name in self._fixed or config.name in self._patterns:
            raise ConfigError(f'[channels."{config.name}"]: expected one table for each name, came two')
        if config.presence:
            self._companions[config.name] = config.companion()
        if not pattern.is_fixed:
            self._patterns[config.name] = pattern, config
            return
        self._fixed[config.name] = Resolved(config, "", None)
        if config.presence:
            self._fixed[config.name + PRESENCE] = Resolved(self._companions[config.name], "", config.name)

    def _resolve_open(self, name: str) -> Resolved | None:
        """Publishers repeat themselves: what is found is remembered, and all of it forgotten when it is too much."""
        if not self._lengths or not is_channel_name(name):
            return None
        found = self._resolve_companion(name.removesuffix(PRESENCE)) if name.endswith(PRESENCE) else self._match(name)
        if found is not None:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[name] = found
        return found

    def _match(self, name: str) -> Resolved | None:
        found = self._longest(name)
        return None if found is None else Resolved(found[1], found[0].subject, None)

    def _resolve_companion(self, base: str) -> Resolved | None:
        """The companion of `base`. A name that ends so is nothing else, and a companion has no companion."""
        found = None if base.endswith(PRESENCE) else self._longest(base)
        if found is None or not found[1].presence:
            return None
        return Resolved(self._companions[found[1].name], found[0].subject, base)

    def _longest(self, name: str) -> tuple[Match, ChannelConfig] | None:
        best: tuple[Match, ChannelConfig] | None = None
        for length in self._lengths:
            for pattern, config in self._by_head.get(name[:length], ()):
                match = pattern.match(name)
                if match is not None and (best is None or match > best[0]):
                    best = match, config
        return best

    def _seen_by(self, subject: str | None) -> dict[str, tuple[ChannelConfig, str]]:
        """Names as `subject` sees them, with the configuration and the owner that hold for each."""
        seen = {name: (resolved.config, "") for name, resolved in self._fixed.items()}
        for pattern, config in sorted(self._patterns.values(), key=lambda item: item[0].has_subject):
            name = pattern.filled(subject)
            if name is None:
                continue
            owner = subject if subject is not None and pattern.has_subject else ""
            seen.setdefault(name, (config, owner))
            if config.presence and not pattern.is_open and is_channel_name(name + PRESENCE):
                seen.setdefault(name + PRESENCE, (self._companions[config.name], owner))
        return seen


def granted(config: ChannelConfig, owner: str, role: Role, subject: str | None) -> Rights:
    """What `role` may do on a channel of `config` that belongs to `owner` (empty: to nobody).

    C24: what a template grants is granted to the owner alone, and to anonymous never.

    One right is not bound to the owner: an admin who may broadcast there may do so to every subject, because a channel
    that its subject alone may read and an admin alone may write could never carry an event otherwise.
    """
    rights = config.rights.get(role, NO_RIGHTS)
    if not owner or not rights:
        return rights
    if role is Role.ANONYMOUS:
        return NO_RIGHTS
    if owner == subject:
        return rights
    return rights & _OVER_ALL_OWNERS if role is Role.ADMIN else NO_RIGHTS


_OVER_ALL_OWNERS: Rights = frozenset({Right.BROADCAST})
