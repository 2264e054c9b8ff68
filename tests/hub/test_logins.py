"""Credentials of connections are charged to the address before anything is checked."""

import pytest

from hub.auth import Authenticator, AuthError
from hub.config import Settings
from hub.counters import Counters
from hub.logins import Logins
from hub.session import Moment
from hub.session.policy import TooManyFailures

SECRET = "b3f0cA91d7e24c58XqLmZt6RwYvKs0Pj"


def logins(**settings: object) -> tuple[Logins, Counters]:
    counters = Counters()
    return Logins(Authenticator(Settings(jwt_secret=SECRET, dev_file=None, **settings)), counters), counters  # type: ignore[arg-type]


@pytest.mark.clause("C10")
def test_an_address_that_failed_too_often_is_not_looked_at() -> None:
    login, counters = logins(login_failures="2/0.5")
    for _ in range(2):
        with pytest.raises(AuthError):
            login("nonsense", "192.0.2.1", Moment(0.0, 0.0))
    with pytest.raises(TooManyFailures) as caught:
        login("nonsense", "192.0.2.1", Moment(0.5, 0.0))
    with pytest.raises(AuthError):
        login("nonsense", "192.0.2.2", Moment(0.5, 0.0))
    assert caught.value.wait == 1.5
    assert counters.values["errors"] == {("auth", "token_invalid"): 3, ("auth", "rate"): 1}


@pytest.mark.clause("C10")
def test_failures_drain_with_time() -> None:
    login, _ = logins(login_failures="1/0.5")
    for now in (0.0, 2.0):
        with pytest.raises(AuthError):
            login("nonsense", "192.0.2.1", Moment(now, 0.0))
