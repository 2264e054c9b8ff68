"""What is examined, and how far."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ssl import CERT_NONE, SSLContext
from typing import Literal

from .._version import __version__


@dataclass(frozen=True, slots=True)
class Target:
    """A hub as somebody means to reach it; `timeout` in seconds for each step.

    With an `origin` it is also seen whether a page of it may connect, with `idle` seconds who cuts what is silent for
    so long. `program` and `version` are compared with the hub's.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    timeout: float = 5.0
    ssl: SSLContext | None = None
    proxy: str | Literal[True] | None = True
    compression: bool = True
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    origin: str | None = None
    idle: float = 0.0
    program: str = "neurograph-ws-client"
    version: str = __version__

    @property
    def is_trusting(self) -> bool:
        """Whether no certificate is looked at."""
        return self.ssl is not None and self.ssl.verify_mode is CERT_NONE
