"""Addresses of Redis are shown without what is secret in them."""

import pytest

from hub import redis_urls


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:pass@a:6379/2?password=pass", "redis://a:6379/2"),
        ("rediss://:p@ss@a", "rediss://a"),
        ("redis+sentinel://user:pass@a:1,b:2/mymaster", "redis+sentinel://a:1,b:2/mymaster"),
        ("redis+cluster://a:1,b:2/", "redis+cluster://a:1,b:2"),
        ("redis://[::1]:6379", "redis://[::1]:6379"),
    ],
)
def test_id10_no_password_is_shown(url: str, shown: str) -> None:
    assert (redis_urls.shown(url), redis_urls.problem(url)) == (shown, "")


def test_id10_what_is_wrong_with_an_address_does_not_repeat_it() -> None:
    for url in ("redis://user:pass@a:port", "pass", "redis://user:pass@", "redis://u:pass@a/pass"):
        assert "pass" not in redis_urls.problem(url)
        assert redis_urls.problem(url) != ""
