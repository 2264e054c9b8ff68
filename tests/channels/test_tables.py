import tomllib
from typing import Any

import pytest

from channels._native import Filter
from channels.buckets import Rate
from channels.channel import DEFAULT_CHANNELS, MIB, ChannelConfig, Retention
from channels.errors import ConfigError
from channels.permissions import Right, Role
from channels.tables import read_channels

ARCHITECTURE = """
[channels."room:*"]                        # a namespace: every room is made when it is first used
subscribe = ["admin", "developer", "viewer"]
broadcast = ["admin", "bot", "developer"]
presence = true                            # companion channel room:.../presence
delivery = "all"                           # defaults of a bare subscribe, as protocol.md S12
on_slow = "gap"
retention = { seconds = 300, bytes = "64MiB", durable = false, last_per_key = false }

[channels."user:{sub}"]                    # one channel per subject, readable by that subject only
subscribe = ["developer", "viewer", "bot"]
broadcast = ["admin"]
"""


def read(text: str) -> dict[str, ChannelConfig]:
    return {config.name: config for config in read_channels(tomllib.loads(text).get("channels", {}))}


def roles_with(config: ChannelConfig, right: Right) -> set[Role]:
    return {role for role, rights in config.rights.items() if right in rights}


@pytest.mark.clause("C20", "C23", "C24")
def test_the_example_of_the_architecture_loads_as_it_reads() -> None:
    channels = read(ARCHITECTURE)
    room, user = channels["room:*"], channels["user:{sub}"]
    assert (room.presence, room.delivery, room.on_slow, room.retention) == (True, "all", "gap", Retention())
    assert roles_with(room, Right.SUBSCRIBE) == {Role.ADMIN, Role.DEVELOPER, Role.VIEWER}
    assert roles_with(room, Right.BROADCAST) == {Role.ADMIN, Role.BOT, Role.DEVELOPER}
    assert roles_with(user, Right.SUBSCRIBE) == {Role.DEVELOPER, Role.VIEWER, Role.BOT}
    assert roles_with(user, Right.BROADCAST) == {Role.ADMIN}


@pytest.mark.clause("C20")
def test_without_tables_there_are_the_six_as_they_are() -> None:
    assert read_channels({}) == list(DEFAULT_CHANNELS)


@pytest.mark.clause("C20", "S12")
def test_a_table_of_one_of_the_six_changes_what_it_names_and_nothing_else() -> None:
    before = next(config for config in DEFAULT_CHANNELS if config.name == "metrics")
    after = read('[channels.metrics]\nsubscribe = ["admin"]\nretention = { seconds = 5 }')["metrics"]
    assert roles_with(after, Right.SUBSCRIBE) == {Role.ADMIN}
    assert roles_with(after, Right.BROADCAST) == roles_with(before, Right.BROADCAST)
    assert (after.retention, after.delivery) == (Retention(5, 64 * MIB, last_per_key=True), before.delivery)


def test_a_new_channel_of_which_nothing_is_said_is_open_to_admins_only() -> None:
    config = read("[channels.secret]")["secret"]
    assert {role: rights for role, rights in config.rights.items() if rights} == {
        Role.ADMIN: {Right.SUBSCRIBE, Right.BROADCAST}
    }


def test_an_empty_list_of_roles_grants_to_nobody() -> None:
    assert roles_with(read("[channels.x]\nsubscribe = []")["x"], Right.SUBSCRIBE) == set()


@pytest.mark.accept("C9")
def test_roles_may_be_named_by_their_aliases() -> None:
    config = read('[channels.x]\nsubscribe = ["user", "readonly"]')["x"]
    assert roles_with(config, Right.SUBSCRIBE) == {Role.DEVELOPER, Role.VIEWER}


@pytest.mark.clause("C20", "L7", "L22", "M17", "S12")
def test_every_key_reaches_the_configuration() -> None:
    text = """
    [channels.x]
    presence = true
    delivery = "latest"
    on_slow = "close"
    max_message = "4MiB"
    publish_rate = "200/50"
    trace = false
    retention = { seconds = 0.5, bytes = 65536, last_per_key = true }
    policies = { readonly = { "tags.level" = "info", "data.cpu" = { gte = 1.5 } }, bot = {} }
    """
    expected = ChannelConfig(
        name="x",
        rights={Role.ADMIN: frozenset({Right.SUBSCRIBE, Right.BROADCAST})},
        delivery="latest",
        on_slow="close",
        retention=Retention(0.5, 65_536, last_per_key=True),
        max_message=4 * MIB,
        presence=True,
        publish_rate=Rate(200, 50),
        trace=False,
        policies={
            Role.VIEWER: Filter(b'{"data.cpu":{"gte":1.5},"tags.level":"info"}'),
            Role.BOT: Filter(b"{}"),
        },
    )
    assert read(text)["x"] == expected


@pytest.mark.clause("C19", "C20")
def test_the_right_to_emit_may_be_given_on_signals() -> None:
    assert roles_with(read('[channels.signals]\nemit = ["viewer"]')["signals"], Right.EMIT) == {Role.VIEWER}


FAULTS: list[tuple[str, str, str]] = [
    ("subscribe", '"everyone"', "expected a list of roles, came 'everyone'"),
    ("subscribe", '["admn"]', "expected one of admin, developer, viewer, bot, anonymous, came 'admn'"),
    ("broadcast", "[3]", "expected a string, came 3"),
    ("emit", '["bot"]', "expected emit on signals only, came ['bot']"),
    ("presence", '"yes"', "expected true or false, came 'yes'"),
    ("delivery", '"newest"', "expected all or latest, came 'newest'"),
    ("on_slow", "[]", "expected gap or close, came []"),
    ("max_message", '"17MiB"', 'expected from "1KiB" to "16MiB", came \'17MiB\''),
    ("max_message", "0", 'expected bytes such as 65536 or "64MiB" (units KiB, MiB, GiB), came 0'),
    ("max_message", "true", 'expected bytes such as 65536 or "64MiB" (units KiB, MiB, GiB), came True'),
    ("publish_rate", '"60"', "expected capacity/refill such as 60/10, came '60'"),
    ("publish_rate", "60", "expected a string, came 60"),
    ("trace", "0", "expected true or false, came 0"),
    ("retention", "300", "expected a table, came 300"),
    ("retention", "{ age = 1 }", "expected keys out of seconds, bytes, durable, last_per_key, came 'age'"),
    ("retention", "{ seconds = 0 }", "seconds: expected seconds above 0, at most 2.592e+06, came 0"),
    ("retention", "{ seconds = inf }", "seconds: expected seconds above 0, at most 2.592e+06, came inf"),
    ("retention", "{ seconds = nan }", "seconds: expected seconds above 0, at most 2.592e+06, came nan"),
    ("retention", "{ seconds = true }", "seconds: expected seconds above 0, at most 2.592e+06, came True"),
    (
        "retention",
        '{ bytes = "64MB" }',
        "bytes: expected bytes such as 65536 or \"64MiB\" (units KiB, MiB, GiB), came '64MB'",
    ),
    ("retention", "{ durable = 1 }", "durable: expected true or false, came 1"),
    ("policies", "3", "expected a table, came 3"),
    ("policies", "{ guest = {} }", "expected one of admin, developer, viewer, bot, anonymous, came 'guest'"),
    ("policies", "{ viewer = 3 }", "viewer: expected a filter, came 3"),
    (
        "policies",
        '{ viewer = { "data.a" = { above = 1 } } }',
        "viewer: data.a.above: expected eq, ne, in, nin, gt, gte, lt, lte, exists, prefix, contains, glob or near, "
        'came "above"',
    ),
    (
        "policies",
        "{ viewer = { key = inf } }",
        "viewer: expected what JSON can hold, came {'key': inf}: Out of range float values are not JSON compliant",
    ),
    (
        "policies",
        "{ viewer = { key = 2026-01-01 } }",
        "viewer: expected what JSON can hold, came {'key': datetime.date(2026, 1, 1)}: "
        "Object of type date is not JSON serializable",
    ),
]


@pytest.mark.parametrize(("key", "value", "message"), FAULTS)
def test_a_wrong_value_stops_the_start_naming_table_key_expectation_and_value(
    key: str, value: str, message: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        read(f'[channels."room:*"]\n{key} = {value}')
    assert str(refusal.value) == f'[channels."room:*"] {key}: {message}'


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"room:*:x": {}}, "[channels.\"room:*:x\"]: expected * at the end only, came 'room:*:x'"),
        ({"x": 3}, '[channels."x"]: expected a table, came 3'),
        (
            {"x": {"subscribers": []}},
            '[channels."x"]: expected keys out of subscribe, broadcast, emit, presence, delivery, on_slow, retention, '
            "max_message, publish_rate, trace, policies, came 'subscribers'",
        ),
        (
            {"x/presence": {}},
            '[channels."x/presence"]: expected a name that does not end in /presence (presence = true makes it), '
            "came 'x/presence'",
        ),
        (
            {"x" * 56: {"presence": True}},
            f'[channels."{"x" * 56}"] presence: expected a name of at most 55 characters for a companion',
        ),
    ],
)
def test_a_wrong_table_stops_the_start_naming_it(tables: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        read_channels(tables)
    assert str(refusal.value) == message


def test_all_faults_are_told_at_once_one_line_each() -> None:
    with pytest.raises(ConfigError) as refusal:
        read('[channels.a]\npresence = 1\ntrace = 2\n[channels."b c"]')
    assert [line.split(":")[0] for line in str(refusal.value).splitlines()] == [
        '[channels."a"] presence',
        '[channels."a"] trace',
        '[channels."b c"]',
    ]
