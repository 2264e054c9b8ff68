"""hub/auth/api_keys.py: keys by hash (hardening.md 3.4)."""

import datetime
import hashlib
from typing import Any

import pytest

from channels.buckets import Rate
from channels.errors import ConfigError
from channels.permissions import Role
from hub.auth.api_keys import ApiKeys, new_key, read_api_keys
from hub.auth.identity import AuthError, Identity

NOW = 1_800_000_000.0
KEY = "ngk_" + "k" * 43


def table(**changes: Any) -> dict[str, Any]:
    base = {"sha256": hashlib.sha256(KEY.encode()).hexdigest(), "role": "bot"}
    return {name: value for name, value in {**base, **changes}.items() if value is not ...}


def keys(**changes: Any) -> ApiKeys:
    return read_api_keys({"ci": table(**changes)})


@pytest.mark.accept("C7")
def test_a_key_carries_role_subject_life_and_limits() -> None:
    found = keys(subject="robot", expires_at=NOW + 5, rates={"emit": "5/5"})
    identity = Identity("robot", Role.BOT, NOW + 5, "key:ci", "api_key", 0.0, {"emit": Rate(5, 5)})
    assert found.authenticate(KEY, NOW) == identity
    assert (found.expiry_of("key:ci"), found.expiry_of("key:cd")) == (NOW + 5, None)


def test_without_a_subject_the_key_is_called_by_its_name() -> None:
    assert keys().authenticate(KEY, NOW).subject == "ci"


def test_a_new_key_is_random_and_long_and_of_the_alphabet() -> None:
    first, second = new_key(), new_key()
    assert first != second
    assert first.startswith("ngk_")
    assert len(first) == 47
    assert first.replace("-", "a").replace("_", "a").isalnum()


@pytest.mark.parametrize("key", ["ngk_unknown", KEY + "x", KEY[:-1], ""])
def test_id9_an_unknown_key_is_refused(key: str) -> None:
    with pytest.raises(AuthError) as caught:
        keys().authenticate(key, NOW)
    assert caught.value.slug == "token_invalid"


@pytest.mark.parametrize("end", [NOW, datetime.datetime.fromtimestamp(NOW, datetime.UTC)])
def test_a_key_expires(end: Any) -> None:
    with pytest.raises(AuthError) as caught:
        keys(expires_at=end).authenticate(KEY, NOW)
    assert caught.value.slug == "token_expired"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "abc"}, "sha256: expected 64 hexadecimal digits"),
        ({"sha256": ...}, "sha256: expected 64 hexadecimal digits"),
        ({"role": "root"}, "role: expected one of admin, developer, viewer, bot, anonymous, came 'root'"),
        ({"role": ...}, "role: expected one of"),
        ({"subject": ""}, "subject: expected 1 to 256 bytes"),
        ({"expires_at": "soon"}, "expires_at: expected a date"),
        ({"expires_at": True}, "expires_at: expected a date"),
        ({"rates": {"fly": "1/1"}}, "rates: expected a table with"),
        ({"rates": {"emit": "x"}}, "rates: expected capacity/refill"),
        ({"key": KEY}, "expected a table with expires_at, rates, role, sha256, subject, came"),
    ],
)
def test_a_wrong_table_is_refused_with_its_place(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        keys(**changes)
    assert str(caught.value).startswith("api_keys.ci")
    assert message in str(caught.value)


def test_one_key_may_not_stand_twice() -> None:
    with pytest.raises(ConfigError, match="a hash of its own"):
        read_api_keys({"a": table(), "b": table()})
