"""Configured names: exact (`metrics`), namespaces (`room:*`, C23), templates (`user:{sub}`, `user:{sub}:*`, C24).

`{sub}` stands for one whole segment between `:` or `/`. Of two subjects neither can then be part of the other's name
(`ann` and `ann:x` under `user:{sub}:*`), so a name belongs to one subject at most. A subject that is no such segment
(an e-mail address) has no channel there.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple, Self

from channels.names import MAX_CHANNEL, is_channel_name

SUBJECT = "{sub}"
_SEPARATORS = ":/"
_segment = re.compile(r"[A-Za-z0-9_.-]+").match


class Match(NamedTuple):
    """How a pattern fits a name. Of several the greatest wins: most of the name, then exact, then without `{sub}`."""

    covered: int
    is_exact: bool
    is_literal: bool
    subject: str
    """What `{sub}` stood for; empty without one."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One configured name: `head`, then a segment if `has_subject`, then `tail`, then anything if `is_open`."""

    text: str
    head: str
    tail: str
    has_subject: bool
    is_open: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a configured name; raises `ValueError`."""
        body, star, after = text.partition("*")
        if after:
            raise ValueError(f"expected * at the end only, came {text!r}")
        head, subject, tail = body.partition(SUBJECT)
        if not is_channel_name((head + "s" + tail) if subject else body):
            raise ValueError(
                f"expected 1 to {MAX_CHANNEL} of A-Z a-z 0-9 _ . : / -, one {SUBJECT}, last *, came {text!r}"
            )
        if subject and not _is_segment(head, tail, bool(star)):
            raise ValueError(f"expected {SUBJECT} as a whole segment between : or /, came {text!r}")
        return cls(text, head, tail, bool(subject), bool(star))

    @property
    def is_fixed(self) -> bool:
        """Whether it names one channel, which exists from the start."""
        return not (self.is_open or self.has_subject)

    def match(self, name: str) -> Match | None:
        """How `name`, a channel name by M16, fits."""
        if not name.startswith(self.head):
            return None
        at, subject = len(self.head), ""
        if self.has_subject:
            found = _segment(name, at)
            if found is None:
                return None
            at, subject = found.end(), found.group()
        if not (name.startswith(self.tail, at) if self.is_open else name[at:] == self.tail):
            return None
        return Match(at + len(self.tail), not self.is_open, not self.has_subject, subject)

    def filled(self, subject: str | None) -> str | None:
        """The name with `{sub}` filled in; None if `subject` cannot stand there."""
        if not self.has_subject:
            return self.text
        if subject is None or (found := _segment(subject)) is None or found.end() != len(subject):
            return None
        body = self.head + subject + self.tail
        return body + "*" * self.is_open if is_channel_name(body) else None


def _is_segment(head: str, tail: str, is_open: bool) -> bool:
    """Whether what stands between `head` and `tail` is a whole segment of the name."""
    begins = not head or head[-1] in _SEPARATORS
    ends = tail[0] in _SEPARATORS if tail else not is_open
    return begins and ends
