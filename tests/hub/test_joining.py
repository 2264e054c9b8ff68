"""What joins a node to others is made from its settings, and nothing is contacted for that."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from channels.backplane.alone import AloneBus
from channels.backplane.fallback import LocalWhenAway
from channels.backplane.options import StoreOptions
from channels.errors import ConfigError
from hub import commands, joining
from hub.config import Settings
from tests.support.store import RemoteBackplane, Store


def settings(**given: Any) -> Settings:
    return Settings(**{"node": "n1", **given})


def install(monkeypatch: pytest.MonkeyPatch) -> list[StoreOptions]:
    """A package of the name that the backplane over Redis has."""
    asked: list[StoreOptions] = []

    def join(options: StoreOptions) -> tuple[Any, Any]:
        asked.append(options)
        return RemoteBackplane(Store()), AloneBus(options.node)

    monkeypatch.setitem(sys.modules, "channels.backplane.redis", SimpleNamespace(join=join))
    return asked


@pytest.mark.clause("N17")
def test_a_node_without_redis_is_alone() -> None:
    backplane, bus = joining.join(settings())
    assert (backplane, bus.node, dict(bus.nodes())) == (None, "n1", {})


@pytest.mark.clause("N1")
def test_the_backplane_is_told_what_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = install(monkeypatch)
    given = {"redis_prefix": "x", "redis_connect": 3, "redis_command": 4, "redis_pool": 5, "outbox": 6}
    backplane, bus = joining.join(
        settings(redis_url="redis://:pass@a", outbox_wait=7, bus_message="2MiB", heal_rate=8, **given)
    )
    assert (type(backplane), bus.node) == (RemoteBackplane, "n1")
    assert asked == [StoreOptions("redis://:pass@a", "n1", "x", 3, 4, 5, 6, 7, 2_097_152, 8)]
    assert "pass" not in repr(asked)


@pytest.mark.clause("N11")
def test_only_by_choice_a_node_goes_on_without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    backplane, _ = joining.join(settings(redis_url="redis://a", redis_absent="local"))
    assert isinstance(backplane, LocalWhenAway)


def test_a_hub_without_the_package_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(joining, "import_module", missing)
    with pytest.raises(ConfigError, match="NG_REDIS_URL: expected the package redis"):
        joining.join(settings(redis_url="redis://a"))


def test_check_shows_the_store_without_its_password_and_does_not_ask_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch)
    assert commands.check(settings(redis_url="redis://:pass@a:6379/1", port=0, dev_file=None), {}) == 0
    assert "redis      ok, redis://a:6379/1, prefix ng (not contacted)\n" in capsys.readouterr().out
