"""The command tree: a name, the module with its options, and one line about it.

A module is imported when its command is wanted; in it, `app` is a Typer application of that command alone, or of a
group. What the command needs is imported when it runs.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """A command."""

    module: str
    about: str


COMMANDS = {
    "sub": Entry("sub", "Follow channels."),
    "history": Entry("history", "The newest entries of a channel."),
    "pub": Entry("pub", "Store events in a channel."),
    "emit": Entry("emit", "Send a signal through the SignalSystem."),
    "ping": Entry("ping", "Measure the time to the hub and back."),
    "repl": Entry("repl", "Talk to the hub line by line."),
    "top": Entry("top", "A live view of the hub: rates, latency, connections, gaps."),
    "status": Entry("status", "Health and figures of the hub."),
    "channels": Entry("channels", "Channels with positions and subscribers."),
    "conns": Entry("conns", "Connections of the hub."),
    "tokens": Entry("tokens", "Tokens of the SignalSystem, and what lies near."),
    "explain": Entry("explain", "Why a client got what it got, also after it has gone."),
    "trace": Entry("trace", "Where an event is stored, and who was to get it."),
    "doctor": Entry("doctor", "What is wrong between here and the hub."),
    "record": Entry("record", "Keep what channels carry, with positions and times."),
    "replay": Entry("replay", "Publish a recording again, at its pace or faster."),
    "diff": Entry("diff", "What differs between two recordings."),
    "bench": Entry("bench", "Measure latency and throughput through the hub."),
    "verify": Entry("verify", "Check what a hub delivers, under faults."),
    "token": Entry("token", "Get, read, try and revoke credentials."),
    "context": Entry("context", "Hubs by name: address, token, format."),
    "debug": Entry("debug", "The flight recorder of a node."),
    "completion": Entry("completion", "Completion for bash, zsh and fish."),
}

# The commands of those that are groups.
GROUPS = {
    "token": ("new", "show", "check", "revoke"),
    "context": ("add", "use", "ls", "rm"),
    "debug": ("dump",),
}
