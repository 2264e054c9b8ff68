"""The append script against a small model of a channel: whatever callers say, no place is given twice (N2-N4)."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from struct import unpack_from
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from channels._native import decode_entries, encode_entries
from channels.backplane import Followed
from channels.backplane.redis.appending import EMPTY, Answer, Appending, Batch, Changed, Late, Verdict, random_epoch
from channels.backplane.redis.keys import Keys
from channels.backplane.redis.options import RedisOptions
from channels.backplane.redis.replica import NOWHERE, Standing
from channels.backplane.redis.scripts import APPEND, NEWEST, READ, TOUCH, Script
from channels.backplane.redis.segment import read_segment, read_stored
from channels.publication import Position
from tests.support.redis import RedisServer

KEY = "k"
MOST = 12
LIMITS = Followed("actions", Position("", 0), 300.0, 1_000_000, MOST, True, True)


class RawStore:
    """Runs scripts at once, on a connection of its own each time."""

    publish = "PUBLISH"

    def __init__(self, server: RedisServer) -> None:
        self.keys = Keys("ng")
        self.server = server
        self.given = ""

    async def run(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        words = (one if isinstance(one, bytes) else str(one) for one in arguments)
        return self.server.command("EVAL", script.text, str(len(keys)), *keys, *words)

    def replid(self, key: str) -> str:
        return self.given


def appending_of(store: Any, epochs: Callable[[], str] = random_epoch) -> Appending:
    return Appending(store, RedisOptions("redis://", "n"), "run", epochs)


@dataclass
class Model:
    """What the channel is, as the clauses say."""

    epoch: str = ""
    head: int = 0
    replid: str = ""
    batch: str = ""
    entries: list[tuple[int, str]] = field(default_factory=list)
    mids: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    batches: dict[str, Answer] = field(default_factory=dict)
    fence: int = 0
    newest: dict[str, tuple[int, str]] = field(default_factory=dict)
    boundaries: dict[int, str] = field(default_factory=dict)
    former: set[str] = field(default_factory=set)

    @property
    def exists(self) -> bool:
        return bool(self.epoch)

    def rotate(self, fresh: str, replid: str) -> None:
        self.former.add(self.epoch)
        self.epoch, self.head, self.replid, self.batch = fresh, 0, replid, ""
        self.entries, self.newest, self.boundaries = [], {}, {}

    def agrees(self, head: int, batch: str) -> bool:
        return head == 0 or self.boundaries.get(head) == batch


class Machine(RuleBasedStateMachine):
    """Calls with everything that a caller may say, true and false."""

    server: RedisServer

    @initialize()
    def begin(self) -> None:
        self.server.command("FLUSHALL")
        self.store = RawStore(self.server)
        self.model = Model()
        self.number = 0
        self.epochs = 0
        self.own = "r0"
        self.store.given = self.own
        self.appending = appending_of(self.store, self.fresh)
        self.is_apart = False
        self.sent: list[tuple[Batch, list[tuple[str, str | None]]]] = []
        self.places: dict[tuple[str, int], str] = {}

    def fresh(self) -> str:
        self.epochs += 1
        return f"e{self.epochs:05d}"

    # --- what callers do ----------------------------------------------------------------------------------------------

    @rule(
        entries=st.lists(
            st.tuples(st.sampled_from("abc"), st.sampled_from([None, None, "m1", "m2", "m3"])), min_size=1, max_size=5
        ),
        says=st.sampled_from(["nothing", "truth", "truth", "truth", "behind", "ahead", "other past", "other epoch"]),
    )
    def append(self, entries: list[tuple[str, str | None]], says: str) -> None:
        self.number += 1
        batch = self.batch_of(entries)
        self.sent.append((batch, entries))
        self.call(batch, entries, self.standing(says))

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), says=st.sampled_from(["nothing", "truth", "ahead"]))
    def append_again(self, data: st.DataObject, says: str) -> None:
        batch, entries = data.draw(st.sampled_from(self.sent))
        self.call(batch, entries, self.standing(says))

    @rule()
    def lose_meta(self) -> None:
        self.server.command("DEL", self.store.keys.meta("actions"))
        self.model.former.add(self.model.epoch)
        self.model.epoch = ""

    @rule()
    def lose_log(self) -> None:
        """Evicted: entries are gone, places are not."""
        self.server.command("DEL", self.store.keys.log("actions"))
        self.model.entries, self.model.boundaries = [], {}

    @rule()
    def change_master(self) -> None:
        self.own = self.store.given = f"r{int(self.own[1:]) + 1}"

    @precondition(lambda self: self.model.exists)
    @rule(epoch_is_current=st.booleans(), says=st.sampled_from(["nothing", "truth"]))
    def end_epoch(self, epoch_is_current: bool, says: str) -> None:
        force = self.model.epoch if epoch_is_current else "former"
        self.call(EMPTY, [], self.standing(says), force=force)

    @precondition(lambda self: self.model.exists)
    @rule(ago=st.sampled_from([0.0, 1_000.0]), says=st.sampled_from(["nothing", "truth"]))
    def took_entries_without_the_store(self, ago: float, says: str) -> None:
        """An epoch that was there already ends once; one that has begun since, as all of them here have, goes on."""
        self.appending.end_epoch("actions", time.monotonic() - ago)
        self.is_apart = self.is_apart or ago == 0.0  # the latest that was taken decides
        self.call(EMPTY, [], self.standing(says))
        if self.model.replid == self.own:
            assert not self.appending.is_to_end("actions")
            self.is_apart = False

    @precondition(lambda self: self.model.exists and self.model.replid != self.own)
    @rule(
        keeps=st.booleans(),
        is_current=st.booleans(),
        claims=st.lists(st.sampled_from(["head", "zero", "false"]), max_size=3),
    )
    def decide(self, keeps: bool, is_current: bool, claims: list[str]) -> None:
        values = {"head": (self.model.head, self.model.batch), "zero": (0, ""), "false": (self.model.head + 1, "x")}
        told = [values[claim] for claim in claims]
        verdict = Verdict(keeps, self.model.replid if is_current else "rX", self.own, told)
        self.number += 1
        entries: list[tuple[str, str | None]] = [("d", None)]
        self.call(self.batch_of(entries), entries, NOWHERE, verdict)

    # --- what has to come of it ---------------------------------------------------------------------------------------

    def batch_of(self, entries: list[tuple[str, str | None]]) -> Batch:
        raw = encode_entries([(event, b"{}", None, None, None, None) for event, _ in entries], 1.0)
        mids = [
            (index, self.store.keys.mid("actions", "ann", mid), event.encode() * 16)
            for index, (event, mid) in enumerate(entries)
            if mid is not None
        ]
        keys = [(index, event, event == "c") for index, (event, _) in enumerate(entries)]
        is_named = self.number % 3 == 0
        return Batch(f"b{self.number}", self.number, len(entries), b"".join(raw), mids, keys, is_named)

    def standing(self, says: str) -> Standing:
        model = self.model
        if says == "nothing" or not model.exists:
            return NOWHERE
        known = {
            "truth": Standing(model.epoch, model.head, model.batch),
            "behind": Standing(model.epoch, max(model.head - 1, 0), ""),
            "ahead": Standing(model.epoch, model.head + 3, "x"),
            "other past": Standing(model.epoch, model.head, "other" if model.head else ""),
            "other epoch": Standing("nowhere", 7, "x"),
        }
        return known[says]

    def call(
        self,
        batch: Batch,
        entries: list[tuple[str, str | None]],
        standing: Standing,
        verdict: Verdict | None = None,
        force: str = "",
    ) -> None:
        answer = asyncio.run(self.appending.append(LIMITS, standing, batch, verdict, force=force))
        fresh = f"e{self.epochs:05d}"
        model = self.model
        if batch.name in model.batches and (batch.is_named or batch.fence == model.fence):
            assert answer == model.batches[batch.name]._replace(replid=self.own)
            return
        if batch.length and batch.fence <= model.fence:
            assert isinstance(answer, Late)
            return
        why = self.expected_rotation(standing, verdict, force)
        if why == "changed":
            assert answer == Changed(model.replid, self.own, model.epoch, model.head, model.batch)
            return
        assert isinstance(answer, Answer)
        assert answer.why == why
        if why:
            model.rotate(fresh, self.own)
        model.replid = self.own
        self.is_apart = False
        self.store_in_model(batch, entries, answer)

    def expected_rotation(self, standing: Standing, verdict: Verdict | None, force: str) -> str:
        model = self.model
        if not model.exists:
            return "missing"
        if model.replid != self.own:
            if verdict is None or (verdict.old, verdict.new) != (model.replid, self.own):
                return "changed"
            if not (
                verdict.keeps
                and all(model.agrees(*claim) or claim == (model.head, model.batch) for claim in verdict.claims)
            ):
                return "replication"
        if standing.epoch == model.epoch:
            if standing.head > model.head:
                return "behind"
            if standing.head == model.head and standing.batch not in ("", model.batch):
                return "two_pasts"
        if force == model.epoch:
            return "forced"
        return "apart" if self.is_apart else ""

    def store_in_model(self, batch: Batch, entries: list[tuple[str, str | None]], answer: Answer) -> None:
        model = self.model
        first, repeats, before = model.head + 1, {}, model.batch
        name = f"{batch.name}.{self.own[:8]}"
        fresh: dict[str, tuple[bytes, str]] = {}
        for index, (event, mid) in enumerate(entries):
            if mid is not None:
                known = fresh.get(mid) or model.mids.get(mid)
                if known is not None:
                    repeats[index] = known[1] if known[0] == event.encode() * 16 else ""
                    continue
                fresh[mid] = (event.encode() * 16, f"{model.epoch}:{model.head + 1}")
            model.head += 1
            model.entries.append((model.head, event))
            model.newest[event] = (model.head, event)
            if event == "c":
                del model.newest[event]
            assert self.places.setdefault((model.epoch, model.head), f"{batch.name}/{index}") == f"{batch.name}/{index}"
        model.mids |= fresh
        kept = model.head - first + 1
        if kept:
            model.batch = name
            model.boundaries[model.head] = name
        assert answer == Answer(model.epoch, first, kept, model.head, answer.why, self.own, repeats, name, before)
        if batch.length:
            model.batches[batch.name] = answer._replace(why=answer.why)
            model.fence = batch.fence

    @invariant()
    def redis_holds_what_the_model_holds(self) -> None:
        if not hasattr(self, "model") or not self.model.exists:
            return
        keys, command = self.store.keys, self.server.command
        epoch, head, replid, batch = command("HMGET", keys.meta("actions"), "epoch", "head", "replid", "batch")
        model = self.model
        assert (epoch.decode(), int(head), replid.decode(), batch.decode()) == (
            model.epoch,
            model.head,
            model.replid,
            model.batch,
        )
        stored = []
        for item in command("XRANGE", keys.log("actions"), "-", "+"):
            segment = read_stored(item)
            events = [entry[0] for entry in decode_entries(segment.entries)]
            stored += list(zip(range(segment.first, segment.last + 1), events, strict=True))
            assert segment.epoch == model.epoch
        assert stored == model.entries[len(model.entries) - len(stored) :]
        assert min(MOST, len(model.entries)) <= len(stored) <= MOST + 20
        newest = command("HGETALL", keys.last("actions"))
        found = {
            key.decode(): (unpack_from("<Q", value)[0], decode_entries(value[8:])[0][0])
            for key, value in zip(newest[::2], newest[1::2], strict=True)
        }
        assert found == model.newest
        size = sum(map(len, newest))
        assert int(command("HGET", keys.meta("actions"), "newest")) == size


@pytest.mark.clause("N2", "N3", "N4", "P1")
@pytest.mark.timeout(180)
def test_the_script_does_what_the_model_says(server: RedisServer) -> None:
    machine = type("Bound", (Machine,), {"server": server})
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


# --- what a model of few entries does not reach ----------------------------------------------------------------------


@pytest.fixture
def store(server: RedisServer) -> RawStore:
    return RawStore(server)


async def append(store: RawStore, number: int, size: int = 10, limits: Followed = LIMITS) -> Answer | Changed | Late:
    entries = encode_entries([(f"e{number}", b'"' + b"x" * size + b'"', None, None, None, None)], 1.0)
    return await appending_of(store).append(limits, NOWHERE, Batch(f"b{number}", number, 1, entries[0]))


@pytest.mark.clause("N2")
async def test_the_script_asks_the_master_itself(store: RawStore) -> None:
    answer = await append(store, 1)
    info = store.server.command("INFO", "replication").decode()
    assert isinstance(answer, Answer)
    assert f"master_replid:{answer.replid}\r\n" in info
    assert store.server.command("HGET", "ng:{actions}:meta", "replid").decode() == answer.replid


@pytest.mark.clause("N3")
async def test_a_call_that_was_overtaken_by_a_later_one_of_its_node_is_not_done(store: RawStore) -> None:
    await append(store, 2)
    assert isinstance(await append(store, 1), Late)
    assert store.server.command("HGET", "ng:{actions}:meta", "head") == b"1"


@pytest.mark.clause("N3")
@pytest.mark.parametrize("is_named", [False, True], ids=["of the node", "of a caller"])
async def test_the_answer_to_a_call_is_the_same_when_it_is_repeated(store: RawStore, is_named: bool) -> None:
    (entry,) = encode_entries([("e", b"1", None, None, None, None)], 1.0)
    calls = [Batch(f"b{number}", number, 1, entry, is_named=is_named) for number in (1, 2)]
    appending = appending_of(store)
    first, again, second, second_again = [
        await appending.append(LIMITS, NOWHERE, call) for call in (calls[0], calls[0], calls[1], calls[1])
    ]
    assert (first, second) == (again, second_again)
    assert store.server.command("HGET", "ng:{actions}:meta", "head") == b"2"
    late = await appending.append(LIMITS, NOWHERE, calls[0])
    assert (late == first) if is_named else isinstance(late, Late)


@pytest.mark.clause("N3")
async def test_a_segment_is_published_as_it_is_stored(store: RawStore) -> None:
    with store.server.listening("ng:{actions}:live") as heard:
        await append(store, 1)
        await append(store, 2)
        segments = [read_segment(heard()) for _ in range(2)]
    items = store.server.command("XRANGE", "ng:{actions}:log", "-", "+")
    assert segments == [read_stored(item) for item in items]
    assert [segments[0].before, segments[1].before] == ["", segments[0].batch]


async def test_retention_by_bytes_and_by_age_lets_old_segments_leave(store: RawStore) -> None:
    few_bytes = LIMITS._replace(max_bytes=10_000, max_entries=1_000_000)
    for number in range(1, 40):
        await append(store, number, 1_000, few_bytes)
    kept = store.server.command("XLEN", "ng:{actions}:log")
    assert 9 <= kept <= 11
    young = LIMITS._replace(seconds=0.0, max_entries=1_000_000)
    for number in range(40, 44):
        await append(store, number, 10, young)
        store.server.wait_for(_time_passes(store.server))
    await append(store, 44, 10, young)
    assert store.server.command("XLEN", "ng:{actions}:log") <= 2


def _time_passes(server: RedisServer) -> Any:
    """A clock of Redis that stands at another millisecond."""
    before = server.command("TIME")[1][:3]
    return lambda: server.command("TIME")[1][:3] != before


async def test_a_quiet_channel_loses_what_is_too_old_when_it_is_touched(store: RawStore) -> None:
    for number in range(1, 6):
        await append(store, number)
    store.server.wait_for(_time_passes(store.server))
    keys = [f"ng:{{actions}}:{name}" for name in ("meta", "log", "last")]
    touched = await store.run(TOUCH, keys, 1_000, 1_000_000, 0, 0, "")
    assert (touched[1], store.server.command("XLEN", keys[1])) == (b"5", 1)
    assert await store.run(TOUCH, ["ng:{x}:meta", "ng:{x}:log", "ng:{x}:last"], 1, 1, 1, 0, "") == []


async def test_keys_beyond_the_bound_leave_those_unchanged_longest_first(store: RawStore) -> None:
    from channels.backplane.redis import appending

    most, appending.MAX_KEYS = appending.MAX_KEYS, 10
    try:
        for number in range(1, 60):
            entries = encode_entries([("e", b"1", f"k{number}", None, None, None)], 1.0)
            batch = Batch(f"b{number}", number, 1, entries[0], (), [(0, f"k{number}", False)])
            await appending_of(store).append(LIMITS, NOWHERE, batch)
    finally:
        appending.MAX_KEYS = most
    kept = {int(name[1:]) for name in store.server.command("HKEYS", "ng:{actions}:last")}
    assert len(kept) == 10
    assert max(kept) == 59
    assert sum(kept) / 10 > 30  # of eight looked at, the oldest goes


@pytest.mark.clause("S6")
async def test_newest_entries_beyond_the_bytes_leave_and_are_counted(store: RawStore) -> None:
    options = RedisOptions("redis://", "n", newest_bytes=50_000)
    appending, left = Appending(store, options, "run"), 0  # type: ignore[arg-type]
    for number in range(1, 200):
        size = 8_000 if number % 10 == 0 else 100
        (entry,) = encode_entries([("e", b'"' + b"x" * size + b'"', f"k{number}", None, None, None)], 1.0)
        batch = Batch(f"b{number}", number, 1, entry, (), [(0, f"k{number}", False)])
        answer = await appending.append(LIMITS, NOWHERE, batch)
        assert isinstance(answer, Answer)
        left += answer.left
        held = store.server.command("HGETALL", "ng:{actions}:last")
        assert sum(map(len, held)) <= 50_000
        assert int(store.server.command("HGET", "ng:{actions}:meta", "newest")) == sum(map(len, held))
    assert b"k199" in held
    assert left == 199 - len(held) // 2


@pytest.mark.clause("N13")
async def test_newest_entries_are_read_in_pages_of_bounded_bytes(store: RawStore) -> None:
    appending = appending_of(store)
    for number in range(1, 400):
        size = 20_000 if number % 4 == 0 else 10
        (entry,) = encode_entries([("e", b'"' + b"x" * size + b'"', f"k{number}", None, None, None)], 1.0)
        await appending.append(LIMITS, NOWHERE, Batch(f"b{number}", number, 1, entry, (), [(0, f"k{number}", False)]))
    cursor, found = "0", set()
    sizes: list[int] = []
    while cursor != "0" or not sizes:
        epoch, replid, raw, page = await store.run(
            NEWEST, ["ng:{actions}:meta", "ng:{actions}:last"], "", cursor, 200_000
        )
        cursor = raw.decode()
        sizes.append(sum(map(len, page)))
        found |= set(page[::2])
    meta = store.server.command("HMGET", "ng:{actions}:meta", "epoch", "replid")
    assert [epoch, replid] == meta
    assert found == {f"k{number}".encode() for number in range(1, 400)}
    assert max(sizes) <= 200_000 + 64 * 20_100
    assert len(sizes) >= 5


@pytest.mark.clause("N4")
async def test_a_meta_that_is_none_and_a_log_that_is_newer_end_the_epoch(store: RawStore) -> None:
    await append(store, 1)
    store.server.command("DEL", "ng:{actions}:meta")
    store.server.command("SET", "ng:{actions}:meta", "what")
    spoilt = await append(store, 2)
    store.server.command("XADD", "ng:{actions}:log", "900-0", "x", "y")
    newer = await append(store, 3)
    assert [answer.why for answer in (spoilt, newer) if isinstance(answer, Answer)] == ["missing", "damaged"]
    assert isinstance(newer, Answer)
    assert (newer.first, newer.head) == (1, 1)


async def test_a_read_is_bounded_by_bytes_and_goes_on_from_where_it_ended(store: RawStore) -> None:
    limits = LIMITS._replace(max_entries=1_000)
    for number in range(1, 101):
        await append(store, number, 1_000, limits)
    keys = [f"ng:{{actions}}:{name}" for name in ("meta", "log", "last", "live")]
    epoch, at, batch, reads, found = "", 0, "", 0, []
    while at < 100:
        reply = await store.run(READ, keys, "n", "fresh", "", "PUBLISH", epoch, at, batch, 20_000, 0)
        segments = [read_stored(item) for item in reply[5]]
        assert sum(len(segment.entries) for segment in segments) < 40_000
        epoch, at, batch = reply[0].decode(), segments[-1].last, segments[-1].batch
        found += [segment.first for segment in segments]
        reads += 1
    assert found == list(range(1, 101))
    assert reads <= 10


@pytest.mark.clause("N7", "N4")
async def test_a_read_from_a_past_that_is_not_stored_ends_the_epoch(store: RawStore) -> None:
    limits = LIMITS._replace(max_entries=1_000)
    last = [await append(store, number, 10, limits) for number in range(1, 6)][-1]
    assert isinstance(last, Answer)
    keys = [f"ng:{{actions}}:{name}" for name in ("meta", "log", "last", "live")]

    def name(number: int) -> str:
        return f"b{number}.{last.replid[:8]}"

    async def why(head: int, batch: str) -> str:
        reply = await store.run(READ, keys, "n", "fresh-one", "", "PUBLISH", last.epoch, head, batch, 20_000, 0)
        return str(reply[3].decode())

    assert [await why(3, name(3)), await why(5, name(5)), await why(0, ""), await why(3, "")] == ["", "", "", ""]
    assert await why(3, "other") == "two_pasts"


@pytest.mark.clause("N7", "N4")
async def test_a_past_is_compared_though_its_last_segment_has_left_the_store(store: RawStore) -> None:
    """The segment behind it names it; and within a segment nobody can stand, whatever he knows."""
    limits = LIMITS._replace(max_entries=1_000)
    for number in range(1, 4):
        last = await append(store, number, 10, limits)
    assert isinstance(last, Answer)
    raw = encode_entries([(event, b"1", None, None, None, None) for event in "ab"], 1.0)
    await appending_of(store).append(limits, NOWHERE, Batch("b4", 4, 2, b"".join(raw)))
    store.server.command("XTRIM", "ng:{actions}:log", "MINID", "5-0")
    keys = [f"ng:{{actions}}:{name}" for name in ("meta", "log", "last", "live")]

    async def why(head: int, batch: str) -> str:
        reply = await store.run(READ, keys, "n", "fresh-one", "", "PUBLISH", last.epoch, head, batch, 20_000, 0)
        return str(reply[3].decode())

    assert [await why(3, last.batch), await why(2, "other"), await why(3, "")] == ["", "", ""]
    assert store.server.command("HGET", keys[0], "epoch").decode() == last.epoch
    saved = store.server.command("DUMP", keys[1]), store.server.command("DUMP", keys[0])
    assert await why(3, "other") == "two_pasts"
    for key, dump in zip((keys[1], keys[0]), saved, strict=True):
        store.server.command("RESTORE", key, "0", dump, "REPLACE")
    assert await why(4, "") == "two_pasts"


@pytest.mark.clause("N3", "N7")
async def test_a_batch_that_is_sent_again_to_another_master_after_others_has_another_name(store: RawStore) -> None:
    names = []
    for store.given, others in (("r1" * 20, [1]), ("r2" * 20, [1, 2])):
        store.server.command("FLUSHALL")
        for number in others:
            await append(store, number)
        answer = await append(store, 7)
        assert isinstance(answer, Answer)
        names.append((answer.batch, answer.before))
    assert names == [("b7.r1r1r1r1", "b1.r1r1r1r1"), ("b7.r2r2r2r2", "b2.r2r2r2r2")]


def test_scripts_are_known_by_the_name_that_redis_gives_them(server: RedisServer) -> None:
    assert server.command("SCRIPT", "LOAD", APPEND.text).decode() == APPEND.sha
