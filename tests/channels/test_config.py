import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

import channels.config as configs
from channels.channel import DEFAULT_CHANNELS, ChannelConfig, Retention
from channels.config import Catalog
from channels.errors import ConfigError
from channels.permissions import NO_RIGHTS, Right, Role

S, B = Right.SUBSCRIBE, Right.BROADCAST
EVERYBODY = dict.fromkeys(Role, frozenset({S, B}))


def catalog(*names: str, presence: bool = False) -> Catalog:
    return Catalog([ChannelConfig(name, EVERYBODY, presence=presence) for name in names])


def found(catalog: Catalog, name: str) -> str | None:
    config = catalog.find(name)
    return None if config is None else config.name


@pytest.mark.clause("C20", "S12")
@pytest.mark.accept("B1")
def test_the_six_channels_have_the_defaults_of_the_protocol() -> None:
    mib64 = 64 * 1_048_576
    actual = {c.name: (c.delivery, c.on_slow, c.retention) for c in Catalog().fixed}
    assert actual == {
        "metrics": ("latest", "gap", Retention(60, mib64, last_per_key=True)),
        "signals": ("all", "close", Retention(300, mib64)),
        "actions": ("all", "close", Retention(300, mib64)),
        "logs": ("all", "gap", Retention(300, mib64)),
        "status": ("latest", "gap", Retention(300, mib64, last_per_key=True)),
        "connections": ("latest", "gap", Retention(300, mib64, last_per_key=True)),
    }


@pytest.mark.clause("C20")
def test_tables_are_joined_to_the_six() -> None:
    assert [c.name for c in Catalog.from_tables({"news": {}}).fixed] == [c.name for c in DEFAULT_CHANNELS] + ["news"]


@pytest.mark.clause("C23")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("room:1", "room:*"),
        ("room:", "room:*"),
        ("room:vip", "room:vip"),
        ("room:vip:2", "room:vip:*"),
        ("rooms", "r*"),
        ("x", None),
        ("room:a b", None),
        ("room:*", None),
        ("", None),
    ],
)
def test_the_exact_name_wins_else_the_longest_namespace(name: str, expected: str | None) -> None:
    assert found(catalog("r*", "room:*", "room:vip", "room:vip:*"), name) == expected


prefixes = st.text("ab:", min_size=1, max_size=4)


@pytest.mark.clause("C23")
@given(prefixes=st.sets(prefixes, max_size=8), name=st.text("ab:", min_size=1, max_size=6))
def test_of_all_namespaces_that_a_name_begins_with_the_longest_is_found(prefixes: set[str], name: str) -> None:
    expected = max((prefix + "*" for prefix in prefixes if name.startswith(prefix)), key=len, default=None)
    assert found(catalog(*(prefix + "*" for prefix in sorted(prefixes))), name) == expected


@pytest.mark.clause("C24", "E5")
def test_a_channel_of_one_subject_exists_for_everybody() -> None:
    assert catalog("user:{sub}").exists("user:ann")


@pytest.mark.clause("C24")
def test_a_template_beats_a_shorter_namespace_and_gives_way_to_an_exact_name() -> None:
    both = catalog("user:*", "user:{sub}", "user:root")
    assert [found(both, name) for name in ("user:ann", "user:root", "user:ann:x")] == [
        "user:{sub}",
        "user:root",
        "user:*",
    ]


@pytest.mark.clause("C24")
@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER, Role.BOT])
def test_a_right_on_a_template_is_granted_to_its_subject_alone(role: Role) -> None:
    mine = catalog("user:{sub}", "user:{sub}:*")
    rights = [
        mine.rights(name, role, "ann") for name in ("user:ann", "user:ann:x", "user:bob", "user:bob:x", "user:an")
    ]
    assert rights == [{S, B}, {S, B}, NO_RIGHTS, NO_RIGHTS, NO_RIGHTS]


@pytest.mark.clause("C24")
@pytest.mark.parametrize("subject", [None, "ann"])
def test_a_right_on_a_template_is_never_granted_to_anonymous(subject: str | None) -> None:
    assert catalog("user:{sub}").rights("user:ann", Role.ANONYMOUS, subject) == NO_RIGHTS


@pytest.mark.clause("C24")
def test_an_admin_who_may_broadcast_there_reaches_every_subject_and_reads_none() -> None:
    assert catalog("user:{sub}").rights("user:ann", Role.ADMIN, "root") == {B}


@pytest.mark.clause("C24")
def test_an_admin_without_the_right_to_broadcast_there_has_no_right_on_others() -> None:
    reader = Catalog([ChannelConfig("user:{sub}", {Role.ADMIN: frozenset({S})})])
    assert [reader.rights(f"user:{sub}", Role.ADMIN, "root") for sub in ("ann", "root")] == [NO_RIGHTS, {S}]


@pytest.mark.clause("C24")
@given(
    subject=st.text(string.ascii_letters + ":/.", max_size=8), other=st.text(string.ascii_letters + ":/.", max_size=8)
)
def test_nobody_reads_the_channel_that_another_subject_reads(subject: str, other: str) -> None:
    mine = catalog("user:{sub}", "user:{sub}:*")
    names = {name.replace("*", "x") for name in mine.visible(Role.VIEWER, subject)}
    readers = {who for who in (subject, other) for name in names if S in mine.rights(name, Role.VIEWER, who)}
    assert readers <= {subject}


@pytest.mark.clause("E5")
def test_a_name_that_is_no_channel_has_no_rights() -> None:
    assert Catalog().rights("nowhere", Role.ADMIN, "root") == NO_RIGHTS


@pytest.mark.clause("C25")
def test_a_companion_is_read_only_latest_keyed_and_open_to_subscribers() -> None:
    config = ChannelConfig("lobby", {Role.VIEWER: frozenset({S}), Role.BOT: frozenset({B})}, presence=True)
    lobby = Catalog([config])
    companion = lobby.find("lobby/presence")
    assert companion is not None
    assert (companion.delivery, companion.retention.last_per_key) == ("latest", True)
    assert [lobby.rights("lobby/presence", role, "ann") for role in (Role.VIEWER, Role.BOT)] == [{S}, NO_RIGHTS]


@pytest.mark.clause("C23", "C25")
def test_every_channel_of_a_namespace_has_its_companion() -> None:
    rooms = catalog("room:*", presence=True)
    resolved = rooms.resolve("room:1/presence")
    assert resolved is not None
    assert (resolved.config.name, resolved.owner, resolved.base) == ("room:*/presence", "", "room:1")


@pytest.mark.clause("C25")
@pytest.mark.parametrize("name", ["room:1/presence/presence", "other/presence", "doc:1/presence", "lobby/presence"])
def test_a_companion_has_no_companion_and_without_presence_there_is_none(name: str) -> None:
    channels = [ChannelConfig("room:*", EVERYBODY, presence=True)]
    channels += [ChannelConfig(plain, EVERYBODY) for plain in ("doc:*", "lobby")]
    assert not Catalog(channels).exists(name)


@pytest.mark.clause("C24", "C25")
def test_the_companion_of_a_subjects_channel_is_that_subjects_alone() -> None:
    mine = catalog("user:{sub}", presence=True)
    assert [mine.rights("user:ann/presence", Role.VIEWER, who) for who in ("ann", "bob")] == [{S}, NO_RIGHTS]


@pytest.mark.clause("C19", "M41")
@pytest.mark.accept("C10")
def test_visible_are_exactly_the_channels_on_which_the_role_has_a_right() -> None:
    visible = {role: list(Catalog().visible(role, None)) for role in Role}
    assert visible == {
        Role.ADMIN: ["metrics", "signals", "actions", "logs", "status", "connections"],
        Role.DEVELOPER: ["metrics", "signals", "actions", "logs", "status"],
        Role.VIEWER: ["metrics", "status"],
        Role.BOT: ["metrics", "signals", "status"],
        Role.ANONYMOUS: ["metrics", "status"],
    }


@pytest.mark.clause("M41", "C23", "C24", "C25")
def test_visible_are_namespaces_by_pattern_templates_filled_in_and_companions_of_single_channels() -> None:
    everything = catalog("lobby", "room:*", "user:{sub}", "user:{sub}:*", presence=True)
    assert list(everything.visible(Role.VIEWER, "ann")) == [
        "lobby",
        "lobby/presence",
        "room:*",
        "user:ann",
        "user:ann/presence",
        "user:ann:*",
    ]


@pytest.mark.clause("M41", "C24")
def test_the_anonymous_see_no_template() -> None:
    assert list(catalog("lobby", "user:{sub}").visible(Role.ANONYMOUS, None)) == ["lobby"]


@pytest.mark.clause("M41")
def test_the_rights_told_of_a_visible_channel_are_those_it_has() -> None:
    everything = Catalog(DEFAULT_CHANNELS)
    told = everything.visible_rights(Role.DEVELOPER, "ann")
    assert told == {name: everything.rights(name, Role.DEVELOPER, "ann") for name in told}


@pytest.mark.clause("M41", "C24")
def test_an_exact_name_hides_the_template_that_would_fill_in_to_it() -> None:
    channels = [ChannelConfig("user:{sub}", EVERYBODY), ChannelConfig("user:root", {})]
    assert list(Catalog(channels).visible(Role.VIEWER, "root")) == []


@pytest.mark.clause("M22")
def test_all_channels_means_the_single_ones_that_may_be_subscribed() -> None:
    channels = [ChannelConfig(name, EVERYBODY) for name in ("lobby", "room:*", "user:{sub}")]
    channels.append(ChannelConfig("sink", {Role.VIEWER: frozenset({B})}))
    assert Catalog(channels).subscribable(Role.VIEWER, "ann") == ["lobby", "user:ann"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "a"], '[channels."a"]: expected one table for each name, came two'),
        (["a*", "a*"], '[channels."a*"]: expected one table for each name, came two'),
        (["a b"], "[channels.\"a b\"]: expected 1 to 64 of A-Z a-z 0-9 _ . : / -, one {sub}, last *, came 'a b'"),
    ],
)
def test_names_that_do_not_go_together_stop_the_start(names: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        catalog(*names)
    assert str(refusal.value) == message


def test_what_a_name_stands_for_is_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configs, "MAX_REMEMBERED", 3)
    rooms, names = catalog("room:*", presence=True), ["room:1", "room:2", "room:3", "room:1/presence", "room:4"]
    first = rooms.resolve("room:1")
    assert rooms.resolve("room:1") is first
    assert [rooms.resolve(name) for name in names * 3] == [
        catalog("room:*", presence=True).resolve(name) for name in names * 3
    ]
    assert rooms.resolve("nowhere") is None
    assert 0 < len(rooms._remembered) <= 3
