"""Text in, result out, with the keys of the user's documents (signals.md 9)."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from channels import SignalOverloaded, SignalPipeline, SignalSystem, SignalSystemError, SignalValueError, pipeline
from channels._native import EmitResult
from channels.encoder import encode_text


def events(system: SignalSystem) -> list[dict[str, Any]]:
    batch = system.take_batch()
    return [] if batch is None else [json.loads(text) for text in batch.encode()]


@pytest.mark.accept("J6")
async def test_the_call_of_the_users_documents_works_with_its_keys() -> None:
    core = SignalSystem()
    pipeline = SignalPipeline(core_system=core)
    await pipeline.process_text(text="Hello!", user_id="u1", chat_id="c1", priority=200)
    result = await pipeline.process_text(text="hello", user_id="u1", chat_id="c1", priority=200)
    assert result.keys() == {"processing_result", "stats", "event"}
    processed = result["processing_result"]
    assert processed.pop("processing_time_us") > 0
    assert processed == {
        "token_id": 2,
        "is_novel": False,
        "neighbors": [{"token_id": 1, "distance": 0.0, "resonance": 1.0, "event_type": "signal.input.text"}],
        "anomaly_score": 0.0,
        "nearest_dist": 0.0,
    }
    assert result["stats"].keys() == {"core_time_ms", "encode_time_ms", "total_time_ms"}
    assert 0 < result["stats"]["core_time_ms"] < result["stats"]["total_time_ms"]
    assert result["event"] == {
        "type": "signal.input.text",
        "user_id": "u1",
        "chat_id": "c1",
        "priority": 200,
        "vector": encode_text("hello"),
    }


async def test_users_and_chats_become_tags_and_the_text_stays_inside() -> None:
    system = SignalSystem()
    system.wakeup_fd()
    await SignalPipeline(system).process_text("secret", user_id=7, chat_id="c", metadata={"lang": "en"})
    [event] = events(system)
    assert event["tags"] == {"lang": "en", "user_id": "7", "chat_id": "c"}
    assert "secret" not in json.dumps(event)


async def test_the_text_leaves_only_when_that_is_asked_for() -> None:
    system = SignalSystem()
    system.wakeup_fd()
    text = 'привет "мир"\n\ud800'
    await SignalPipeline(system, include_text=True, event_type="chat.line").process_text(text)
    [event] = events(system)
    assert (event["event"], event["data"]["payload"]) == ("chat.line", {"text": 'привет "мир"\n?'})


async def test_calls_side_by_side_share_one_native_call() -> None:
    pipeline = SignalPipeline(SignalSystem())
    results = await asyncio.gather(*(pipeline.process_text(f"text number {i}") for i in range(50)))
    assert [result["processing_result"]["token_id"] for result in results] == list(range(1, 51))
    stats = pipeline.get_stats()
    assert (stats["texts"], stats["batches"], stats["refused"], stats["core"]["emits"]) == (50, 1, 0, 50)


async def test_one_bad_call_does_not_spoil_its_neighbours() -> None:
    def encode(text: str) -> Any:
        return {"short": [0.5] * 7, "words": ["x"] * 8}.get(text, [0.5] * 8)

    pipeline = SignalPipeline(SignalSystem(), encoder=encode)
    calls = [
        pipeline.process_text("short"),
        pipeline.process_text("fine"),
        pipeline.process_text("words"),
        pipeline.process_text("priority", priority=256),
        pipeline.process_text("tags", metadata={"no spaces": "x"}),
    ]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [SignalValueError, dict, ValueError, SignalValueError, SignalValueError]
    assert pipeline.get_stats()["refused"] == 3


@pytest.mark.parametrize("bad", [{"metadata": {"a": 1}}, {"metadata": {1: "a"}}, {"priority": "high"}])
async def test_an_argument_of_another_type_concerns_its_text_alone(bad: dict[str, Any]) -> None:
    system = SignalSystem()
    pipeline = SignalPipeline(system)
    texts = [pipeline.process_text("good"), pipeline.process_text("bad", **bad), pipeline.process_text("good as well")]
    one, two, three = await asyncio.gather(*texts, return_exceptions=True)
    assert isinstance(two, TypeError)
    assert (type(one), type(three)) == (dict, dict)
    assert system.count_tokens() == 2


async def test_a_caller_that_gives_up_takes_nobody_with_it() -> None:
    pipeline = SignalPipeline(SignalSystem())
    tasks = [asyncio.ensure_future(pipeline.process_text(f"text {i}")) for i in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, dict, dict]


async def test_everybody_of_the_turn_hears_of_a_system_that_does_not_work() -> None:
    system = SignalSystem()
    system.close()
    calls = [SignalPipeline(system).process_text(text) for text in ("a", "b")]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [SignalSystemError, SignalSystemError]


@pytest.mark.clause("M34")
async def test_an_overloaded_system_is_told_to_the_caller() -> None:
    system = SignalSystem(queue_size=64)
    system.wakeup_fd()
    pipeline = SignalPipeline(system)
    calls = [pipeline.process_text(str(i)) for i in range(65)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [dict] * 64 + [SignalOverloaded]


class Recorder:
    """A processor that waits until it is let go."""

    def __init__(self) -> None:
        self.seen: list[Sequence[EmitResult]] = []
        self.go = asyncio.Event()
        self.is_broken = False

    async def process(self, results: Sequence[EmitResult]) -> None:
        self.seen.append(results)
        await self.go.wait()
        if self.is_broken:
            raise LookupError("no such graph")


async def settled(pipeline: SignalPipeline) -> dict[str, Any]:
    """The first processor's figures once nothing waits for it."""
    while True:
        figures: dict[str, Any] = pipeline.get_stats()["processors"][0]
        if figures["waiting"] == 0:
            return figures
        await asyncio.sleep(0)


async def test_processors_hear_of_results_and_never_delay_them() -> None:
    recorder = Recorder()
    pipeline = SignalPipeline(SignalSystem(), processors=[recorder])
    for text in ("one", "two"):
        await pipeline.process_text(text)
    assert recorder.seen == [] or len(recorder.seen) == 1
    recorder.go.set()
    assert (await settled(pipeline))["dropped"] == 0
    assert [[result.token_id for result in results] for results in recorder.seen] == [[1], [2]]


async def test_a_processor_that_fails_is_logged_counted_and_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    recorder.is_broken = True
    recorder.go.set()
    pipeline = SignalPipeline(SignalSystem(), processors=[recorder])
    await pipeline.process_text("one")
    await settled(pipeline)
    recorder.is_broken = False
    await pipeline.process_text("two")
    figures = await settled(pipeline)
    assert (figures["processor"], figures["processed"], figures["errors"]) == ("Recorder", 1, 1)
    assert "Recorder failed over 1 results" in caplog.text


async def test_what_waits_for_a_slow_processor_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "MAX_WAITING", 2)
    recorder = Recorder()
    slow = SignalPipeline(SignalSystem(), processors=[recorder])
    for i in range(5):
        await slow.process_text(f"text {i}")
        await asyncio.sleep(0)
    recorder.go.set()
    figures = await settled(slow)
    assert (figures["dropped"], len(recorder.seen)) == (2, 3)
