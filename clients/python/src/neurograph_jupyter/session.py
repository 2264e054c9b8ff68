"""A hub as a notebook uses it: every call blocks, nothing needs `await`."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from neurograph_ws_client import Emitted, Event, Filter, NeurographWSClient, UnknownChannel, encode_text
from neurograph_ws_client.expressions import ExpressionError, filter_of
from neurograph_ws_client.rest import Rest
from neurograph_ws_client.urls import masked

from .errors import NotebookError, QueryError
from .feed import Feed, Handler
from .live import LiveView
from .matching import matches
from .queries import MAX_NEIGHBORS, Query, parsed
from .recording import Recording
from .results import Link, QueryResult, event_row
from .worker import Place, Worker

PAGE = 1_000
"""Tokens that the hub tells at a time."""
MAX_SCANNED = 100_000
"""Newest tokens that a question looks at."""
MAX_FEEDS = 16
LOOKUPS = 8
"""Tokens that are asked for side by side."""

# Of a token, in the order in which they are shown; the rest follows.
_TOKEN = ("token_id", "type", "priority", "is_novel", "nearest_id", "nearest_dist", "vector", "weight", "created")


class NotebookSession:
    """A connection to a hub, and what a notebook does with it; `neurograph_db` in a notebook.

    `path` keeps what is followed in a file, and reads it back next time. `runtime` is a hub inside the process, which
    ends with the session. Handlers run at `place`. `timeout`: seconds for each question. Errors are those of the client
    (HubError), NotebookError and TimeoutError.
    """

    def __init__(
        self,
        url: str = "ws://localhost:8000/ws",
        *,
        token: str | None = None,
        path: Path | str | None = None,
        runtime: Any = None,
        place: Place | None = None,
        timeout: float = 10.0,
    ) -> None:
        self.url = url
        self._token = token
        self._runtime = runtime
        self._place = Place() if place is None else place
        self._timeout = timeout
        self._client = self._new_client("notebook")
        self._rest = Rest(url, token, timeout)
        self._recording = None if path is None else Recording(Path(path), masked(url))
        self.feeds: dict[str, Feed] = {}
        self._worker = Worker()

    # -- life ----------------------------------------------------------------------------------------------------------

    def connect(self) -> Self:
        """Connect; raises what refused it, and leaves nothing behind then."""
        try:
            self._worker.wait(self._client.connect(), self._timeout)
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End feeds, connection, recording, and the hub inside the process; may be called more than once."""
        if not self._worker.is_running:
            return
        for name in list(self.feeds):
            self.drop(name)
        with contextlib.suppress(TimeoutError):
            self._worker.wait(self._client.close(), self._timeout)
        self._worker.stop()
        if self._recording is not None:
            self._recording.close()
        if self._runtime is not None:
            self._runtime.stop()

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def state(self) -> str:
        """Of the connection."""
        return str(self._client.state)

    def __repr__(self) -> str:
        role = f" as {self._client.role}" if self._client.role else ""
        return f"<NotebookSession {masked(self.url)} {self.state}{role}, {len(self.feeds)} feeds>"

    def _repr_html_(self) -> str:
        return self.overview()._repr_html_()

    # -- questions -----------------------------------------------------------------------------------------------------

    def query(self, text: str) -> QueryResult:
        """Tokens by the small language (`neurograph_jupyter.queries.GRAMMAR`); QueryError shows it.

        All nodes come newest first, of the newest 100,000; neighbours come nearest first.
        """
        query = parsed(text)
        rows, note = self._all(query) if query.around is None else self._neighbors(query)
        center = None if query.around is None else _named(query.around)
        return QueryResult(rows, text.strip(), center=center, links=self._links, note=note)

    def events(self, channel: str, *, last: int = 1000) -> QueryResult:
        """The newest events of a channel that the hub still has, oldest first, behind those of the recording."""
        told = self._worker.wait(self._client.history(channel, last=last, timeout=self._timeout))
        known = {event.position for event in told}
        past = [] if self._recording is None else self._recording.past(channel)
        before = [event for event in past if event.position not in known]
        chosen = sorted([*before, *told], key=lambda event: event.ts)[-last:]
        note = f"of them from the recording {len(before)}" if before else ""
        return QueryResult([event_row(event) for event in chosen], f"{channel}, newest {len(chosen):,}", note=note)

    def emit(
        self,
        event_type: str,
        vector_or_text: Sequence[float] | str,
        *,
        priority: int = 128,
        payload: Any = None,
    ) -> Emitted:
        """Send a signal: 8 numbers, or a text, which goes along as `payload.text` unless a payload is given."""
        vector: Sequence[float]
        if isinstance(vector_or_text, str):
            vector = encode_text(vector_or_text)
            payload = {"text": vector_or_text} if payload is None else payload
        else:
            vector = vector_or_text
        work = self._client.emit(event_type, vector, priority=priority, payload=payload, retry=True)
        return self._worker.wait(work, self._timeout)

    def publish(self, channel: str, data: Any = None, *, event: str = "message", key: str | None = None) -> str:
        """Store an event in a channel. -> its position"""
        work = self._client.publish(channel, data, event=event, key=key, retry=True)
        return self._worker.wait(work, self._timeout).position

    def overview(self) -> QueryResult:
        """The hub and this session in a few figures."""
        told = self._rest.call("GET", "/api/v1/status")
        figures = {
            name: value for name, value in told.items() if name != "name" and not isinstance(value, Mapping | list)
        }
        mine = {"url": masked(self.url), "role": self._client.role, "connection": self.state}
        if self._recording is not None:
            mine["recording"] = repr(self._recording)
        rows = [{"name": name, "value": value} for name, value in {**mine, **figures}.items()]
        return QueryResult(rows, "hub")

    def stats(self) -> QueryResult:
        """What went in and out of the connection and of each feed."""
        stats = self._client.stats()._asdict()
        rows = [{"name": name, "value": value} for name, value in stats.items() if not isinstance(value, Mapping)]
        rows += [{"name": f"feed {name}", "value": repr(feed)} for name, feed in self.feeds.items()]
        return QueryResult(rows, "session")

    def channels(self) -> QueryResult:
        """The channels that the role may see."""
        told = self._rest.call("GET", "/api/v1/channels")
        columns = ("name", "position", "entries", "subscribers", "rights")
        return QueryResult([{name: one.get(name) for name in columns} for one in told["channels"]], "channels")

    # -- feeds ---------------------------------------------------------------------------------------------------------

    def subscribe(
        self,
        channel: str,
        handler: Handler | None = None,
        *,
        filter: Filter | str | None = None,  # noqa: A002 - the protocol's word
        last: int = 0,
        name: str | None = None,
    ) -> Feed:
        """Follow a channel, behind its newest `last` events; `handler` gets each event that comes.

        `filter` is a filter of PROTOCOL.md (F) or an expression; with one the hub sends the past as well, which then
        comes like anything else. A feed of the same `name` is replaced.
        """
        named = name if name is not None else self._free_name(channel)
        condition = _condition(filter)
        if named not in self.feeds and len(self.feeds) >= MAX_FEEDS:
            raise NotebookError(
                f"expected at most {MAX_FEEDS} feeds, have {', '.join(self.feeds)}; drop(NAME) ends one"
            )
        past: Sequence[Event[Any]] = ()
        if last and condition is None:
            past = self._worker.wait(self._client.history(channel, last=last, timeout=self._timeout))
            last = 0
        self.drop(named)
        feed = self._worker.wait(self._begun(named, channel, handler, condition, past, last), self._timeout)
        self.feeds[named] = feed
        return feed

    def live(
        self,
        channel: str = "signals",
        *,
        filter: Filter | str | None = None,  # noqa: A002 - the protocol's word
        last: int = 0,
    ) -> LiveView:
        """A view that moves: events per half second, and the newest of them (extra `jupyter`)."""
        return LiveView(self.subscribe(channel, filter=filter, last=last, name=f"live {channel}"))

    def drop(self, name: str) -> None:
        """End a feed, if there is one of that name."""
        feed = self.feeds.pop(name, None)
        if feed is not None:
            feed.stop()

    async def _begun(
        self,
        name: str,
        channel: str,
        handler: Handler | None,
        condition: Filter | None,
        past: Sequence[Event[Any]],
        last: int,
    ) -> Feed:
        client = self._new_client(name)
        kept = () if self._recording is None else (self._recording.add,)
        feed = Feed(name, channel, client, self._worker, place=self._place, handler=handler, listeners=kept)
        await feed.begin(condition, past, last)
        return feed

    def _new_client(self, name: str) -> NeurographWSClient:
        return NeurographWSClient(self.url, token=self._token, name=f"jupyter {name}"[:64], timeout=self._timeout)

    def _free_name(self, channel: str) -> str:
        names = (f"{channel} {number}" for number in range(1, MAX_FEEDS + 2))
        return next(name for name in names if name not in self.feeds)

    # -- tokens over REST ----------------------------------------------------------------------------------------------

    def _all(self, query: Query) -> tuple[list[dict[str, Any]], str]:
        rows: list[dict[str, Any]] = []
        for scanned, row in enumerate(self._tokens(), 1):
            if query.condition is None or matches(query.condition, row):
                rows.append(row)
                if len(rows) == query.limit:
                    return rows, "limit reached, there may be more"
            if scanned == MAX_SCANNED:
                return rows, f"of the newest {MAX_SCANNED:,} tokens"
        return rows, ""

    def _tokens(self) -> Iterator[dict[str, Any]]:
        """Newest first."""
        before = ""
        while True:
            page = self._rest.call("GET", f"/api/v1/tokens?limit={PAGE}{before}")
            yield from (_token_row(token) for token in page["tokens"])
            if page.get("next") is None:
                return
            before = f"&before={page['next']}"

    def _neighbors(self, query: Query) -> tuple[list[dict[str, Any]], str]:
        k = query.limit if query.condition is None else MAX_NEIGHBORS
        around = {"token_id": query.around} if isinstance(query.around, int) else {"vector": _vector(query.around)}
        body = {**around, "k": k} | ({} if query.radius is None else {"radius": query.radius})
        near = self._rest.call("POST", "/api/v1/grid/neighbors", body)["neighbors"]
        with ThreadPoolExecutor(LOOKUPS) as lookups:
            found = lookups.map(self._neighbor, near)
        rows = [row for row in found if row is not None and (query.condition is None or matches(query.condition, row))]
        is_cut = query.condition is not None and len(near) == MAX_NEIGHBORS
        return rows[: query.limit], f"among the {MAX_NEIGHBORS} nearest" if is_cut else ""

    def _neighbor(self, near: Mapping[str, Any]) -> dict[str, Any] | None:
        """The token, unless it has left since it was found."""
        try:
            row = _token_row(self._rest.call("GET", f"/api/v1/tokens/{near['token_id']}"))
        except UnknownChannel:
            return None
        distance = float(near["distance"])
        head = {"token_id": row.pop("token_id"), "type": row.pop("type")}
        return {**head, "distance": distance, "similarity": 1 / (1 + distance), **row}

    def _links(self) -> list[Link]:
        told = self._rest.call("GET", f"/api/v1/connections?limit={PAGE}")["connections"]
        return [Link(one["token_a"], one["token_b"], one.get("preferred_distance"), one["kind"]) for one in told]


def _token_row(token: Mapping[str, Any]) -> dict[str, Any]:
    renamed = {("type" if name == "event_type" else name): value for name, value in token.items()}
    return {name: renamed.pop(name, None) for name in _TOKEN} | renamed


def _vector(around: Any) -> list[float]:
    return encode_text(around) if isinstance(around, str) else list(around)


def _named(around: Any) -> str:
    return around if isinstance(around, str) else f"token {around}" if isinstance(around, int) else "the vector"


def _condition(given: Filter | str | None) -> Filter | None:
    if not isinstance(given, str):
        return given
    try:
        return filter_of(given)[0]
    except ExpressionError as fault:
        raise QueryError(f"filter: {fault}".replace("\n       ", "\n")) from fault
