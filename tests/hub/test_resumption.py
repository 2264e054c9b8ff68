"""Tokens of sessions, and what is remembered beside them."""

import pytest

from channels.buckets import Rate
from channels.permissions import Role
from channels.publication import Position
from hub.auth import Identity
from hub.auth.sealing import Sealer
from hub.protocol.errors import Refusal
from hub.resumption import MAX_TOKEN, Held, Resumption

WALL = 1_767_225_600.0
OLD, NEW = b"o" * 32, b"n" * 32
ANN = Identity("ann", Role.ADMIN, WALL + 600, "t-1", "jwt", WALL - 1, signer="sha256:4f")
KEY = Identity("b7", Role.BOT, None, "key:b7", "api_key", 0.0, {"emit": Rate(5_000, 2_000.5)})


def opened(resumption: Resumption, token: str, wall: float = WALL) -> Identity:
    return resumption.open(token, wall, 0.0).identity


def issue(resumption: Resumption, session: str = "s-1", identity: Identity = KEY) -> str:
    return resumption.issue(session, 3, identity, {"actions": Held(Position("k3Fq", 1), {"delivery": "all"})}, WALL)[0]


@pytest.mark.clause("R2")
def test_a_token_holds_the_whole_session() -> None:
    resumption = Resumption()
    sealed = resumption.open(issue(resumption), WALL, 0.0)
    assert (sealed.session, sealed.generation, sealed.identity, sealed.expires_at) == ("s-1", 3, KEY, WALL + 300)
    assert sealed.subscriptions == {"actions": Held(Position("k3Fq", 1), {"delivery": "all"})}
    assert opened(resumption, issue(resumption, identity=ANN)) == ANN


@pytest.mark.clause("R2")
@pytest.mark.accept("E8")
def test_nodes_and_restarts_with_the_same_secrets_agree_and_keys_may_be_rotated() -> None:
    token = issue(Resumption(Sealer([OLD])))
    assert opened(Resumption(Sealer([NEW, OLD])), token) == KEY
    assert opened(Resumption(Sealer([OLD])), token) == KEY
    with pytest.raises(Refusal, match="sealed"):
        opened(Resumption(Sealer([NEW])), token)


@pytest.mark.clause("R2", "R5")
def test_what_another_version_has_sealed_is_expired() -> None:
    sealer = Sealer([OLD])
    for content in (b"", b"\x00", b"\x93\x01\x02\x03", b"\x96\x02\xa1s\x00\x90\x00\x80"):
        with pytest.raises(Refusal, match="sealed"):
            Resumption(sealer).open(sealer.seal(content), WALL, 0.0)


@pytest.mark.clause("R7")
def test_a_key_that_was_taken_away_resumes_no_more_and_one_that_was_changed_counts_as_it_is_now() -> None:
    sealer = Sealer([OLD])
    token = issue(Resumption(sealer))
    viewer = Identity("b7", Role.VIEWER, None, "key:b7", "api_key")
    assert opened(Resumption(sealer, today=lambda _identity: viewer), token) == viewer
    with pytest.raises(Refusal, match="no longer known"):
        opened(Resumption(sealer, today=lambda _identity: None), token)


@pytest.mark.clause("R2")
def test_no_token_is_issued_that_would_be_refused() -> None:
    resumption = Resumption()
    held = {f"{number:064}": Held(Position("e" * 16, 1), {"delivery": "all"}) for number in range(200)}
    with pytest.raises(Refusal) as refusal:
        resumption.issue("s-1", 0, KEY, held, WALL)
    assert (refusal.value.error, refusal.value.limit) == ("too_large", MAX_TOKEN)


@pytest.mark.clause("R15")
def test_a_forgotten_session_is_not_resumed() -> None:
    resumption = Resumption()
    token = issue(resumption)
    resumption.forget("s-1", WALL)
    with pytest.raises(Refusal) as refusal:
        opened(resumption, token)
    assert refusal.value.error == "resume_revoked"


@pytest.mark.clause("R15")
def test_no_number_of_sessions_makes_a_forgotten_one_good_again() -> None:
    resumption = Resumption(most=3)
    token = issue(resumption)
    resumption.forget("s-1", WALL)
    for number in range(2, 20):
        issue(resumption, f"s-{number}")
    with pytest.raises(Refusal) as refusal:
        opened(resumption, token)
    assert (refusal.value.error, resumption.evicted) == ("resume_revoked", 16)
    resumption.sweep(WALL + 300)
    assert not resumption._forgotten


@pytest.mark.clause("R10")
def test_the_grace_is_a_setting() -> None:
    resumption = Resumption(grace=5.0)
    token = issue(resumption)
    resumption.claim(resumption.open(token, WALL, 0.0), WALL, 0.0)
    assert resumption.open(token, WALL, 5.0).session == "s-1"
    with pytest.raises(Refusal, match="used before"):
        resumption.open(token, WALL, 5.1)


def test_what_is_remembered_is_bounded_and_lapses_with_the_tokens() -> None:
    resumption = Resumption(most=3)
    for number in range(5):
        issue(resumption, f"s-{number}")
    assert len(resumption) == 3
    resumption.sweep(WALL + 299)
    assert len(resumption) == 3
    resumption.sweep(WALL + 300)
    assert len(resumption) == 0


def test_nothing_is_remembered_of_sessions_without_tokens() -> None:
    resumption = Resumption()
    resumption.acknowledged("s-1", {"actions": Position("k3Fq", 1)})
    assert (resumption.acked("s-1", "actions"), len(resumption)) == (None, 0)


@pytest.mark.clause("R8", "P2")
def test_an_acknowledgement_undoes_no_later_one_of_its_epoch() -> None:
    resumption = Resumption()
    issue(resumption)
    remembered = []
    for text in ("k3Fq:10", "k3Fq:9", "k3Fq:11", "t0aZ:1"):
        resumption.acknowledged("s-1", {"actions": Position.parse(text)})
        remembered.append(str(resumption.acked("s-1", "actions")))
    assert remembered == ["k3Fq:10", "k3Fq:10", "k3Fq:11", "t0aZ:1"]
