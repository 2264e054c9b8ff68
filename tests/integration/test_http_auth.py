"""REST login: tokens, keys, refusals, revocation (acceptance C2-C7; hardening.md id1, id2, id9, id10)."""

import hashlib
import subprocess
import time
from collections.abc import Iterator

import pytest

from channels.buckets import Rate
from hub.auth.api_keys import new_key
from tests.hub.auth.support import unsigned
from tests.support.hub import PRODUCTION, RunningHub
from tests.support.rest import Rest

KEY, OLD, BRIEF = new_key(), new_key(), new_key()


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@pytest.fixture(scope="module")
def hub() -> Iterator[RunningHub]:
    keys = {
        "ci": {"sha256": digest(KEY), "role": "admin"},
        "old": {"sha256": digest(OLD), "role": "bot"},
        "brief": {"sha256": digest(BRIEF), "role": "bot", "expires_at": time.time() + 7 * 86_400},
    }
    with RunningHub(api_keys=keys, login_failures=Rate(10_000, 1_000), auth_rate=Rate(1_000, 1_000)) as running:
        yield running


@pytest.fixture
def nobody(hub: RunningHub) -> Iterator[Rest]:
    with Rest(hub) as rest:
        yield rest


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.accept("C2")
def test_the_documents_curl_gets_a_token(hub: RunningHub, nobody: Rest) -> None:
    command = ["curl", "-s", "-X", "POST", f"{hub.http_url}/api/v1/auth/token"]
    told = subprocess.run(
        [*command, "-d", '{"username":"admin","password":"secret"}'], capture_output=True, check=True, timeout=20
    )
    assert b'"access_token"' in told.stdout
    answer = nobody.post("/api/v1/auth/token", {"username": "admin", "password": "secret"})
    assert (answer.data["token_type"], answer.data["expires_in"], answer.data["role"]) == ("bearer", 3600, "admin")
    assert nobody.get("/api/v1/clients", headers=bearer(answer.data["access_token"])).status == 200


@pytest.mark.accept("C4")
def test_token_is_served_at_its_short_path_too(nobody: Rest) -> None:
    assert nobody.post("/token", {"username": "viewer", "password": "secret"}).data["role"] == "viewer"


@pytest.mark.accept("C2")
def test_a_token_is_of_the_role_and_the_life_that_was_asked_for(nobody: Rest) -> None:
    body = {"username": "u1", "password": "secret", "role": "bot", "ttl": 600}
    answer = nobody.post("/api/v1/auth/token", body)
    assert (answer.data["role"], answer.data["expires_in"]) == ("bot", 600)
    assert nobody.post("/api/v1/auth/token", {**body, "ttl": 86_400}).data["expires_in"] == 86_400


@pytest.mark.parametrize(
    ("wish", "path", "told"),
    [
        ({"ttl": 86_401}, "ttl", "ttl: expected 1 to 86400 seconds (NG_TOKEN_TTL_MAX), came 86401"),
        ({"ttl": 0}, "ttl", "ttl: expected 1 to 86400 seconds (NG_TOKEN_TTL_MAX), came 0"),
        ({"role": "king"}, "role", "role: expected one of admin"),
        ({"role": "anonymous"}, "role", "role: expected one that needs a token"),
        ({"username": "x" * 257}, "username", "username: expected 1 to 256 bytes, came 257"),
    ],
)
def test_a_wish_for_a_token_that_cannot_be_is_refused_with_the_limit(
    nobody: Rest, wish: dict[str, object], path: str, told: str
) -> None:
    answer = nobody.post("/api/v1/auth/token", {"username": "bot", "password": "secret", **wish})
    assert (answer.refusal, answer.error["path"]) == ((400, "bad_message"), path)
    assert told in answer.error["message"]
    assert answer.error.get("limit") == (86_400 if path == "ttl" else None)


@pytest.mark.accept("C3")
def test_a_token_is_refreshed_from_the_header_or_the_body(hub: RunningHub, nobody: Rest) -> None:
    token = hub.token("bot", "b-7")
    answers = [
        nobody.post("/api/v1/auth/refresh", headers=bearer(token)),
        nobody.post("/api/v1/auth/refresh", {"token": token}),
    ]
    assert [answer.data["role"] for answer in answers] == ["bot", "bot"]
    assert all(answer.data["token"] != token for answer in answers)
    assert nobody.post("/api/v1/auth/refresh", headers=bearer(KEY)).refusal == (401, "token_invalid")


@pytest.mark.parametrize(
    "body", [{"username": "admin", "password": "wrong"}, {"username": "nobody", "password": "secret"}]
)
def test_a_wrong_password_and_an_unknown_user_are_told_apart_by_nobody(nobody: Rest, body: dict[str, str]) -> None:
    answer = nobody.post("/api/v1/auth/token", body)
    assert answer.refusal == (401, "token_invalid")
    assert answer.error["message"] == "no user of that name has that password"


@pytest.mark.parametrize(
    ("body", "error", "path"),
    [
        (b"", "bad_json", None),
        (b"username=admin&password=secret", "bad_json", None),
        (b'{"username":"admin"}', "bad_message", "password"),
        (b'{"username":"admin","password":7}', "bad_message", "password"),
        (b'{"username":"admin","username":"x","password":"secret"}', "bad_json", None),
    ],
)
def test_a_login_that_is_none_is_refused_with_what_was_expected(
    nobody: Rest, body: bytes, error: str, path: str | None
) -> None:
    answer = nobody.post("/api/v1/auth/token", body)
    assert answer.refusal == (400, error)
    assert answer.error.get("path") == path


@pytest.mark.accept("C5", "C6")
@pytest.mark.clause("C10")
@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer x",
        "Bearer",
        "Basic YWRtaW46c2VjcmV0",
        "bearer a.b.c",
        f"Bearer {unsigned({'sub': 'a', 'role': 'admin', 'exp': 4e9})}",
    ],
)
def test_id1_a_wrong_credential_never_becomes_anonymous(nobody: Rest, authorization: str) -> None:
    answer = nobody.get("/api/v1/status", headers={"Authorization": authorization})
    assert answer.refusal == (401, "token_invalid")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_id2_an_expired_token_is_told_as_expired(hub: RunningHub, nobody: Rest) -> None:
    answer = nobody.get("/api/v1/status", headers=bearer(hub.token("admin", ttl=-1)))
    assert answer.refusal == (401, "token_expired")


def test_two_authorization_headers_are_refused(hub: RunningHub, nobody: Rest) -> None:
    two = [("Authorization", f"Bearer {hub.token('admin')}")] * 2
    assert nobody.get("/api/v1/status", headers=two).refusal == (400, "bad_message")


@pytest.mark.accept("C7")
def test_an_api_key_is_sent_where_a_token_is(nobody: Rest) -> None:
    assert nobody.get("/api/v1/clients", headers=bearer(KEY)).status == 200
    assert nobody.get("/api/v1/clients", headers=bearer(KEY[:-1] + "?")).refusal == (401, "token_invalid")


@pytest.mark.accept("C12")
def test_admin_routes_are_for_administrators(hub: RunningHub, nobody: Rest) -> None:
    assert nobody.get("/api/v1/clients").refusal == (401, "login_required")
    for role in ("developer", "viewer", "bot"):
        with Rest(hub, role) as rest:
            assert rest.get("/api/v1/clients").refusal == (403, "forbidden")
            assert rest.delete("/api/v1/clients/c-1").refusal == (403, "forbidden")
            assert rest.post("/api/v1/auth/revoke", {"subject": "x"}).refusal == (403, "forbidden")


def test_a_revoked_token_or_subject_is_refused_from_then_on(hub: RunningHub, nobody: Rest) -> None:
    first, second = hub.token("viewer", "eve", jti="t-1"), hub.token("viewer", "eve", jti="t-2")
    with Rest(hub, "admin") as admin:
        assert admin.post("/api/v1/auth/revoke", {"token_id": "t-1"}).data == {"scope": "token", "revoked": "t-1"}
        assert nobody.get("/status", headers=bearer(first)).refusal == (401, "token_revoked")
        assert nobody.get("/status", headers=bearer(second)).status == 200
        admin.post("/api/v1/auth/revoke", {"subject": "eve"})
        assert nobody.get("/status", headers=bearer(second)).refusal == (401, "token_revoked")
        assert admin.post("/api/v1/auth/revoke", {}).refusal == (400, "bad_message")
        done = admin.get("/api/v1/channels/actions").data["events"]
    assert [(event["event"], event["data"]["name"]) for event in done] == [
        ("admin.revoke", "t-1"),
        ("admin.revoke", "eve"),
    ]


def test_a_token_of_a_long_id_is_revoked_by_that_id(hub: RunningHub, nobody: Rest) -> None:
    token = hub.token("viewer", "eve", jti="j" * 1_000)
    with Rest(hub, "admin") as admin:
        assert nobody.get("/status", headers=bearer(token)).status == 200
        assert admin.post("/api/v1/auth/revoke", {"token_id": "j" * 1_000}).data["revoked"] == "j" * 1_000
        assert nobody.get("/status", headers=bearer(token)).refusal == (401, "token_revoked")


WEEKS = 50 * 7 * 86_400.0


def test_a_revocation_holds_for_as_long_as_what_it_concerns(hub: RunningHub, nobody: Rest) -> None:
    """An API key that never expires and tokens of any life do not come back after a time."""
    token, other = hub.token("viewer", "mallory", ttl=WEEKS, jti="t-long"), hub.token("viewer", "trent", ttl=WEEKS)
    with Rest(hub, "admin") as admin:
        for body in ({"token_id": "t-long"}, {"subject": "trent"}, {"token_id": "key:old"}, {"token_id": "key:brief"}):
            assert admin.post("/api/v1/auth/revoke", body).status == 200
        later = hub.call(lambda inside: inside.wall()) + WEEKS / 2
        hub.call(lambda inside: inside.authenticator.revocations.sweep(later))
        for credential in (token, other, OLD):
            assert nobody.get("/status", headers=bearer(credential)).refusal == (401, "token_revoked")
        assert nobody.get("/status", headers=bearer(BRIEF)).status == 200, "forgotten at its own end"


@pytest.mark.parametrize(("body", "path"), [({"token_id": ""}, "token_id"), ({"subject": "x" * 4_097}, "subject")])
def test_a_name_that_no_credential_has_is_not_revoked(hub: RunningHub, body: dict[str, str], path: str) -> None:
    with Rest(hub, "admin") as admin:
        answer = admin.post("/api/v1/auth/revoke", body)
    assert answer.refusal == (400, "bad_message")
    assert answer.error["path"] == path


def test_id9_guessing_is_stopped_before_anything_is_checked() -> None:
    with RunningHub(login_failures=Rate(3, 0.01)) as hub, Rest(hub) as rest:
        statuses = [rest.get("/status", headers=bearer(f"ngk_{number}")).status for number in range(4)]
        assert statuses == [401, 401, 401, 429]
        good = rest.get("/status", headers=hub.headers("admin"))
        assert good.refusal == (429, "rate_limited")
        assert 90 < good.error["retry_after"] <= 100
        assert rest.post("/api/v1/auth/token", {"username": "admin", "password": "secret"}).status == 429
        assert rest.get("/status").status == 200


def test_id9_password_guesses_are_charged_to_the_user_as_well() -> None:
    with RunningHub(auth_rate=Rate(2, 0.01)) as hub, Rest(hub) as rest:
        body = {"username": "admin", "password": "wrong"}
        assert [rest.post("/api/v1/auth/token", body).status for _ in range(3)] == [401, 401, 429]


def test_id9_a_long_user_name_takes_no_more_room_than_a_short_one() -> None:
    # So slow a refill that no sweep of a busy machine forgets the bucket before it is looked at.
    with RunningHub(auth_rate=Rate(2, 0.001)) as hub, Rest(hub) as rest:
        rest.post("/api/v1/auth/token", {"username": "x" * 100_000, "password": "secret"})
        charged = hub.call(lambda inside: [name for name, _ in inside.auth_buckets._buckets])
    assert max(map(len, charged)) < 300


@pytest.mark.accept("C2")
def test_id10_in_production_the_hub_issues_no_tokens() -> None:
    with RunningHub(**PRODUCTION) as hub, Rest(hub) as rest:
        for path in ("/api/v1/auth/token", "/api/v1/auth/refresh", "/token"):
            assert rest.post(path, {"username": "admin", "password": "secret"}).refusal == (404, "not_found")
        assert rest.get("/status", headers=hub.headers("admin")).data["mode"] == "production"
        near = hub.token("admin", iss="https://id.example/")
        assert rest.get("/status", headers=bearer(near)).refusal == (401, "token_invalid")


def test_without_anonymous_access_everything_but_probes_and_login_needs_a_credential() -> None:
    with RunningHub(anonymous=False) as hub, Rest(hub) as rest:
        assert rest.get("/api/v1/status").refusal == (401, "login_required")
        assert rest.get("/api/v1/status", headers=hub.headers("viewer")).status == 200
        assert rest.http.get("/health").status_code == 200
        assert rest.post("/api/v1/auth/token", {"username": "bot", "password": "secret"}).status == 200


def test_id8_no_credential_reaches_the_hubs_own_log(hub: RunningHub, nobody: Rest) -> None:
    token = hub.token("admin", "canary")
    nobody.get(f"/api/v1/status?token={token}", headers=bearer(token))
    nobody.get(f"/nope/{token}", headers=bearer("ngk_canary-key"))
    shown = repr(hub.records)
    assert token not in shown
    assert "canary-key" not in shown
