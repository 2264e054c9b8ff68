"""hub/config.py, hub/refusals.py: where settings come from, and which are refused with what sentence."""

from pathlib import Path
from typing import Any

import pytest

from channels.buckets import Rate
from channels.errors import ConfigError
from hub.config import Settings, load_settings
from hub.environment import unknown_variables
from hub.refusals import DEVELOPMENT_PREFIX

SECRET = "q7Zr0V1mXc9LkT3bN5yHs8JdW2fGpAeU"
PRODUCTION: dict[str, Any] = {
    "mode": "production",
    "jwt_secret": SECRET,
    "jwt_issuer": "https://id.example",
    "jwt_audience": "hub",
}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("NG_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def faults(**flags: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(flags)
    return str(caught.value).splitlines()


def test_defaults_are_those_of_the_documents() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.mode) == ("127.0.0.1", 8000, "development")
    assert (settings.max_connections, settings.max_connections_per_address) == (20_000, 200)
    assert settings.rate_publish == Rate(60, 10)
    assert settings.metrics_interval == 5.0
    assert settings.anonymous
    assert settings.url_credentials


def test_flags_win_over_the_environment_which_wins_over_the_file_which_wins_over_defaults(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "hub.toml"
    file.write_text("port = 1\nmax_headers = 1\nmax_in_flight = 1\n")
    monkeypatch.setenv("NG_CONFIG", str(file))
    monkeypatch.setenv("NG_PORT", "2")
    monkeypatch.setenv("NG_MAX_HEADERS", "2")
    settings = load_settings({"port": "3"})
    assert (settings.port, settings.max_headers, settings.max_in_flight, settings.http_concurrency) == (3, 2, 1, 256)


def test_the_file_may_be_named_by_a_flag_and_carries_tables(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text('[channels."room:*"]\nsubscribe = ["viewer"]\n')
    assert load_settings({"config": str(file)}).channels == {"room:*": {"subscribe": ["viewer"]}}


@pytest.mark.accept("D5")
def test_the_strict_preset_changes_defaults_and_nothing_that_was_set(tmp_path: Path) -> None:
    strict = load_settings({"limits": "strict"})
    assert (strict.max_connections, strict.max_connections_per_address) == (100, 10)
    file = tmp_path / "hub.toml"
    file.write_text("max_connections = 7\n")
    mixed = load_settings({"limits": "strict", "config": str(file)})
    assert (mixed.max_connections, mixed.max_connections_per_address) == (7, 10)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"port": "abc"}, "NG_PORT: expected a whole number, came 'abc'"),
        ({"mode": "test"}, "NG_MODE: expected 'development' or 'production', came 'test'"),
        ({"anonymous": "perhaps"}, "NG_ANONYMOUS: expected true or false, came 'perhaps'"),
        ({"max_message": "2 apples"}, "NG_MAX_MESSAGE: expected a size such as 65536 or 64MiB, came '2 apples'"),
        ({"heartbeat_interval": 31}, "NG_HEARTBEAT_INTERVAL: expected less than or equal to 30, came 31"),
        ({"rate_publish": "fast"}, "NG_RATE_PUBLISH: expected capacity/refill such as 60/10, came 'fast'"),
        ({"origins": "example.org"}, "NG_ORIGINS: expected scheme://host[:port] without a path, came 'example.org'"),
        ({"proxies": "lan"}, "NG_PROXIES: expected an address or a network such as 10.0.0.0/8, came 'lan'"),
        ({"node": "a b"}, "NG_NODE: expected 1 to 64 of A-Z a-z 0-9 _ . -, came 'a b'"),
        ({"colour": 1}, "colour: expected a setting, came a name that is none; neurograph-hub --help lists them"),
        ({"jwt_secret": "short"}, "NG_JWT_SECRET: expected at least 32 bytes, came 5"),
        (
            {"rate_emit": "10/10"},
            "NG_EMIT_BATCH: expected at most the capacity of NG_RATE_EMIT (10, L15), came 1000",
        ),
    ],
)
def test_a_wrong_value_names_the_setting_what_was_expected_and_what_came(flags: dict[str, Any], expected: str) -> None:
    assert faults(**flags) == [expected]


def test_every_wrong_value_is_told_at_once() -> None:
    assert [line.split(":")[0] for line in faults(port="x", io_threads=0)] == ["NG_PORT", "NG_IO_THREADS"]


def test_a_wrong_secret_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text("jwt_secret = 12345\n")
    assert faults(config=str(file)) == [f"jwt_secret: expected text, came *** (in {file})"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('port = "x"', "port: expected a whole number, came 'x' (in FILE)"),
        ('proxies = "lan"', "proxies: expected an address or a network such as 10.0.0.0/8, came 'lan' (in FILE)"),
        ("channels = 1", "channels: expected a table of the TOML file, came 1 (in FILE)"),
        (
            "[chanels.x]",
            "[chanels] is no setting (in FILE); the nearest is channels; "
            "tables are [channels.NAME], [api_keys.NAME], [users.NAME], [issuers.NAME], --help lists the rest",
        ),
    ],
)
def test_a_wrong_value_of_the_file_names_the_file_and_its_key(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "hub.toml"
    file.write_text(text + "\n")
    assert faults(config=str(file)) == [expected.replace("FILE", str(file))]


def test_a_wrong_variable_is_not_blamed_on_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "hub.toml"
    file.write_text("port = 1\n")
    monkeypatch.setenv("NG_PORT", "y")
    assert faults(config=str(file)) == ["NG_PORT: expected a whole number, came 'y'"]


def test_a_secret_that_is_too_short_is_told_once_in_production_too() -> None:
    assert faults(**{**PRODUCTION, "jwt_secret": "short"}) == ["NG_JWT_SECRET: expected at least 32 bytes, came 5"]


def test_a_file_that_is_missing_or_no_toml_stops_the_start(tmp_path: Path) -> None:
    assert faults(config=str(tmp_path / "none.toml"))[0].startswith("NG_CONFIG: expected a readable file, came")
    file = tmp_path / "bad.toml"
    file.write_text("port = \n")
    assert faults(config=str(file))[0].startswith("NG_CONFIG: expected TOML in")


@pytest.mark.accept("C1")
def test_production_without_a_secret_is_refused_with_a_sentence_that_says_what_to_set() -> None:
    (sentence,) = faults(mode="production")
    assert "set NG_JWT_SECRET to at least 32 random bytes" in sentence
    assert "NG_JWT_JWKS" in sentence


def test_production_needs_an_issuer_and_an_audience() -> None:
    (sentence,) = faults(**{**PRODUCTION, "jwt_audience": None})
    assert sentence.startswith("production needs NG_JWT_ISSUER and NG_JWT_AUDIENCE")


def test_production_starts_with_a_secret_an_issuer_and_an_audience() -> None:
    assert load_settings(PRODUCTION).is_production


@pytest.mark.parametrize(
    ("change", "begins"),
    [
        ({"test_echo": True}, "NG_TEST_ECHO: a test switch, refused in production"),
        ({"users": {"ann": {}}}, "[users]: the development issuer does not exist in production"),
        ({"jwt_secret": DEVELOPMENT_PREFIX + SECRET}, "NG_JWT_SECRET: expected a secret of its own"),
        ({"jwt_secret": "changeme" * 5}, "NG_JWT_SECRET: expected random bytes, came a sample"),
        ({"jwt_secret": "ab" * 20}, "NG_JWT_SECRET: expected random bytes, came a sample"),
    ],
)
def test_id10_production_refuses_test_switches_sample_secrets_and_development_users(
    change: dict[str, Any], begins: str
) -> None:
    (sentence,) = faults(**{**PRODUCTION, **change})
    assert sentence.startswith(begins)


def test_id10_development_listens_on_loopback_only() -> None:
    (sentence,) = faults(host="0.0.0.0")
    assert sentence.startswith("NG_HOST: development listens on loopback only")
    assert [load_settings({"host": host}).host for host in ("127.0.0.2", "::1", "localhost")]
    assert load_settings({**PRODUCTION, "host": "0.0.0.0"}).host == "0.0.0.0"


@pytest.mark.clause("N1")
@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "rediss://user:pass@redis.example:6380/2",
        "redis+sentinel://a:26379,b:26379/mymaster",
        "redis+cluster://a:7000,b:7001",
    ],
)
def test_nodes_are_joined_by_any_form_of_redis(url: str) -> None:
    settings = load_settings({"redis_url": url})
    assert settings.redis_url is not None
    assert "pass" not in repr(settings)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (
            "http://localhost",
            "expected redis://, rediss://, redis+sentinel://, redis+cluster://, came the scheme 'http'",
        ),
        ("localhost:6379", "came no scheme"),
        ("redis://", "expected HOST or HOST:PORT behind the scheme"),
        ("redis://a:port", "expected HOST or HOST:PORT behind the scheme"),
        ("redis://a,b", "expected one host under redis://, came 2"),
        ("redis+sentinel://a:26379", "expected the name of the service behind the sentinels"),
        ("redis://a/zero", "expected the number of a database"),
    ],
)
def test_an_address_of_redis_that_is_none_is_told(url: str, says: str) -> None:
    (sentence,) = faults(redis_url=url)
    assert sentence.startswith("NG_REDIS_URL: ")
    assert says in sentence


def test_what_redis_keeps_is_not_kept_on_disk_too() -> None:
    (sentence,) = faults(redis_url="redis://a", channels={"actions": {"retention": {"durable": True}}})
    assert sentence.startswith("NG_REDIS_URL: with it the logs live in Redis")
    assert "retention.durable out of actions" in sentence


@pytest.mark.clause("R2")
def test_joined_nodes_in_production_need_keys_that_they_share() -> None:
    alone = {name: value for name, value in PRODUCTION.items() if name != "jwt_secret"}
    keys = {**alone, "jwt_jwks": "https://id.example/keys", "redis_url": "redis://a"}
    (sentence,) = faults(**keys)
    assert sentence.startswith("NG_TOKEN_KEYS: nodes that are joined by NG_REDIS_URL need the same keys")
    assert load_settings({**keys, "token_keys": "k" * 32}).redis_url is not None


def test_a_durable_channel_needs_a_data_directory() -> None:
    (sentence,) = faults(channels={"actions": {"retention": {"durable": True}}, "logs": {"retention": {}}})
    assert sentence == "NG_DATA_DIR: expected a directory for the durable log of actions, came nothing"


def test_sealing_keys_are_long_enough_and_the_one_that_is_not_is_named() -> None:
    (sentence,) = faults(token_keys=f"{'k' * 32},short")
    assert sentence == "NG_TOKEN_KEYS: expected at least 32 bytes in each key, came 5 in key 2"


@pytest.mark.clause("M50")
def test_nobody_is_asked_to_go_later_than_the_deadline() -> None:
    (sentence,) = faults(drain_window=31)
    assert sentence.startswith("NG_DRAIN_WINDOW: expected at most NG_DRAIN_DEADLINE (30), came 31")
    production = Settings(mode="production", jwt_secret=SECRET, jwt_issuer="i", jwt_audience="a")  # type: ignore[arg-type]
    assert [one.announce_seconds for one in (Settings(), production, Settings(drain_announce=2))] == [0.0, 5.0, 2.0]


def test_one_issuer_has_one_family_of_keys() -> None:
    (sentence,) = faults(jwt_secret=SECRET, jwt_jwks="https://id.example/keys")
    assert sentence.startswith("NG_JWT_SECRET and NG_JWT_JWKS: expected one of them, came both")


@pytest.mark.parametrize("source", ["http://id.example/keys", "file:///etc/keys", "ftp://x/y"])
def test_id3_keys_come_from_a_file_or_over_https_only(source: str) -> None:
    (sentence,) = faults(jwt_jwks=source)
    assert sentence == f"NG_JWT_JWKS: expected the path of a file or an https:// URL, came {source!r}"


def test_secrets_do_not_show() -> None:
    settings = load_settings({"jwt_secret": SECRET, "users": {"ann": {"password": SECRET}}})
    assert SECRET not in repr(settings) + str(settings)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1


def test_a_misspelt_variable_is_noticed() -> None:
    environment = {"NG_PROT": "1", "NG_PORT": "1", "NG_TOKEN": "t", "PATH": "/bin"}
    assert unknown_variables(environment) == {"NG_PROT": "; the nearest is NG_PORT"}
    assert unknown_variables({"NG_QQQQQQ": "1"}) == {"NG_QQQQQQ": ""}


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
