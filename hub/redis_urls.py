"""Addresses of Redis: their four forms, and how they are shown without what is secret in them."""

from urllib.parse import urlsplit

FORMS = ("redis", "rediss", "redis+sentinel", "redis+cluster")
_MANY = frozenset({"redis+sentinel", "redis+cluster"})


def problem(url: str) -> str:
    """What is wrong with `url`, without repeating it; empty if nothing is."""
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in FORMS:
        shown = f"the scheme {scheme!r}" if separator else "no scheme"
        return f"expected {', '.join(f'{form}://' for form in FORMS)}, came {shown}"
    hosts = _hosts(url)
    if not hosts or not all(_is_address(host) for host in hosts):
        return "expected HOST or HOST:PORT behind the scheme, came none"
    if len(hosts) > 1 and scheme not in _MANY:
        return f"expected one host under {scheme}://, came {len(hosts)}"
    path = urlsplit(url).path.strip("/")
    if scheme == "redis+sentinel" and not path:
        return "expected the name of the service behind the sentinels (…/SERVICE), came none"
    if scheme in ("redis", "rediss") and path and not path.isdecimal():
        return "expected the number of a database behind the host, came a name"
    return ""


def shown(url: str) -> str:
    """Scheme, hosts and path: no user, no password, no query."""
    return f"{url.partition('://')[0]}://{','.join(_hosts(url))}{urlsplit(url).path.rstrip('/')}"


def _hosts(url: str) -> list[str]:
    return [host for host in urlsplit(url).netloc.rpartition("@")[2].split(",") if host]


def _is_address(host: str) -> bool:
    try:
        parts = urlsplit(f"//{host}")
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
