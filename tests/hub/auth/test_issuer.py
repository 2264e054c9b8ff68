"""hub/auth/issuer.py, passwords.py, development.py: tokens of development."""

import stat
from pathlib import Path
from typing import Any

import pytest

from channels.errors import ConfigError
from channels.permissions import Role
from hub.auth import Authenticator
from hub.auth.development import (
    RENEW_BELOW,
    TOKEN_TTL,
    DevelopmentState,
    new_secret,
    read_state,
    ready_tokens,
    write_state,
)
from hub.auth.issuer import DevelopmentIssuer, RoleError, read_users
from hub.auth.passwords import PasswordHash, PasswordPool, PoolFullError
from hub.config import Settings
from hub.refusals import DEVELOPMENT_PREFIX
from tests.hub.auth.support import NOW, SECRET


def issuer(users: dict[str, Any] | None = None) -> DevelopmentIssuer:
    return DevelopmentIssuer(SECRET, read_users(users or {}), name=None, audience=None, ttl=3_600)


def checker() -> Authenticator:
    return Authenticator(Settings(dev_file=None), SECRET)


@pytest.mark.accept("C2")
async def test_the_user_and_password_of_the_documents_get_a_token_that_the_hub_takes() -> None:
    grant = await issuer().login("admin", "secret", NOW)
    assert grant is not None
    assert (grant.role, grant.expires_in) == (Role.ADMIN, 3_600)
    assert checker().authenticate(grant.token, NOW).role is Role.ADMIN


@pytest.mark.parametrize(
    ("user", "password"), [("admin", "Secret"), ("nobody", "secret"), ("admin", ""), ("admin", "x" * 2_000)]
)
async def test_a_wrong_password_or_user_gets_nothing(user: str, password: str) -> None:
    assert await issuer().login(user, password, NOW) is None


@pytest.mark.accept("C17")
async def test_users_of_the_settings_file_take_the_place_of_the_samples() -> None:
    own = issuer({"ann": {"role": "viewer", "password": str(PasswordHash.of("correct horse"))}})
    grant = await own.login("ann", "correct horse", NOW)
    assert grant is not None
    assert grant.role is Role.VIEWER
    assert await own.login("admin", "secret", NOW) is None


@pytest.mark.accept("C2")
async def test_the_sample_password_makes_a_token_for_any_name_of_the_role_that_is_asked_for() -> None:
    grant = await issuer().login("u1", "secret", NOW, role=Role.BOT, ttl=600)
    assert grant is not None
    identity = checker().authenticate(grant.token, NOW)
    assert (identity.subject, identity.role, identity.expires_at) == ("u1", Role.BOT, int(NOW) + 600)
    assert await issuer().login("u1", "wrong", NOW, role=Role.BOT) is None


@pytest.mark.accept("C17")
async def test_a_user_of_the_settings_file_gets_the_own_role_and_no_other() -> None:
    own = issuer({"ann": {"role": "viewer", "password": str(PasswordHash.of("correct horse"))}})
    grant = await own.login("ann", "correct horse", NOW, role=Role.VIEWER)
    assert grant is not None
    with pytest.raises(RoleError, match="user ann has the role viewer, not admin"):
        await own.login("ann", "correct horse", NOW, role=Role.ADMIN)
    assert await own.login("ann", "wrong", NOW, role=Role.ADMIN) is None
    assert await own.login("u1", "secret", NOW, role=Role.BOT) is None


@pytest.mark.accept("C3")
def test_a_refreshed_token_has_the_same_bearer_and_a_new_life() -> None:
    first = checker().authenticate(issuer().issue("ann", Role.BOT, NOW).token, NOW)
    second = checker().authenticate(issuer().refresh(first, NOW + 100).token, NOW + 100)
    assert (second.subject, second.role, second.expires_at) == ("ann", Role.BOT, NOW + 3_700)
    assert second.token_id != first.token_id


@pytest.mark.accept("C3")
def test_a_refreshed_token_lives_no_longer_than_the_one_before_was_to() -> None:
    first = checker().authenticate(issuer().issue("ann", Role.BOT, NOW, 60).token, NOW)
    second = issuer().refresh(first, NOW + 30)
    assert (second.expires_in, checker().authenticate(second.token, NOW + 30).expires_at) == (60, NOW + 90)


@pytest.mark.parametrize(
    "table", ["x", {}, {"role": "viewer"}, {"role": "root", "password": "p"}, {"role": "bot", "password": "p"}]
)
def test_a_wrong_user_stops_the_start(table: Any) -> None:
    with pytest.raises(ConfigError, match=r"users\.ann"):
        read_users({"ann": table})


@pytest.mark.parametrize(
    "text", ["", "plain", "scrypt$2$8$1$AA==$AA==", "bcrypt$16384$8$1$AA$AA", "scrypt$x$8$1$AA$AA"]
)
def test_a_password_hash_is_read_strictly(text: str) -> None:
    with pytest.raises(ValueError, match="expected scrypt"):
        PasswordHash.parse(text)


def test_a_password_hash_is_salted() -> None:
    first, second = PasswordHash.of("p"), PasswordHash.of("p")
    assert str(first) != str(second)
    assert PasswordHash.parse(str(first)).matches("p")


async def test_the_pool_takes_no_more_than_it_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.auth.passwords.MAX_WAITING", 0)
    pool = PasswordPool()
    with pytest.raises(PoolFullError):
        await pool.matches(PasswordHash.of("p"), "p")
    pool.close()


def test_development_keeps_its_secret_and_tokens_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / ".ng" / "dev.json"
    state = DevelopmentState(new_secret(), {"admin": "a.b.c"})
    write_state(file, state)
    assert read_state(file) == state
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["dev.json"]


def test_without_a_file_development_makes_a_secret_that_production_would_refuse(tmp_path: Path) -> None:
    first, second = (read_state(tmp_path / "none.json").secret for _ in range(2))
    assert first != second
    assert first.startswith(DEVELOPMENT_PREFIX)
    assert read_state(None).tokens == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"secret":"short","tokens":{}}', '{"secret":1,"tokens":{}}'])
def test_a_file_that_is_something_else_is_not_overwritten(tmp_path: Path, text: str) -> None:
    file = tmp_path / "dev.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match="remove it"):
        read_state(file)


def test_development_state_does_not_show_itself() -> None:
    assert repr(DevelopmentState("s" * 40, {"admin": "a.b.c"})) == "<DevelopmentState admin>"


def test_tokens_are_kept_over_a_restart_until_they_are_half_spent() -> None:
    check = checker().identify
    first = ready_tokens(issuer(), {}, check, NOW)
    assert list(first) == ["admin", "developer", "viewer", "bot"]
    assert [check(token, NOW).role for token in first.values()] == list(Role)[:4]
    assert ready_tokens(issuer(), first, check, NOW + TOKEN_TTL - RENEW_BELOW) == first
    assert ready_tokens(issuer(), first, check, NOW + TOKEN_TTL - RENEW_BELOW + 1)["bot"] != first["bot"]


def test_a_token_of_another_role_or_secret_is_not_kept() -> None:
    tokens = ready_tokens(issuer(), {}, checker().identify, NOW)
    swapped = {**tokens, "viewer": tokens["admin"]}
    assert ready_tokens(issuer(), swapped, checker().identify, NOW)["viewer"] != tokens["admin"]
