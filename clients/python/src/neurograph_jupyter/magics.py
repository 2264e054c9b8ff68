"""`%neurograph`, `%%signal` and their aliases; what they do is the session's work."""

import argparse
import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from neurograph_ws_client import Emitted, HubError

from . import lines
from .cells import handler_of
from .embedded import ROLE, start_hub
from .errors import NotebookError, NotStarted
from .results import QueryResult
from .session import NotebookSession
from .worker import Place

SESSION = "neurograph_db"
"""The name of the session in the notebook's namespace."""
TEXT_PRIORITY, VECTOR_PRIORITY = 200, 128
EXPLORED = 12
"""Neighbours that `%%ng_explore` shows of each line."""

T = TypeVar("T")


@magics_class
class NeurographMagics(Magics):
    """One session for each notebook."""

    shell: Any

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._session: NotebookSession | None = None

    @line_magic
    def neurograph(self, line: str) -> Any:
        """Talk to a hub: init, status, stats, channels, query, subscribe, emit, stop; `%neurograph help` shows how."""
        command, _, rest = line.strip().partition(" ")
        with _told():
            if command == "query":
                return self.session.query(lines.unquoted(rest))
            options = lines.read(lines.commands(), line)
            if options.command in {None, "help"}:
                print(lines.USAGE)
                return None
            act: Callable[[argparse.Namespace], Any] = getattr(self, f"_{options.command}")
            return act(options)

    @cell_magic
    def signal(self, line: str, cell: str) -> None:
        """Run the cell for each event of a channel, with `event` bound: %%signal CHANNEL [--filter EXPR] [--name N]."""
        with _told():
            options = lines.read(lines.signal_options(), line)
            name = options.name or f"signal {options.channel}"
            handler = handler_of(self.shell.transform_cell(cell), name, self.shell.user_ns)
            self.session.subscribe(options.channel, handler, filter=options.filter, name=name)
        print(f"{name}: runs for each event of {options.channel}; neurograph_db.drop({name!r}) ends it")

    @line_magic
    def ng_status(self, _line: str) -> Any:
        """As %neurograph status."""
        with _told():
            return self._status()

    @line_magic
    def ng_stats(self, _line: str) -> Any:
        """As %neurograph stats."""
        with _told():
            return self._stats()

    @line_magic
    def ng_tokens(self, line: str) -> Any:
        """The newest tokens: %ng_tokens [N]."""
        with _told():
            return self.session.query(f"find all nodes limit {line.strip() or 20}")

    @line_magic
    def ng_query(self, line: str) -> Any:
        """As %neurograph query."""
        with _told():
            return self.session.query(lines.unquoted(line))

    @cell_magic
    def ng_explore(self, line: str, cell: str) -> Any:
        """What lies near each line of the cell, the nearest first: %%ng_explore [RADIUS]."""
        with _told():
            return self._explore(line.strip(), [text.strip() for text in cell.splitlines() if text.strip()])

    # -- the session ---------------------------------------------------------------------------------------------------

    @property
    def session(self) -> NotebookSession:
        """What `init` made; NotStarted before."""
        if self._session is None:
            raise NotStarted
        return self._session

    def close(self) -> None:
        """End the session, if there is one."""
        session, self._session = self._session, None
        if session is not None:
            if self.shell.user_ns.get(SESSION) is session:
                del self.shell.user_ns[SESSION]
            session.close()

    def _init(self, options: argparse.Namespace) -> QueryResult:
        if options.embedded and (options.url or options.token):
            raise NotebookError("init: expected --embedded, or --url and --token, came both")
        self.close()
        runtime = start_hub() if options.embedded else None
        if runtime is not None:
            url, token = runtime.url, runtime.token(ROLE)
        else:
            url = options.url or os.environ.get("NG_URL") or lines.DEFAULT_URL
            token = options.token or os.environ.get("NG_TOKEN") or None
        try:
            session = NotebookSession(url, token=token, path=options.path, runtime=runtime, place=_place(self.shell))
        except Exception:
            if runtime is not None:
                runtime.stop()
            raise
        self._session = session.connect()
        self.shell.user_ns[SESSION] = session
        return session.overview()

    # -- commands ------------------------------------------------------------------------------------------------------

    def _status(self, _options: argparse.Namespace | None = None) -> QueryResult:
        return self.session.overview()

    def _stats(self, _options: argparse.Namespace | None = None) -> QueryResult:
        return self.session.stats()

    def _channels(self, _options: argparse.Namespace) -> QueryResult:
        return self.session.channels()

    def _stop(self, _options: argparse.Namespace) -> None:
        self.session.state  # noqa: B018 - NotStarted where there is none
        self.close()
        print("closed")

    def _subscribe(self, options: argparse.Namespace) -> Any:
        if options.live:
            return self.session.live(options.channel, filter=options.filter, last=options.last)
        return self.session.subscribe(options.channel, filter=options.filter, last=options.last)

    def _emit(self, options: argparse.Namespace) -> QueryResult:
        signal = lines.signal_of(" ".join(options.signal))
        default = TEXT_PRIORITY if isinstance(signal, str) else VECTOR_PRIORITY
        priority = default if options.priority is None else options.priority
        return _answer(self.session.emit(options.event_type, signal, priority=priority))

    def _explore(self, radius: str, texts: list[str]) -> QueryResult:
        if not texts:
            raise NotebookError("%%ng_explore: expected one text a line, came none")
        within = f" within {radius}" if radius else ""
        rows: list[dict[str, Any]] = []
        for text in texts:
            quoted = "'" + text.replace("'", " ") + "'"
            near = self.session.query(f"find neighbors of {quoted}{within} limit {EXPLORED}")
            rows += [{"text": text, **row} for row in near.to_dicts()]
        return QueryResult(rows, f"near {len(texts)} texts")


def _answer(emitted: Emitted) -> QueryResult:
    novelty = "new" if emitted.is_novel else "known"
    rows = [{"token_id": near.token_id, "distance": near.distance} for near in emitted.neighbors]
    return QueryResult(rows, f"token {emitted.token_id}, {novelty}; {'near:' if rows else 'nothing is near'}")


def _place(shell: Any) -> Place:
    """The kernel's loop, where there is a kernel: what handlers show is then shown by the thread that may."""
    if getattr(shell, "kernel", None) is None:
        return Place()
    try:
        return Place(asyncio.get_running_loop())
    except RuntimeError:
        return Place()


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a command is a sentence, not a traceback; the cell fails all the same."""
    try:
        yield
    except (NotebookError, HubError, TimeoutError) as fault:
        raise UsageError(str(fault)) from fault
    except ValueError as fault:
        raise UsageError(f"{type(fault).__name__}: {fault}" if not str(fault) else str(fault)) from fault
