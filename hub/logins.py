"""Credentials of WebSocket connections: charged to the address before anything is checked (`login_failures`, id9)."""

from typing import TYPE_CHECKING

import structlog

from hub.auth import Authenticator, AuthError, Identity
from hub.session.policy import Moment, TooManyFailures

if TYPE_CHECKING:
    from hub.counters import Counters

log = structlog.get_logger("hub.ws")


class Logins:
    """What a session calls to learn who somebody is; a `hub.session.policy.Login`."""

    def __init__(self, authenticator: Authenticator, counters: "Counters") -> None:
        self._authenticator = authenticator
        self._counters = counters

    def __call__(self, credential: str, address: str, moment: Moment) -> Identity:
        """The bearer of `credential`; raises `AuthError` or `TooManyFailures`."""
        wait = self._authenticator.failures.wait(address, moment.now)
        if wait:
            self._counters.error("auth", "rate")
            raise TooManyFailures(wait)
        try:
            identity = self._authenticator.authenticate(credential, moment.wall)
        except AuthError as error:
            self._authenticator.record_failure(address, moment.now)
            self._counters.error("auth", error.slug)
            log.info("auth.refused", reason=error.slug, via="websocket", audit=True)
            raise
        log.info("auth.accepted", user=identity.subject, role=identity.role.value, via="websocket", audit=True)
        return identity
