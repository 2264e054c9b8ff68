"""`ng-ws explain`: why a client got what it got, from the flight recorder of the hub, in plain lines."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from neurograph_ws_client import UnknownChannel
from neurograph_ws_client.durations import shown

from .escape import escaped
from .exits import Exit, Failed
from .notes import Notes
from .render import object_line
from .rest import call
from .settings import Format, Settings
from .stdout import put
from .tables import rows_of

Story = Mapping[str, Any]

_WORDS = {
    "attached": "came",
    "opened": "let in",
    "identity": "is",
    "subscribed": "subscribed",
    "unsubscribed": "unsubscribed",
    "gap": "gap",
    "slow": "slow",
    "keeps_up": "keeps up",
    "awaits_ack": "waits for ack",
    "pong": "answers pings",
    "refused": "refused",
    "resumed": "resumed",
    "goaway": "asked to go",
    "closing": "closed",
    "ended": "gone",
    "note": "note",
}

# Why it ended, by the beginning of code and reason (PROTOCOL.md, 7); the first that fits.
_ENDS = (
    ("1000 forget", "the client closed, and wanted its session forgotten"),
    ("1000", "the client closed in order"),
    ("1001", "the client went away: its page or process ended"),
    ("1005", "the client closed without a code"),
    ("1006", "its connection was lost without a close frame: its process died, or the network was cut"),
    ("1002", "the client broke the WebSocket framing"),
    ("1007", "the client sent text that is not UTF-8"),
    ("4000", "the client sent ten unreadable messages in a row, or frames of a kind its subprotocol does not have"),
    ("4003", "the client may not come in this way: look at role, address, or a credential in the URL"),
    ("4009", "a newer connection resumed its session; that one has everything since"),
    ("4010", "an administrator kicked it; its session is dead, it has to log in again"),
    ("4013", "a message of it was far too large"),
    ("4026", "the client speaks a version of the protocol that this hub does not"),
    ("4101 token_expired", "its token expired and no new one came in time"),
    ("4101", "it had no valid credential"),
    ("4103", "its credential was revoked"),
    ("4208 timeout; unfinished", "a message begun was not finished within 30 s"),
    ("4208", "nothing was heard of it for interval and timeout of the heartbeat: the network or the machine is gone"),
    ("4213 slow; overrun", "entries left the log before it took them, and it had asked on_slow close"),
    ("4213 slow; answers", "it did not read the answers to its own requests"),
    ("4213", "it read nothing for 10 s while bytes were waiting"),
    ("4229 too_many", "its address had too many connections"),
    ("4229", "it sent far more than its rates allow"),
    ("4250", "a fault of the hub; the hub's log says more"),
    ("4253", "the hub had no memory left for it"),
    ("4301", "the hub was stopped or replaced; the client should have come back by itself"),
    ("4302", "the hub asked clients to spread anew; the client should have come back by itself"),
)
_GAPS = {
    "(slow)": "it was slower than the channel, and what it had not read left the log",
    "(retention)": "it asked for entries older than what is kept",
    "(limit)": "it was away longer than a resume replays; the newest were replayed",
    "(epoch)": "the history of the channel was lost or began anew",
}


def explain(settings: Settings, name: str, limit: int) -> None:
    """The stories of a connection, a session or a user."""
    try:
        data = call(settings, "GET", f"/api/v1/stories/{quote(name, safe='')}?limit={limit}")
    except UnknownChannel as missing:
        hint = "next: ng-ws conns shows who is there; ended ones are kept for NG_RECORDER_SECONDS (15 minutes)"
        raise Failed(Exit.USAGE, missing.message, hint) from missing
    for node in data.get("silent", []):
        Notes(settings).warn(f"{node} has not answered: what it knows is not among these")
    stories = rows_of(data, "stories")
    if settings.format is Format.JSON:
        put(b"".join(map(object_line, stories)))
        return
    blocks = ["".join(f"{line}\n" for line in lines_of(story)) for story in stories]
    put("\n".join(blocks).encode())


def lines_of(story: Story) -> list[str]:
    """One story: who it was, what happened, and in short why."""
    return [escaped(line) for line in (_head(story), *_middle(story), *_why(story))]


def _head(story: Story) -> str:
    client = story.get("client") or {}
    named = f", client {' '.join(map(str, client.values()))}" if client else ""
    who = f"{story.get('user') or 'nobody'} as {story.get('role')}{named}"
    begun, ended = story.get("begun"), story.get("ended")
    lived = f", lived {shown(max(0.0, ended - begun))}" if begun and ended else ""
    where = f"from {story.get('address')}, on {story.get('node')}"
    return f"{story.get('conn')}  {who}, {where}, {story.get('state')}{lived}"


def _middle(story: Story) -> list[str]:
    records: Sequence[Mapping[str, Any]] = story.get("records") or []
    lines = []
    for place, record in enumerate(records):
        if story.get("forgotten") and place == _end_of_beginning(records):
            lines.append(f"  …             {story['forgotten']} records went to make room")
        word = _WORDS.get(record["kind"], record["kind"])
        again = f" ({record['count']} times until {_clock(record['last'])})" if record["count"] > 1 else ""
        lines.append(f"  {_clock(record['at'])}  {word:<14} {record['text']}{again}")
    return lines or ["  nothing was recorded: the hub has NG_RECORDER_BYTES=0, or it is too long ago"]


def _end_of_beginning(records: Sequence[Mapping[str, Any]]) -> int:
    """Where records are missing: behind the longest pause of the first few."""
    pauses = [after["at"] - before["last"] for before, after in pairwise(records)][:32]
    return pauses.index(max(pauses)) + 1 if pauses else 0


def _why(story: Story) -> list[str]:
    records = story.get("records") or []
    found: list[str] = []
    for record in records:
        if record["kind"] == "gap":
            channel = record["text"].partition(" ")[0]
            reason = next((text for mark, text in _GAPS.items() if mark in record["text"]), "")
            found.append(f"it misses entries of {channel}: {reason}")
    refused = sum(record["count"] for record in records if record["kind"] == "refused")
    if refused:
        found.append(f"{refused} of its requests {'was' if refused == 1 else 'were'} refused, see above")
    if any(record["kind"] == "awaits_ack" for record in records):
        found.append("events waited for its ack: it handles slowly, or does not acknowledge")
    if story.get("state") == "closed":
        ending = f"{story.get('code')} {story.get('reason') or ''}".strip()
        meaning = next((text for mark, text in _ENDS if ending.startswith(mark)), "see PROTOCOL.md, section 7")
        found.append(f"it ended with {ending}: {meaning}")
    return [f"  in short: {line}" for line in dict.fromkeys(found)]


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).strftime("%H:%M:%S.%f")[:-3]
