"""`/api/v1/stories` and `/api/v1/recorder`: what happened to connections, for administrators (G13)."""

from collections.abc import Callable

import pytest

from tests.support.hub import RunningHub
from tests.support.rest import Rest
from tests.support.ws import Peer


@pytest.mark.accept("G13", "G19")
def test_an_administrator_reads_the_story_of_a_connection_that_has_gone(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "viewer", subject="ann") as peer:
        conn = peer.welcome["conn"]
        peer.ask(type="subscribe", channel="metrics")
        peer.ask(type="publish", channel="metrics", event="x")
    with Rest(ws_hub, "admin") as admin:
        while (story := admin.get(f"/api/v1/stories/{conn}").data["stories"][0])["state"] != "closed":
            pass
        kinds = [record["kind"] for record in story["records"]]
        assert kinds == ["attached", "opened", "identity", "subscribed", "refused", "closing", "ended"]
        assert (story["user"], story["code"], story["node"]) == ("ann", 1000, "n1")
        assert admin.get("/api/v1/stories/ann").data["stories"][0]["conn"] == conn
        assert admin.get("/api/v1/stories/nobody").refusal == (404, "not_found")
        assert admin.get(f"/api/v1/stories/{'x' * 300}").refusal == (400, "bad_message")


@pytest.mark.accept("G13")
def test_the_recorder_of_a_node_holds_its_state_its_log_and_the_stories(ws_hub: RunningHub) -> None:
    with Peer(ws_hub, "viewer"), Rest(ws_hub, "admin") as admin:
        dump = admin.get("/api/v1/recorder", params={"limit": 1}).data
    assert dump["recorder"]["limits"] == {"bytes": 4096, "ended": 10_000, "seconds": 900.0}
    assert "hub.started" in {event["event"] for event in dump["logs"]}
    assert (dump["node"], len(dump["stories"])) == ("n1", 1)


def test_stories_are_for_administrators(ws_hub: RunningHub) -> None:
    for path in ("/api/v1/stories/ann", "/api/v1/recorder"):
        with Rest(ws_hub, "developer") as developer:
            assert developer.get(path).refusal == (403, "forbidden")
        with Rest(ws_hub) as nobody:
            assert nobody.get(path).refusal == (401, "login_required")


def test_a_hub_can_be_told_to_record_nothing(start: Callable[..., RunningHub]) -> None:
    hub = start(recorder_bytes=0)
    with Peer(hub, "viewer", subject="ann"), Rest(hub, "admin") as admin:
        (story,) = admin.get("/api/v1/stories/ann").data["stories"]
    assert (story["state"], story["records"]) == ("ready", [])
