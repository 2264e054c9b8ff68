"""`ng-ws verify`: a campaign for each seed, the verdict, and the exit code."""

import asyncio
import contextlib
import os
import secrets
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from neurograph_ws_client.urls import is_loopback, masked

from ..exits import Exit, Failed
from ..hub import connected, trusting
from ..notes import Notes
from ..rest import call
from ..settings import Format, Settings
from ..stdout import put
from .campaign import Campaign, Target
from .checker import Checker, Outcome
from .cluster import Cluster
from .history import History
from .hub_process import command_of
from .plan import Plan, channels_of, checked, duration_of, faults_of
from .redis_process import redis_server
from .report import as_json, as_text, totals
from .rules import Findings
from .store import Store
from .wire_checker import WireChecker


@dataclass(frozen=True, slots=True)
class Asked:
    """The options as they were given."""

    clients: int
    publishers: int
    channels: list[str] | None
    rate: float
    duration: str
    seeds: list[int] | None
    faults: list[str] | None
    starts_hub: bool
    hub_command: str | None
    history: Path | None
    nodes: int = 1
    redis_server: str | None = None


def planned(settings: Settings, asked: Asked, *, is_named: bool) -> Plan:
    """The options as they hold. A hub is started unless one `is_named`, by `--url` or NG_URL."""
    if asked.starts_hub and is_named:
        raise Failed(Exit.USAGE, "--start-hub and --url: expected one of them, got both")
    starts_hub = asked.starts_hub or not (is_named or os.environ.get("NG_URL"))
    if asked.hub_command is not None and not starts_hub:
        raise Failed(Exit.USAGE, "--hub-command: expected a hub of our own, got --url or NG_URL; next: --start-hub")
    if asked.nodes > 1 and not starts_hub:
        raise Failed(Exit.USAGE, "--nodes: expected hubs of our own, got --url or NG_URL; next: --start-hub")
    if asked.redis_server is not None and asked.nodes == 1:
        raise Failed(Exit.USAGE, "--redis-server: expected --nodes 2 or more: one hub alone keeps its log itself")
    return checked(
        Plan(
            clients=asked.clients,
            publishers=asked.publishers,
            channels=channels_of(asked.channels, starts_hub=starts_hub),
            rate=asked.rate,
            duration=duration_of(asked.duration),
            # One that nobody chose is told, so that the run can be repeated.
            seeds=tuple(dict.fromkeys(asked.seeds or [secrets.randbelow(1_000_000)])),
            faults=faults_of(asked.faults, starts_hub=starts_hub, is_near=is_loopback(settings.url), nodes=asked.nodes),
            starts_hub=starts_hub,
            hub_command=asked.hub_command,
            history=asked.history,
            nodes=asked.nodes,
            redis_server=asked.redis_server,
        )
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one seed showed, and where its history is."""

    seed: int
    outcome: Outcome
    history: Path


async def verify(settings: Settings, plan: Plan) -> Exit:
    """Run every seed, tell each, and decide."""
    notes = Notes(settings)
    # Whoever ends us so leaves no hub behind either.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os.kill, os.getpid(), signal.SIGINT)
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="ng-verify-") as directory:
        for seed in plan.seeds:
            verdict = await _one(settings, plan, seed, Path(directory), notes)
            verdicts.append(verdict)
            _tell(settings, plan, verdict)
    if len(verdicts) > 1:
        notes.say(totals([verdict.outcome for verdict in verdicts]))
    return exit_of([verdict.outcome for verdict in verdicts])


def exit_of(outcomes: list[Outcome]) -> Exit:
    """8 where a rule is broken, 1 where a run proves too little, 0 where all passed."""
    if any(outcome.findings.total for outcome in outcomes):
        return Exit.DATA_LOST
    return Exit.OK if all(outcome.has_passed for outcome in outcomes) else Exit.UNEXPECTED


async def _one(settings: Settings, plan: Plan, seed: int, directory: Path, notes: Notes) -> Verdict:
    findings = Findings()
    checker = Checker(findings, takes_strangers=not plan.starts_hub)
    wire = WireChecker(findings)
    path = directory / f"history-{seed}.jsonl" if plan.history is None else _numbered(plan, seed)
    home = directory / f"hub-{seed}"
    home.mkdir()
    with _created(path) as file:
        history = History(file, checker.take, wire.take)
        asked = {
            "seed": seed,
            "nodes": plan.nodes,
            "clients": plan.clients,
            "publishers": plan.publishers,
            "rate": plan.rate,
        }
        async with _cluster(settings, plan, seed, home, notes) as (cluster, urls, token):
            history.write("run", **asked, hub=None if cluster is None else cluster.promise.as_line())
            where = ", ".join(map(masked, urls))
            notes.say(f"seed {seed}: {plan.publishers} publishers, {plan.clients} subscribers, {where}")
            trust = trusting() if settings.is_insecure and urls[0].startswith("wss:") else None
            campaign = Campaign(plan, seed, Target(urls, token, trust), history, cluster, notes.say)
            try:
                await campaign.run()
            except BaseExceptionGroup as faults:
                raise faults.exceptions[0] from None
    if history.failure is not None:
        raise Failed(Exit.UNEXPECTED, f"verify: the history could not be kept: {history.failure}")
    wire.finish()
    return Verdict(seed, replace(checker.finish(), wire=wire.counts), path)


@contextlib.asynccontextmanager
async def _cluster(
    settings: Settings, plan: Plan, seed: int, home: Path, notes: Notes
) -> AsyncIterator[tuple[Cluster | None, tuple[str, ...], str | None]]:
    """The hubs of this run, with their URLs and a token of theirs."""
    if not plan.starts_hub:
        async with connected(settings, notes):
            pass  # what keeps everybody out is told of the hub that was named, not of the proxy before it
        yield None, (settings.url,), settings.token
        return
    command = command_of(plan.hub_command)
    if plan.nodes == 1:
        cluster = Cluster.alone(command, home, plan.channels, seed)
    else:
        binary = redis_server(plan.redis_server)
        store = Store(binary, home, plan.nodes, seed, has_replica="failover" in plan.faults)
        cluster = await Cluster.joined(command, home, plan.channels, seed, store)
    try:
        await cluster.start()
        if not cluster.promise.is_durable:
            notes.say("this hub keeps no log on disk: a kill ends an epoch, and a gap has to tell it")
        token = await asyncio.to_thread(_token, replace(settings, url=cluster.urls[0], token=None))
        yield cluster, cluster.urls, token
    finally:
        await cluster.stop()


def _token(settings: Settings) -> str:
    """From the development issuer of our own hub."""
    body = {"username": "developer", "password": "secret"}
    return str(call(settings, "POST", "/api/v1/auth/token", body)["token"])


def _tell(settings: Settings, plan: Plan, verdict: Verdict) -> None:
    if settings.format is Format.JSON:
        put(as_json(verdict.seed, verdict.outcome))
    else:
        put(as_text(verdict.seed, verdict.outcome, verdict.history, plan).encode())


def _numbered(plan: Plan, seed: int) -> Path:
    """`--history FILE`, with the seed in its name where there are several."""
    path = plan.history
    if path is None or len(plan.seeds) == 1:
        return path or Path()
    return path.with_name(f"{path.stem}-{seed}{path.suffix}")


@contextlib.contextmanager
def _created(path: Path) -> Iterator[TextIO]:
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as fault:
        raise Failed(Exit.USAGE, f"--history: expected a file to write, got {path}: {fault.strerror}") from fault
    with file:
        yield file
