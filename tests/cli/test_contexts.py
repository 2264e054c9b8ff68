"""Hubs by name: kept for their owner alone, and weaker than a flag and the environment."""

import json
import stat
from pathlib import Path

import pytest
from neurograph_ws_client.testing import FakeHub
from ng_ws.contexts import Context, Contexts, load, path_of, save
from ng_ws.exits import Failed
from ng_ws.settings import Flags, resolved

from tests.support.program import run


def test_what_is_saved_is_read_again_and_nobody_else_reads_it(tmp_path: Path) -> None:
    path = path_of({"XDG_CONFIG_HOME": str(tmp_path)})
    contexts = Contexts().added("dev", Context("ws://a/ws", 'to"ken', "json")).added("p.1", Context(url="wss://b/ws"))
    save(path, contexts)
    assert load(path) == contexts
    assert (contexts.current, stat.S_IMODE(path.stat().st_mode)) == ("dev", 0o600)
    assert [one.name for one in path.parent.iterdir()] == ["contexts.toml"]
    assert "to" not in repr(contexts.named["dev"]).replace("format", "")
    assert load(tmp_path / "none.toml") == Contexts()


@pytest.mark.parametrize("text", ["[", "contexts = 1", "[contexts.a]\nurl = 3", "[contexts]\na = 1"])
def test_a_file_that_is_no_list_of_contexts_is_told_with_its_path(tmp_path: Path, text: str) -> None:
    path = tmp_path / "contexts.toml"
    path.write_text(text)
    with pytest.raises(Failed, match=r"contexts.toml: expected TOML with \[contexts.NAME\]"):
        load(path)


def test_a_flag_then_the_environment_then_the_context_then_the_default(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    save(
        path_of(environ),
        Contexts().added("dev", Context("ws://c/ws", "kept", "compact")).added("b", Context("ws://b/ws")),
    )
    assert (resolved(Flags(), environ).url, resolved(Flags(), environ).token) == ("ws://c/ws", "kept")
    assert resolved(Flags(), environ).format == "compact"
    assert resolved(Flags(), {**environ, "NG_URL": "ws://e/ws", "NG_TOKEN": "env"}).url == "ws://e/ws"
    assert resolved(Flags(), {**environ, "NG_TOKEN": "env"}).token == "env"
    assert resolved(Flags(url="ws://f/ws"), {**environ, "NG_URL": "ws://e/ws"}).url == "ws://f/ws"
    assert (resolved(Flags(context="b"), environ).url, resolved(Flags(context="b"), environ).token) == (
        "ws://b/ws",
        None,
    )
    assert resolved(Flags(), {**environ, "NG_CONTEXT": "b"}).url == "ws://b/ws"
    with pytest.raises(Failed, match=r"--context: expected one that is known \(dev, b\), got 'x'"):
        resolved(Flags(context="x"), environ)


async def test_contexts_are_added_used_shown_and_forgotten(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    async with FakeHub(tokens={"sesame": "bot"}) as hub:
        added = await run("context", "add", "dev", "--url", hub.url, "--token", "-", stdin=b"sesame\n", among=environ)
        assert added[:2] == (0, "")
        assert "dev is kept in" in added[2]
        assert "and counts from now on" in added[2]
        code, out, _ = await run("token", "check", among=environ)
        assert (code, json.loads(out)["role"]) == (0, "bot")
        await run("context", "add", "other", "--url", "ws://127.0.0.1:1/ws", among=environ)
        code, out, _ = await run("context", "ls", among=environ)
        rows = [json.loads(line) for line in out.splitlines()]
        assert [(row["name"], row["current"], row["token"]) for row in rows] == [
            ("dev", "*", "kept"),
            ("other", "", None),
        ]
        assert "sesame" not in out
        assert (await run("ping", "-c", "1", "--context", "other", among=environ))[0] == 5
        assert (await run("context", "use", "other", among=environ))[0] == 0
        assert (await run("ping", "-c", "1", among=environ))[0] == 5
        assert (await run("context", "rm", "other", among=environ))[0] == 0
        assert (
            "expected one that is known (dev), got 'other'" in (await run("context", "rm", "other", among=environ))[2]
        )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "dev"), "context add: expected --url, a token or --format, got none of them"),
        (("add", "a b", "--url", "ws://a/ws"), "NAME: expected 1 to 64 letters, digits, and _.-, got 'a b'"),
        (("add", "dev", "--url", "http://a"), "url: expected one like ws://localhost:8000/ws"),
        (("use", "dev"), "--context: expected one that is known (none), got 'dev'"),
    ],
)
async def test_a_context_that_cannot_be_is_told(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    code, out, err = await run("context", *arguments, XDG_CONFIG_HOME=str(tmp_path))
    assert (code, out) == (2, "")
    assert told in err
