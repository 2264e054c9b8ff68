"""The client has what its documents promise: every name, every default, in the same words."""

import ast
import inspect
from typing import Any

import neurograph_ws_client as package
import pytest
from neurograph_ws_client import NeurographWSClient, Subscription, SyncClient, SyncSubscription

# clients.md, section 2; what the code has beyond it is by name only, and has a default.
PROMISED = """
def __init__(self, url="ws://localhost:8000/ws", *, token=None, reconnection_token=None, positions=None,
             auto_reconnect=True, backoff=Backoff(), encoding="json", compression=True, connect_timeout=10.0,
             timeout=5.0, send_queue=0, name=None, version=None, headers=None, ssl=None, proxy=True, debug=False): ...
async def connect(self, *, retry=False): ...
async def run_forever(self): ...
async def close(self, code=1000, reason="", *, forget=False): ...
async def wait_for(self, state, timeout=None): ...
def subscribe(self, channel, handler=None, *, filter=None, start=None, delivery=None, on_slow=None, max_rate=None,
              ack=None, queue_size=1000, on_full="gap", gaps=False, type=None): ...
async def unsubscribe(self, *channels): ...
async def publish(self, channel, data=None, *, event="message", key=None, tags=None, mid=AUTO, timeout=None,
                  retry=False): ...
async def publish_media(self, channel, payload, *, event, content_type, meta=None, encoding="auto"): ...
async def emit(self, event_type, vector, *, priority=128, payload=None, mid=None, retry=False): ...
async def emit_batch(self, event_type, vectors, *, priority=128, payload=None, mid=None): ...
async def emit_text(self, text, *, event_type="signal.input.text", priority=200, include_text=False): ...
async def history(self, channel, *, last=100, filter=None): ...
async def ping(self): ...
async def get_reconnection_token(self): ...
async def send(self, message): ...
async def request(self, message, timeout=None): ...
async def diagnose(self): ...
def stats(self): ...
def on(self, event, handler): ...
"""
MEMBERS = "state welcome role rtt positions reconnection_token"
SUBSCRIPTION = "channel state position recovered queued dropped next update unsubscribe"
EVENT = "channel event data offset position ts key tags content_type meta"
NAMES = (
    "Channel State Backoff TokenRequest TokenSource NeurographWSClient Subscription Event Start Last Since Emitted "
    "Neighbor Published Gap SyncClient encode_text near Axis FileStore PositionStore ReconnectionToken Welcome "
    "BadRequest AuthError PermissionDenied UnknownChannel ResumeExpired TooLarge RateLimited ServerError Unavailable "
    "Closed RequestTimeout Disconnected HubError"
)


def promises() -> list[Any]:
    functions = (one for one in ast.parse(PROMISED).body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
    return [pytest.param(one, id=one.name) for one in functions]


@pytest.mark.parametrize("promised", promises())
def test_a_method_has_the_parameters_that_are_promised(promised: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    method = getattr(NeurographWSClient, promised.name)
    assert inspect.iscoroutinefunction(method) is isinstance(promised, ast.AsyncFunctionDef)
    names: dict[str, Any] = {name: getattr(package, name) for name in package.__all__}
    exec(ast.unparse(promised), names)
    wanted, has = inspect.signature(names[promised.name]).parameters, inspect.signature(method).parameters
    for name, parameter in wanted.items():
        assert (name, has[name].kind, has[name].default) == (name, parameter.kind, parameter.default)
    beyond = [one for name, one in has.items() if name not in wanted]
    assert all(one.kind is one.KEYWORD_ONLY and one.default is not one.empty for one in beyond)


def test_the_members_of_a_client_a_subscription_and_an_event_are_there() -> None:
    for kind in (NeurographWSClient, SyncClient):
        assert [name for name in MEMBERS.split() if not isinstance(getattr(kind, name, None), property)] == []
    inside = set(dir(Subscription)) | set(vars(SyncSubscription))
    assert set(SUBSCRIPTION.split()) - inside - {"channel", "state", "recovered"} == set()
    assert set(EVENT.split()) - set(dir(package.Event)) == set()


def test_every_name_of_the_documents_is_public() -> None:
    assert set(NAMES.split()) - set(package.__all__) == set()
    assert [name for name in package.__all__ if not hasattr(package, name)] == []


def test_the_axes_and_channels_have_the_words_of_the_documents() -> None:
    assert int(package.Axis.EMOTIONAL) == 3
    assert [str(one) for one in package.Channel] == ["metrics", "signals", "actions", "logs", "status", "connections"]
