"""Where options may stand: global ones before or after the subcommand, those of listening without any subcommand."""

from collections.abc import Sequence

# The options of the whole program: those that take a value, and the others.
WITH_VALUE = frozenset({"--url", "--subscribe", "--token", "--token-file", "--format", "--timeout", "--context"})
FLAGS = frozenset(
    {
        *("-i", "--interactive", "-v", "--verbose", "-q", "--quiet"),
        *("--no-color", "--no-reconnect", "--insecure", "--version"),
    }
)


# The options of `sub`, which hold too where nothing but listening is asked for.
LISTENING_WITH_VALUE = frozenset(
    {
        *("--from", "--delivery", "--max-rate", "--ack", "--count", "-n", "--for", "--output", "-o"),
        *("--filter", "--near", "--radius", "--fields"),
    }
)
LISTENING_FLAGS = frozenset({"--fail-on-gap", "--rate", "--explain-filter"})


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The same arguments, global options first; what stands after `--` is data."""
    front: list[str] = []
    rest: list[str] = []
    at = 0
    while at < len(arguments):
        argument = arguments[at]
        if argument == "--":
            rest += arguments[at:]
            break
        if argument in WITH_VALUE:
            front += arguments[at : at + 2]
            at += 1
        elif argument in FLAGS or argument.partition("=")[0] in WITH_VALUE:
            front.append(argument)
        else:
            rest.append(argument)
        at += 1
    return front + _with_command(rest)


def _with_command(rest: list[str]) -> list[str]:
    """`sub` in front of its options, where they stand before it or without it."""
    at = 0
    while at < len(rest) and (width := _width(rest[at])):
        at += width
    if at == 0:
        return rest
    if at >= len(rest) or rest[at].startswith("-"):
        return ["sub", *rest]
    return ["sub", *rest[:at], *rest[at + 1 :]] if rest[at] == "sub" else rest


def _width(argument: str) -> int:
    """How many arguments an option of listening takes up; 0 where it is none."""
    if argument in LISTENING_WITH_VALUE:
        return 2
    is_joined = argument.partition("=")[0] in LISTENING_WITH_VALUE or argument[:2] in {"-n", "-o"}
    return 1 if is_joined or argument in LISTENING_FLAGS else 0
