"""What stands before several hubs: nginx with the configuration that is shipped, or a TCP balancer of ours."""

import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ng_ws.verify.owned_process import free_port

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx" / "nginx.conf"
PATIENCE = 15.0


class Running(Protocol):
    """A balancer on `port` of 127.0.0.1."""

    port: int

    def start(self) -> None:
        """Listen."""

    def stop(self) -> None:
        """End it; once more does nothing."""


class Balancer:
    """The one that can be had."""

    @staticmethod
    def chosen(nginx: str | None, folder: Path, targets: list[int]) -> Running:
        """nginx where it is installed."""
        return OwnBalancer(targets) if nginx is None else NginxBalancer(nginx, folder, targets)


def nginx_configuration(folder: Path, port: int, targets: list[int]) -> Path:
    """The shipped file, with addresses and paths of a test."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    for number, target in enumerate(targets, 1):
        text = text.replace(f"server hub-{number}:8000", f"server 127.0.0.1:{target}")
    text = text.replace("listen 8088;", f"listen 127.0.0.1:{port};").replace("/tmp/", f"{folder}/nginx-")
    text = text.replace("/dev/stdout", f"{folder}/nginx-access.log").replace("/dev/stderr", f"{folder}/nginx-error.log")
    path = folder / "nginx.conf"
    # In the foreground, so that it is ended by its id.
    path.write_text(f"daemon off;\nworker_processes 1;\n{text.replace('worker_processes auto;', '')}", encoding="utf-8")
    return path


class NginxBalancer:
    """nginx in the foreground, as a child of ours."""

    def __init__(self, binary: str, folder: Path, targets: list[int]) -> None:
        self.port = free_port()
        self._binary = binary
        self._folder = folder
        self._targets = targets
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        path = nginx_configuration(self._folder, self.port, self._targets)
        command = [self._binary, "-p", str(self._folder), "-e", str(self._folder / "nginx-error.log"), "-c", str(path)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while not _listens(self.port):
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self._folder / "nginx-error.log").read_text(errors="replace"))
            time.sleep(0.02)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)


class OwnBalancer:
    """Connections go to the targets in turn, and on to the next one where a target does not answer."""

    def __init__(self, targets: list[int]) -> None:
        self.port = 0
        self._targets = targets
        self._turn = 0
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()

    def start(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), name="balancer", daemon=True).start()

    def stop(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            # A close alone does not wake who waits in accept.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for end in tuple(self._open):
            _shut(end)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = self._far()
            if far is None:
                near.close()
                continue
            self._open |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), name="balancer", daemon=True).start()

    def _far(self) -> socket.socket | None:
        for _ in self._targets:
            target = self._targets[self._turn % len(self._targets)]
            self._turn += 1
            with suppress(OSError):
                return socket.create_connection(("127.0.0.1", target), timeout=2)
        return None

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        source.settimeout(None)
        with suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
        for end in (source, sink):
            _shut(end)
        # The last of the two directions to end closes; the first has only shut.
        if source in self._open:
            self._open.discard(source)
        source.close()


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
