"""A small hub in the process, for tests of applications: real sockets on a free port, a log per channel, no server.

    async with FakeHub() as hub, NeurographWSClient(hub.url) as client:
        client.subscribe("actions", handler)
        await hub.asked("subscribe")
        hub.publish("actions", {"service": "api"}, event="deploy.started")

It keeps the shapes and the order of PROTOCOL.md: positions, gaps, resumption, windows, watermarks, takeover; of its
limits only `limits.resume_events`. What it cannot do by itself is scripted: `answer_next`, `push`, `cut`, `close_all`,
`refuse`, `goaway`, `expire_tokens`, `is_mute`, `restart_epoch`.
"""

from .desk import ALL_RIGHTS
from .hub import FakeHub
from .log import Log
from .peer import Following, Peer

__all__ = ["ALL_RIGHTS", "FakeHub", "Following", "Log", "Peer"]
