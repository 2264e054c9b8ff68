"""hub/redaction.py: credentials, queries and unseen characters do not get out."""

import json
import time

import pytest

from hub.redaction import HIDDEN, MAX_TEXT, escape_unseen, hashed, redact, redact_path, redact_text

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjF9.c2lnbmF0dXJl"


@pytest.mark.accept("A11")
@pytest.mark.parametrize("text", [TOKEN, f"Bearer {TOKEN}", f"ws://h/ws?token={TOKEN}&x=1", "key ngk_abcDEF-123_x"])
def test_id8_a_credential_is_hidden_wherever_it_stands_in_a_text(text: str) -> None:
    shown = redact_text(text)
    assert HIDDEN in shown
    assert TOKEN not in shown
    assert "abcDEF" not in shown


@pytest.mark.parametrize(
    "name", ["token", "reconnection_token", "password", "jwt_secret", "Authorization", "payload", "data"]
)
def test_a_field_that_is_named_like_a_secret_is_hidden(name: str) -> None:
    assert redact({name: "x", "kept": {"inner": 1, name: ["y"]}}) == {name: HIDDEN, "kept": {"inner": 1, name: HIDDEN}}


def test_the_name_of_a_module_is_no_token() -> None:
    assert redact_text("channels.backplane.redis.inspection") == "channels.backplane.redis.inspection"


def test_a_query_is_hidden_whole() -> None:
    assert redact_path("/ws?token=abc&room=1") == "/ws?***"


def test_ordinary_fields_stay_as_they_are() -> None:
    record = {"count": 3, "ok": True, "none": None, "list": ["a", 1.5], "channel": "room:1", "tokens": 7}
    assert redact(record) == record


def test_id12_long_text_is_cut() -> None:
    assert len(redact_text("x" * 1_000)) == MAX_TEXT


@pytest.mark.parametrize("text", ["x" * 200_000, "x" * 100_000 + "." + "y" * 100_000, "ab." * 70_000])
def test_id12_a_text_of_any_length_is_searched_in_time_that_grows_with_it_only(text: str) -> None:
    """A stranger chooses it (the user name of a login), and the loop stands still meanwhile."""
    started = time.process_time()
    assert len(redact_text(text)) == MAX_TEXT
    assert time.process_time() - started < 2


def test_id8_a_token_is_hidden_after_a_dot_and_after_another_token() -> None:
    assert redact_text(f"a.b.{TOKEN} {TOKEN};x.{TOKEN}") == f"a.b.{HIDDEN} {HIDDEN};x.{HIDDEN}"


def test_what_json_does_not_know_is_shown_as_text() -> None:
    assert redact({"error": ValueError("bad")}) == {"error": "bad"}


def test_id12_control_and_direction_characters_are_escaped_and_mean_the_same() -> None:
    text = json.dumps("a\u202eb\x9bc\u2028\ufeff\x7fд", ensure_ascii=False)
    escaped = escape_unseen(text)
    assert escaped == '"a\\u202eb\\u009bc\\u2028\\ufeff\\u007fд"'
    assert json.loads(escaped) == json.loads(text)


def test_a_user_is_shown_by_a_stable_hash() -> None:
    assert hashed("ann") == hashed("ann") != hashed("bob")
    assert "ann" not in hashed("ann")
