"""What can go wrong in a notebook besides the errors of the client, each told in a sentence.

NotebookError
├── NotStarted       nothing is connected yet: `%neurograph init` comes first
├── QueryError       a question outside the small language; shows the place and the grammar (a ValueError)
├── MissingExtra     a library of an extra is not installed; says which (an ImportError)
└── NoServer         `--embedded` without the server, or one that does not start
"""


class NotebookError(Exception):
    """Told in a notebook as one sentence, without a traceback."""


class NotStarted(NotebookError):  # noqa: N818 - a state, as in the client's errors
    """Nothing is connected."""

    def __init__(self) -> None:
        super().__init__("no hub yet: expected %neurograph init (--url URL, or --embedded) before")


class QueryError(NotebookError, ValueError):
    """A question that is none of the language."""


class MissingExtra(NotebookError, ImportError):  # noqa: N818 - the name says what is missing
    """A library that is imported where it is used; without an `extra` it is installed by itself."""

    def __init__(self, library: str, extra: str | None) -> None:
        package = library if extra is None else f"'neurograph-ws-client[{extra}]'"
        super().__init__(f"{library} is not installed: pip install {package}")


class NoServer(NotebookError):  # noqa: N818 - the name says what is missing
    """No hub can be started here."""
