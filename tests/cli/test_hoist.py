"""Global options before or after the subcommand."""

import pytest
import typer
from ng_ws.app import app
from ng_ws.commands import COMMANDS, GROUPS
from ng_ws.hoist import FLAGS, LISTENING_FLAGS, LISTENING_WITH_VALUE, WITH_VALUE, hoisted
from ng_ws.tree import Tree


@pytest.mark.parametrize(
    ("given", "moved"),
    [
        (["sub", "logs", "--format", "json"], ["--format", "json", "sub", "logs"]),
        (["sub", "--token=a.b.c", "logs", "-q"], ["--token=a.b.c", "-q", "sub", "logs"]),
        (["--url", "ws://a/ws", "ping", "-c", "3"], ["--url", "ws://a/ws", "ping", "-c", "3"]),
        (["pub", "logs", "--", "--url"], ["pub", "logs", "--", "--url"]),
        (["ping", "--url"], ["--url", "ping"]),
        ([], []),
        (["--subscribe", "metrics", "-n", "3"], ["--subscribe", "metrics", "sub", "-n", "3"]),
        (
            ["--for", "1s", "-q", "--from=new", "--fail-on-gap"],
            ["-q", "sub", "--for", "1s", "--from=new", "--fail-on-gap"],
        ),
        (["-n3"], ["sub", "-n3"]),
        (["-n", "3", "sub", "logs"], ["sub", "-n", "3", "logs"]),
        (["-n", "3", "ping"], ["-n", "3", "ping"]),
        (["--frob"], ["--frob"]),
    ],
)
def test_global_options_move_to_the_front_and_the_rest_keeps_its_order(given: list[str], moved: list[str]) -> None:
    assert hoisted(given) == moved


def test_the_table_of_global_options_is_that_of_the_program() -> None:
    options = {name for option in typer.main.get_command(app).params for name in option.opts}
    assert options - {"-h", "--help"} == WITH_VALUE | FLAGS


def test_the_table_of_listening_options_is_that_of_sub() -> None:
    sub = Tree(name="ng-ws").get_command(None, "sub")
    options = {name for option in sub.params for name in option.opts if name[0] == "-"}
    assert options - {"-h", "--help"} == LISTENING_WITH_VALUE | LISTENING_FLAGS


def test_no_command_has_an_option_of_a_global_name() -> None:
    tree = Tree(name="ng-ws")
    found = [tree.get_command(None, name) for name in COMMANDS]
    found += [one for group in GROUPS for one in tree.get_command(None, group).commands.values()]
    names = {name for command in found for option in command.params for name in option.opts if name[0] == "-"}
    assert names & (WITH_VALUE | FLAGS) == set()
