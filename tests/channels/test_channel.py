import pytest

from channels.channel import DEFAULT_CHANNELS, MIB, ChannelConfig, Retention
from channels.permissions import DEFAULT_RIGHTS, Right, Role

S, B = Right.SUBSCRIBE, Right.BROADCAST


@pytest.mark.clause("C19", "C20")
@pytest.mark.accept("B1")
def test_the_six_channels_have_the_rights_of_the_table() -> None:
    assert {config.name: config.rights for config in DEFAULT_CHANNELS} == dict(DEFAULT_RIGHTS)


@pytest.mark.clause("S12")
def test_a_channel_of_which_nothing_else_is_said_keeps_300_s_or_64_mib_and_tells_gaps() -> None:
    config = ChannelConfig("x")
    assert (config.delivery, config.on_slow, config.retention) == ("all", "gap", Retention(300, 64 * MIB))


@pytest.mark.clause("C25")
def test_a_companion_is_read_by_those_who_may_subscribe_and_written_by_nobody() -> None:
    rights = {Role.ADMIN: frozenset({S, B}), Role.BOT: frozenset({B}), Role.VIEWER: frozenset({S})}
    companion = ChannelConfig("room:*", rights, retention=Retention(7, MIB), presence=True).companion()
    assert dict(companion.rights) == {Role.ADMIN: {S}, Role.BOT: frozenset(), Role.VIEWER: {S}}


@pytest.mark.clause("C25", "S6")
def test_a_companion_is_latest_keyed_and_as_old_as_its_channel() -> None:
    companion = ChannelConfig("room:*", retention=Retention(7, MIB), presence=True).companion()
    assert (companion.name, companion.delivery, companion.retention, companion.presence) == (
        "room:*/presence",
        "latest",
        Retention(7, MIB, last_per_key=True),
        False,
    )
