"""The four runs: publishes answered, events received, signals answered, connections opened."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from random import Random
from typing import Any

from neurograph_ws_client import Event, Gap, HubError, NeurographWSClient

from ..hub import close, connected, new_client
from ..notes import Notes
from ..settings import Settings
from .plan import Plan, rate_of
from .results import Results

NAME = "bench.entry"
_FILLING = "x"

# Seconds for what is on its way when everything is sent.
_PATIENCE = 10.0


async def run(settings: Settings, plan: Plan) -> tuple[Results, str]:
    """The results, and the node that was measured."""
    runs: dict[str, Callable[[Settings, Plan], Awaitable[tuple[Results, str]]]] = {
        "conn": _connections,
        "sub": _subscribers,
    }
    return await runs.get(plan.kind, _senders)(settings, plan)


async def _many(stack: AsyncExitStack, settings: Settings, count: int) -> list[NeurographWSClient]:
    """So many connected clients."""
    notes = Notes(settings)
    return [await stack.enter_async_context(connected(settings, notes)) for _ in range(count)]


def _node(client: NeurographWSClient) -> str:
    return client.welcome.node if client.welcome else "?"


async def _senders(settings: Settings, plan: Plan) -> tuple[Results, str]:
    async with AsyncExitStack() as stack:
        clients = await _many(stack, settings, plan.clients)
        assert clients[0].welcome is not None  # noqa: S101 - connected
        results = Results(rate=rate_of(plan, clients[0].welcome.limits, plan.clients))
        work = _emitting(plan) if plan.kind == "emit" else _publishing(plan)
        await _pace(results, plan, clients, work)
        return results, _node(clients[0])


def _publishing(plan: Plan) -> Callable[[NeurographWSClient, int, float], Awaitable[object]]:
    run_id = secrets.token_urlsafe(6)

    async def publish(client: NeurographWSClient, number: int, _due: float) -> object:
        data = {"run": run_id, "n": number, "fill": _FILLING * plan.size}
        return await client.publish(plan.channel, data, event=NAME, mid=None)

    return publish


def _emitting(plan: Plan) -> Callable[[NeurographWSClient, int, float], Awaitable[object]]:
    random = Random(plan.events)  # noqa: S311 - not for secrets

    async def emit(client: NeurographWSClient, _number: int, _due: float) -> object:
        return await client.emit(NAME, [random.random() for _ in range(8)])

    return emit


async def _pace(
    results: Results,
    plan: Plan,
    clients: list[NeurographWSClient],
    work: Callable[[NeurographWSClient, int, float], Awaitable[object]],
) -> None:
    """Each piece of work when it is due, whatever became of those before."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert results.rate is not None  # noqa: S101 - set by the caller

    async def one(number: int, due: float) -> None:
        try:
            await work(clients[number % len(clients)], number, due)
        except HubError as fault:
            results.errors[fault.error or type(fault).__name__] += 1
        else:
            results.answered += 1
            results.latencies.append(loop.time() - due)

    async with asyncio.TaskGroup() as group:
        for number in range(plan.events):
            due = began + number / results.rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            group.create_task(one(number, due))
            results.sent += 1
    results.took = loop.time() - began


async def _subscribers(settings: Settings, plan: Plan) -> tuple[Results, str]:
    """One publisher, many subscribers: how long from when a publish was due until each has it."""
    async with AsyncExitStack() as stack:
        clients = await _many(stack, settings, plan.clients + 1)
        publisher, subscribers = clients[0], clients[1:]
        assert publisher.welcome is not None  # noqa: S101 - connected
        results = Results(rate=rate_of(plan, publisher.welcome.limits, 1), expected=plan.events * plan.clients)
        arrivals = _Arrivals(results, secrets.token_urlsafe(6))
        await asyncio.gather(
            *(one.subscribe(plan.channel, arrivals.take, start="new", delivery="all", gaps=True) for one in subscribers)
        )

        async def publish(client: NeurographWSClient, number: int, due: float) -> object:
            arrivals.due[number] = due
            data = {"run": arrivals.run_id, "n": number, "fill": _FILLING * plan.size}
            return await client.publish(plan.channel, data, event=NAME, mid=None)

        await _pace(results, plan, [publisher], publish)
        results.latencies = arrivals.latencies
        await arrivals.all(_PATIENCE)
        results.took = arrivals.took
        return results, _node(publisher)


class _Arrivals:
    """Events of this run, as they come to any subscriber."""

    def __init__(self, results: Results, run_id: str) -> None:
        self.run_id = run_id
        self.due: dict[int, float] = {}
        self.latencies: list[float] = []
        self._results = results
        self._loop = asyncio.get_running_loop()
        self._began = self._last = self._loop.time()
        self._done = asyncio.Event()

    def take(self, item: Event[Any] | Gap) -> None:
        """One event, or a gap."""
        if isinstance(item, Gap):
            self._results.gaps += 1
            return
        data = item.data
        if not isinstance(data, dict) or data.get("run") != self.run_id:
            return
        self._last = self._loop.time()
        self.latencies.append(self._last - self.due[data["n"]])
        self._results.received += 1
        if self._results.received == self._results.expected:
            self._done.set()

    @property
    def took(self) -> float:
        """Seconds from the beginning to the last arrival."""
        return self._last - self._began

    async def all(self, patience: float) -> None:
        """Wait for those that are on their way."""
        try:
            async with asyncio.timeout(patience):
                await self._done.wait()
        except TimeoutError:
            return


async def _connections(settings: Settings, plan: Plan) -> tuple[Results, str]:
    """Connections opened at a rate, each until its `welcome`; all of them stand until the last one does."""
    results = Results(rate=plan.rate or 50.0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    opened: list[NeurographWSClient] = []

    async def one(due: float) -> None:
        client = new_client(settings)
        try:
            await client.connect()
        except HubError as fault:
            results.errors[fault.error or type(fault).__name__] += 1
        else:
            results.answered += 1
            results.latencies.append(loop.time() - due)
            opened.append(client)

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(plan.clients):
                due = began + number / (results.rate or 1.0)
                await asyncio.sleep(max(0.0, due - loop.time()))
                group.create_task(one(due))
                results.sent += 1
        results.took = loop.time() - began
    finally:
        await asyncio.gather(*map(close, opened))
    return results, _node(opened[0]) if opened else "?"
