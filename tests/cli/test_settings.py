"""Flags, then the environment, then defaults."""

import os
from pathlib import Path

import pytest
from ng_ws.exits import Exit, Failed
from ng_ws.settings import Flags, Format, resolved


def test_without_anything_it_is_the_local_hub_and_json_into_a_pipe() -> None:
    settings = resolved(Flags(), {})
    assert (settings.url, settings.format, settings.token) == ("ws://localhost:8000/ws", Format.JSON, None)
    assert (settings.has_color, settings.reconnects) == (False, True)


def test_a_flag_is_stronger_than_the_environment() -> None:
    environ = {"NG_URL": "ws://b/ws", "NG_TOKEN": "from-environment", "NG_FORMAT": "compact"}
    from_environment = resolved(Flags(), environ)
    assert (from_environment.url, from_environment.token, from_environment.format) == (
        "ws://b/ws",
        "from-environment",
        "compact",
    )
    from_flags = resolved(Flags(url="ws://a/ws", token="from-flag", format=Format.PRETTY), environ)
    assert (from_flags.url, from_flags.token, from_flags.format) == ("ws://a/ws", "from-flag", "pretty")


@pytest.mark.accept("L3")
def test_a_token_comes_from_stdin_or_a_file_too(tmp_path: Path) -> None:
    assert resolved(Flags(token="-"), {}, lambda limit: "a.b.c").token == "a.b.c"
    path = tmp_path / "token"
    path.write_text("d.e.f\n")
    assert resolved(Flags(token_file=path), {}).token == "d.e.f"


@pytest.mark.accept("L2")
def test_channels_are_a_list_with_commas_and_may_be_repeated() -> None:
    assert resolved(Flags(subscribe=("metrics,signals", "logs")), {}).subscribe == ("metrics", "signals", "logs")


@pytest.mark.parametrize(
    ("flags", "environ", "exit_code", "text"),
    [
        (Flags(), {"NG_FORMAT": "xml"}, Exit.USAGE, "NG_FORMAT: expected pretty, json, compact or raw, got 'xml'"),
        *(
            (flags, environ, Exit.USAGE, "token: expected a JWT or an API key, came an empty string")
            for flags, environ in [
                (Flags(token=""), {}),
                (Flags(token=" "), {"NG_TOKEN": "good"}),
                (Flags(token_file=Path(os.devnull)), {}),
                (Flags(), {"NG_TOKEN": ""}),
            ]
        ),
        (Flags(timeout=0), {}, Exit.USAGE, "--timeout: expected seconds above 0, got 0"),
        (Flags(token="x y"), {}, Exit.LOGIN, "token: expected one word"),
        (Flags(token="x" * 5000), {}, Exit.LOGIN, "token: expected one word"),
        (Flags(token="x", token_file=Path("y")), {}, Exit.USAGE, "expected one of them, got both"),
        (Flags(token_file=Path("/nowhere/token")), {}, Exit.USAGE, "--token-file: expected a readable file"),
    ],
)
def test_what_is_wrong_is_told_with_what_was_expected(
    flags: Flags, environ: dict[str, str], exit_code: Exit, text: str
) -> None:
    with pytest.raises(Failed) as failure:
        resolved(flags, environ)
    assert failure.value.exit_code is exit_code
    assert text in failure.value.message


def test_an_empty_line_of_stdin_is_no_token_and_an_unset_variable_is_anonymous() -> None:
    with pytest.raises(Failed, match="came an empty string") as failure:
        resolved(Flags(token="-"), {"NG_TOKEN": "good"}, lambda limit: "")
    assert failure.value.hint.startswith("--token - (stdin) is empty")
    assert resolved(Flags(), {}).token is None


def test_who_is_about_to_fill_the_variable_may_have_it_empty() -> None:
    assert resolved(Flags(), {"NG_TOKEN": ""}, needs_token=False).token is None


def test_a_token_is_in_no_repr_and_no_message() -> None:
    assert "sesame" not in repr(resolved(Flags(token="sesame"), {}))
    with pytest.raises(Failed) as failure:
        resolved(Flags(token="sesame open"), {})
    assert "sesame" not in failure.value.message
