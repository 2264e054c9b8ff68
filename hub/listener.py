"""The listening socket: bound before anything starts, so that the banner tells the port that is really open."""

import errno
import socket

BACKLOG = 4_096
MAX_STEPS = 50
"""How many ports above a taken one are tried."""


class PortError(Exception):
    """No port could be bound."""


def listen(host: str, port: int, *, may_step: bool) -> socket.socket:
    """A bound socket on `host`; a taken `port` is stepped over where `may_step`, else refused."""
    ports = range(port, min(port + MAX_STEPS, 65_535) + 1) if may_step and port else (port,)
    for candidate in ports:
        try:
            return _bind(host, candidate)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise PortError(f"NG_HOST, NG_PORT: cannot listen on {host}:{candidate}: {error.strerror}") from error
    raise PortError(f"NG_PORT: expected a free port, came {port}, which another process holds; 0 takes a free one")


def _bind(host: str, port: int) -> socket.socket:
    bare = host.removeprefix("[").removesuffix("]")
    family, kind, protocol, _, address = socket.getaddrinfo(
        bare, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Listening already here: between a bind and a listen another process could take the port as well.
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def port_of(listener: socket.socket) -> int:
    """The port it is bound to."""
    return int(listener.getsockname()[1])
