"""All HTTP routes of the hub, in one table."""

from starlette.routing import BaseRoute, Route

from hub.http import auth, clients, grid, page, probes, publishing, state, stories, tokens
from hub.http.endpoints import route
from hub.hub import Hub

API = "/api/v1"


def routes(hub: Hub) -> list[BaseRoute]:
    """Routes bound to `hub`."""
    health = hub.health
    return [
        route(hub, f"{API}/auth/token", auth.token, ["POST"], is_open=True),
        route(hub, "/token", auth.token, ["POST"], is_open=True),
        route(hub, f"{API}/auth/refresh", auth.refresh, ["POST"], is_open=True),
        route(hub, f"{API}/auth/revoke", auth.revoke, ["POST"]),
        route(hub, f"{API}/publish", publishing.publish, ["POST"]),
        route(hub, f"{API}/emit", publishing.emit, ["POST"]),
        route(hub, f"{API}/status", state.status),
        route(hub, "/status", state.status),
        route(hub, f"{API}/metrics", state.metrics),
        route(hub, f"{API}/modules", state.modules),
        route(hub, f"{API}/channels", state.channels),
        route(hub, f"{API}/channels/{{channel:path}}", state.history),
        route(hub, f"{API}/tokens", tokens.create_token, ["POST"]),
        route(hub, f"{API}/tokens", tokens.list_tokens),
        route(hub, f"{API}/tokens", tokens.clear_tokens, ["DELETE"]),
        route(hub, f"{API}/tokens/batch", tokens.create_tokens, ["POST"]),
        route(hub, f"{API}/tokens/count", tokens.count_tokens),
        route(hub, f"{API}/tokens/{{id}}", tokens.get_token),
        route(hub, f"{API}/tokens/{{id}}", tokens.change_token, ["PATCH"]),
        route(hub, f"{API}/tokens/{{id}}", tokens.delete_token, ["DELETE"]),
        route(hub, f"{API}/connections", tokens.create_connection, ["POST"]),
        route(hub, f"{API}/connections", tokens.list_connections),
        route(hub, f"{API}/connections/count", tokens.count_connections),
        route(hub, f"{API}/connections/{{id}}", tokens.get_connection),
        route(hub, f"{API}/connections/{{id}}", tokens.change_connection, ["PATCH"]),
        route(hub, f"{API}/connections/{{id}}", tokens.delete_connection, ["DELETE"]),
        route(hub, f"{API}/grid", grid.info),
        route(hub, f"{API}/grid/neighbors", grid.neighbors, ["POST"]),
        route(hub, f"{API}/grid/range", grid.inside, ["POST"]),
        route(hub, f"{API}/query", grid.query, ["POST"]),
        route(hub, f"{API}/clients", clients.list_clients),
        route(hub, f"{API}/clients/rebalance", clients.rebalance, ["POST"]),
        route(hub, f"{API}/clients/{{conn}}", clients.kick, ["DELETE"]),
        route(hub, f"{API}/clients/{{conn}}", clients.change, ["PATCH"]),
        route(hub, f"{API}/stories/{{name:path}}", stories.stories),
        route(hub, f"{API}/recorder", stories.recorder),
        route(hub, f"{API}/page", page.page, is_open=True),
        *page.page_routes(hub),
        route(hub, "/metrics", probes.metrics, is_open=True),
        Route("/health", probes.probe(lambda: health.is_live)),
        Route("/health/live", probes.probe(lambda: health.is_live)),
        Route("/health/ready", probes.probe(lambda: health.is_ready)),
        Route("/ready", probes.probe(lambda: health.is_ready)),
        Route("/health/startup", probes.probe(lambda: health.is_started)),
    ]
