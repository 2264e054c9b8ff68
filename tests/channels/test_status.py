from channels.channel import ChannelConfig
from channels.directory import OpenLog
from channels.status import ChannelStatus


def test_a_status_joins_the_figures_of_the_plane_and_of_the_broker() -> None:
    config = ChannelConfig("room:*")
    log = OpenLog("room:1", 7, config, None, None, is_fixed=False, subscriptions=3)
    info: dict[str, object] = {
        "channel": "room:1",
        "epoch": "k3Fq",
        "head": 12,
        "first": 4,
        "entries": 9,
        "bytes": 1_024,
        "keys": 2,
        "cursors": 5,
        "appended": 12,
    }
    assert ChannelStatus.of(log, info) == ChannelStatus("room:1", "k3Fq:12", 4, 9, 1_024, 2, 12, 3, config)
