"""The page at `/`: its files with strict headers, and what a page asks before it connects (clients.md section 7)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from channels.permissions import Role
from hub.dashboard import INDEX, PageFile, read_files
from hub.http.endpoints import Call
from hub.http.guard import is_known_host
from hub.http.probes import FRESH, is_local_development
from hub.hub import Hub

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Own files only, nothing inline, and no text ever becomes markup (hardening 3.9)."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
ASSETS = "assets/"
_REVALIDATED = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"
"""Of files whose name is made from what they hold."""
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
SUBJECT = "dashboard"
"""Whom the page's own tokens name."""
COPIED = "copied"
"""Whom the tokens name that stand in the code that a person copies from the page."""


def page_routes(hub: Hub) -> list[BaseRoute]:
    """The page and its files; none where `NG_PAGE` is off."""
    if not hub.settings.page:
        return []
    files = read_files()
    return [
        Route("/", _endpoint(files, "/", lambda _: INDEX)),
        Route(f"/{ASSETS}{{name}}", _endpoint(files, "/assets", lambda request: ASSETS + request.path_params["name"])),
    ]


async def page(call: Call) -> dict[str, Any]:
    """Title, mode, whether one may come in without a token; in development tokens for the page on this machine."""
    hub = call.hub
    call.info.headers.update(FRESH)
    shown: dict[str, Any] = {
        "title": hub.settings.page_title,
        "mode": hub.settings.mode,
        "anonymous": hub.settings.anonymous,
    }
    if hub.issuer is not None and is_local_development(call) and _is_own_page(call.request):
        shown["token"] = hub.issuer.issue(SUBJECT, Role.DEVELOPER, hub.wall()).token
        shown["viewer"] = hub.issuer.issue(COPIED, Role.VIEWER, hub.wall()).token
    return shown


def _is_own_page(request: Request) -> bool:
    """Whether the hub's own page asks, with nobody in between: no page of another port, no tunnel open to others.

    `Sec-Fetch-Site` is the browser's word, which no script can change; `Host` is what stands in its address bar.
    """
    headers = request.headers
    is_direct = not any(name in headers for name in _FORWARDED)
    is_here = is_known_host(headers.get("host", ""), (), any_host=False)
    return is_direct and is_here and headers.get("sec-fetch-site") == "same-origin"


def _endpoint(
    files: Mapping[str, PageFile], route: str, name_of: Callable[[Request], str]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        request.scope["hub.route"] = route
        name = name_of(request)
        file = files.get(name)
        if file is None:
            raise HTTPException(404)
        return _respond(request, file, _FOR_EVER if name.startswith(ASSETS) else _REVALIDATED)

    return endpoint


def _respond(request: Request, file: PageFile, caching: str) -> Response:
    is_gzipped = _takes_gzip(request.headers.get("accept-encoding", ""))
    tag = f'"{file.digest}{"-gzip" if is_gzipped else ""}"'
    headers = {**HEADERS, "Cache-Control": caching, "ETag": tag, "Vary": "Accept-Encoding"}
    if _knows(request.headers.getlist("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    if not is_gzipped:
        return Response(file.body, 200, headers, file.content_type)
    return Response(file.gzipped, 200, {**headers, "Content-Encoding": "gzip"}, file.content_type)


def _takes_gzip(accepted: str) -> bool:
    """By `Accept-Encoding` (RFC 9110, 12.5.3): `gzip`, or else `*`, unless with a weight of 0."""
    weights: dict[str, bool] = {}
    for element in accepted.lower().split(","):
        coding, _, weight = element.replace(" ", "").partition(";q=")
        weights[coding] = not weight or weight.strip("0.") != ""
    return weights.get("gzip", weights.get("*", False))


def _knows(given: list[str], tag: str) -> bool:
    """Whether `If-None-Match` names the tag; compared weakly, as RFC 9110, 13.1.2 has it."""
    named = {element.strip().removeprefix("W/") for line in given for element in line.split(",")}
    return tag in named or "*" in named
