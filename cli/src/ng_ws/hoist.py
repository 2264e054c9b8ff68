"""Global options may stand before or after the subcommand: here the later ones are moved to the front."""

from collections.abc import Sequence

# The options of the whole program: those that take a value, and the others.
WITH_VALUE = frozenset({"--url", "--subscribe", "--token", "--token-file", "--format", "--timeout"})
FLAGS = frozenset({"-v", "--verbose", "-q", "--quiet", "--no-color", "--no-reconnect", "--insecure", "--version"})


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
    return front + rest
