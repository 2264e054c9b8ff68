"""What questions give: rows that show themselves as a table, and become dicts, data frames or a picture."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, overload

from neurograph_ws_client import Event

from .extras import library
from .tables import html_table, text_table

Layout = Literal["spring", "circular", "kamada_kawai"]
SHOWN = 20
"""Rows of a table; the rest is counted."""


class Row(Mapping[str, Any]):
    """One token or event: `row["token_id"]`, or `row.token_id`."""

    __slots__ = ("_members",)

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = dict(members)

    def __getitem__(self, name: str) -> Any:
        return self._members[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self._members[name]
        except KeyError:
            raise AttributeError(f"{name}: expected one of {', '.join(self._members)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        return f"<Row {', '.join(f'{name}={value!r}' for name, value in self._members.items())}>"


class Link(NamedTuple):
    """Two tokens that belong together: by a connection of the hub, or since one was nearest to the other."""

    token_a: int
    token_b: int
    distance: float | None
    kind: str


def no_links() -> list[Link]:
    """For rows that are no tokens of a hub."""
    return []


class QueryResult(Sequence[Row]):
    """Rows in the order in which they were found. `links` are the hub's connections between their tokens."""

    def __init__(
        self,
        rows: Sequence[Mapping[str, Any]],
        title: str = "",
        *,
        center: str | None = None,
        links: Callable[[], Sequence[Link]] = no_links,
        note: str = "",
    ) -> None:
        self._rows = tuple(Row(row) for row in rows)
        self.title = title
        self.center = center
        """What neighbours were asked for; None where it was not neighbours."""
        self.note = note
        """What has to be said about these rows, such as that there are more."""
        self._links = links

    @property
    def columns(self) -> list[str]:
        """Names of the members of all rows, in the order of their appearance."""
        return list(dict.fromkeys(name for row in self._rows for name in row))

    def top(self, n: int = 5) -> "QueryResult":
        """The first `n`."""
        return self._with(self._rows[: max(n, 0)])

    def to_dicts(self) -> list[dict[str, Any]]:
        """Each row as a dict."""
        return [dict(row) for row in self._rows]

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame`, one row each (extra `jupyter`)."""
        return library("pandas").DataFrame(self.to_dicts(), columns=self.columns)

    def to_polars(self) -> Any:
        """A `polars.DataFrame`, one row each; what has no one type in a column becomes an object."""
        polars = library("polars")
        columns = {name: [row.get(name) for row in self._rows] for name in self.columns}
        return polars.DataFrame(columns, strict=False, infer_schema_length=None)

    def links(self) -> list[Link]:
        """What joins the tokens of these rows, each pair once; asks the hub for its connections."""
        shown = {row["token_id"] for row in self._rows if "token_id" in row}
        found: dict[tuple[int, int], Link] = {}
        for link in (*self._links(), *_nearest(self._rows), *_neighbors(self._rows)):
            pair = (min(link.token_a, link.token_b), max(link.token_a, link.token_b))
            if pair[0] in shown and pair[1] in shown and pair[0] != pair[1]:
                found.setdefault(pair, link)
        return list(found.values())

    def visualize(self, layout: Layout = "spring", *, interactive: bool = False) -> Any:
        """The tokens and what joins them as a picture (extra `jupyter-graph`)."""
        from .display import render_graph_visualization  # noqa: PLC0415 - tables need no graph

        return render_graph_visualization(self, layout, interactive)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> "QueryResult": ...
    def __getitem__(self, index: int | slice) -> "Row | QueryResult":
        return self._with(self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return text_table(self.title, self.columns, self._rows, SHOWN, self.note)

    def _repr_html_(self) -> str:
        return html_table(self.title, self.columns, self._rows, SHOWN, self.note)

    def _with(self, rows: Sequence[Row]) -> "QueryResult":
        return QueryResult(rows, self.title, center=self.center, links=self._links, note=self.note)


ENVELOPE = ("position", "ts", "event", "key", "tags")


def event_row(event: Event[Any]) -> dict[str, Any]:
    """An event on one level: its envelope, then the members of its data; one named like those as `data.NAME`."""
    row: dict[str, Any] = {name: getattr(event, name) for name in ENVELOPE}
    row["tags"] = dict(event.tags)
    if not isinstance(event.data, Mapping):
        return {**row, "data": event.data}
    return row | {f"data.{name}" if name in ENVELOPE else name: value for name, value in event.data.items()}


def _nearest(rows: Sequence[Mapping[str, Any]]) -> Iterator[Link]:
    for row in rows:
        if row.get("nearest_id") is not None:
            yield Link(row["token_id"], row["nearest_id"], row.get("nearest_dist"), "nearest")


def _neighbors(rows: Sequence[Mapping[str, Any]]) -> Iterator[Link]:
    """Of events on `signals`, which tell what was near."""
    for row in rows:
        near = row.get("neighbors")
        for one in near if isinstance(near, Sequence) and "token_id" in row else ():
            if isinstance(one, Mapping) and "token_id" in one:
                yield Link(row["token_id"], one["token_id"], one.get("distance"), "neighbor")
