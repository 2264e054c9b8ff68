"""A FastAPI application that publishes what happens in it: subscribers hear of an order when it is stored.

    pip install fastapi
    export NG_TOKEN=…                       # a role that may broadcast on `actions`: admin, unless configured otherwise
    uvicorn examples.fastapi_app:app --port 8080
    curl -X POST localhost:8080/orders -H 'content-type: application/json' -d '{"item":"tea","count":2}'
    ng-ws sub actions --filter 'event == "order.placed"'

One connection for the whole application, opened and closed with it. A publish carries a `mid`, so that it is repeated
after a cut without being stored twice; when the hub cannot be reached, the request is answered 503 and not lost in
silence.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from neurograph_ws_client import Channel, Disconnected, HubError, NeurographWSClient, RequestTimeout, Unavailable
from pydantic import BaseModel, Field


class Order(BaseModel):
    """What is ordered."""

    item: Annotated[str, Field(min_length=1, max_length=100)]
    count: Annotated[int, Field(ge=1, le=1_000)] = 1


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    client = NeurographWSClient(
        os.environ.get("NG_URL", "ws://localhost:8000/ws"), token=os.environ.get("NG_TOKEN"), name="shop"
    )
    await client.connect()
    app.state.hub = client
    try:
        yield
    finally:
        await client.close()


app = FastAPI(title="Shop", lifespan=lifespan)


def hub_of(request: Request) -> NeurographWSClient:
    hub: NeurographWSClient = request.app.state.hub
    return hub


Hub = Annotated[NeurographWSClient, Depends(hub_of)]


@app.post("/orders", status_code=201)
async def place(order: Order, hub: Hub) -> dict[str, Any]:
    """Store the order as an event. -> its position, from which anybody can go on reading"""
    try:
        stored = await hub.publish(
            Channel.ACTIONS, order.model_dump(), event="order.placed", key=order.item, retry=True
        )
    except (Disconnected, RequestTimeout, Unavailable) as fault:
        raise HTTPException(503, f"the order was not confirmed: {fault}", {"Retry-After": "1"}) from fault
    except HubError as fault:
        raise HTTPException(502, f"the hub refused the event: {fault}") from fault
    return {"position": stored.position, "order": order}


@app.get("/health")
async def health(hub: Hub) -> dict[str, Any]:
    """How the connection to the hub is."""
    return {"hub": hub.state, "rtt_ms": None if hub.rtt is None else round(hub.rtt * 1e3, 3)}
