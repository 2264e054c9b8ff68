"""Rows as tables, dicts and data frames."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from neurograph_jupyter import MissingExtra, QueryResult, Row
from neurograph_jupyter.extras import library
from neurograph_jupyter.results import Link, event_row
from neurograph_jupyter.tables import GRADIENT, html_table, shown
from neurograph_ws_client import Event

VECTOR = [0.0, 0.1, 0.3, 0.5, 0.6, 0.8, 0.95, 1.2]


class Seen(HTMLParser):
    """What a browser would make of it: elements, and the text in cells."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def rows(count: int) -> QueryResult:
    return QueryResult([{"token_id": number, "type": "signal.x", "vector": VECTOR} for number in range(1, count + 1)])


@pytest.mark.accept("J13")
def test_a_table_shows_twenty_rows_under_a_gradient_and_counts_the_rest() -> None:
    html = rows(1_234)._repr_html_()
    seen = Seen(html)
    assert (seen.tags.count("tr"), seen.tags.count("th"), GRADIENT in html) == (21, 3, True)
    assert seen.texts[-1] == "1,214 more of 1,234 rows"
    assert Seen(rows(1)._repr_html_()).texts[-1] == "1 row"
    assert Seen(rows(20)._repr_html_()).texts[-1] == "20 rows"
    assert Seen(QueryResult([], "nothing")._repr_html_()).tags == ["div", "div", "div"]
    assert repr(rows(2)).split("\n")[0].split() == ["token_id", "type", "vector"]


@pytest.mark.accept("J13")
@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</td><iframe>",
        "'onmouseover='x",
        "<!--",
        "&lt;b>",
    ],
)
def test_whatever_came_from_elsewhere_is_text(evil: str) -> None:
    result = QueryResult([{evil: evil, "nested": {"text": evil}, "list": [evil]}], evil, note=evil)
    seen = Seen(result._repr_html_())
    assert set(seen.tags) <= {"div", "table", "thead", "tbody", "tr", "th", "td"}
    assert set(seen.attributes) <= {"style", "title"}
    assert evil in "".join(seen.texts)


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.binary(), st.floats(), st.none(), st.lists(st.text()))))
def test_no_value_becomes_markup(row: dict[str, Any]) -> None:
    seen = Seen(html_table("", list(row), [row], 20))
    assert set(seen.tags) <= {"div", "table", "thead", "tbody", "tr", "th", "td"}
    assert set(seen.attributes) <= {"style", "title"}
    assert seen.tags.count("td") == len(row)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("x", None, "-"),
        ("x", True, "yes"),
        ("x", 0.123456, "0.1235"),
        ("x", b"abc", "3 bytes"),
        ("x", VECTOR, "▁▁▃▅▅▇██"),
        ("x", [float("nan")] * 8, "????????"),
        ("x", [1, 2], "[1, 2]"),
        ("x", "a\n b", "a b"),
        ("x", "y" * 200, "y" * 79 + "…"),
        ("x", 12345, "12345"),
    ],
)
def test_a_cell_is_short_and_on_one_line(name: str, value: Any, expected: str) -> None:
    assert shown(name, value) == expected


def test_seconds_since_1970_are_shown_as_a_time() -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", shown("ts", 1_796_000_000.5))
    assert shown("weight", 1_796_000_000.5) == "1.796e+09"


@pytest.mark.accept("J1", "J17")
def test_rows_become_dicts_and_data_frames() -> None:
    result = QueryResult([{"token_id": 1, "type": "a", "vector": VECTOR}, {"token_id": 2, "note": "b"}])
    assert result.to_dicts() == [{"token_id": 1, "type": "a", "vector": VECTOR}, {"token_id": 2, "note": "b"}]
    pandas, polars = result.to_pandas(), result.to_polars()
    assert list(pandas.columns) == polars.columns == ["token_id", "type", "vector", "note"]
    assert (list(pandas.token_id), polars["note"].to_list(), polars["vector"][0].to_list()) == (
        [1, 2],
        [None, "b"],
        VECTOR,
    )
    assert (len(QueryResult([]).to_pandas()), len(QueryResult([]).to_polars())) == (0, 0)
    mixed = QueryResult([{"data": {"a": 1}}, {"data": "text"}, {"data": None}])
    assert (len(mixed.to_pandas()), len(mixed.to_polars())) == (3, 3)


@pytest.mark.accept("J1")
def test_a_result_is_a_sequence_of_rows_with_names() -> None:
    result = rows(7)
    assert (len(result), len(result.top()), len(result.top(2)), len(result.top(-1))) == (7, 5, 2, 0)
    assert (result[0].token_id, result[-1]["token_id"], [row.token_id for row in result[2:4]]) == (1, 7, [3, 4])
    assert repr(Row({"a": 1})) == "<Row a=1>"
    with pytest.raises(AttributeError, match="other: expected one of token_id, type, vector"):
        result[0].other  # noqa: B018


def test_links_join_tokens_of_the_result_once() -> None:
    told = [Link(2, 1, None, "similar"), Link(1, 9, 0.1, "similar")]
    tokens: list[dict[str, Any]] = [
        {"token_id": 1},
        {"token_id": 2, "nearest_id": 1, "nearest_dist": 0.1},
        {"token_id": 3, "nearest_id": 8},
    ]
    result = QueryResult(tokens, links=lambda: told)
    assert result.links() == [Link(2, 1, None, "similar")]
    neighbors: list[dict[str, Any]] = [{"token_id": 1, "distance": 0.2}]
    events = QueryResult([{"token_id": 1, "neighbors": []}, {"token_id": 2, "neighbors": neighbors}])
    assert events.links() == [Link(2, 1, 0.2, "neighbor")]


def test_an_event_lies_on_one_level_and_hides_nothing() -> None:
    message = {
        "channel": "c",
        "event": "e",
        "offset": 3,
        "ts": 1.0,
        "data": {"a": 1, "event": "inner"},
        "tags": {"x": "y"},
    }
    assert event_row(Event(message, "ep")) == {
        "position": "ep:3", "ts": 1.0, "event": "e", "key": None, "tags": {"x": "y"}, "a": 1, "data.event": "inner",
    }  # fmt: skip
    assert event_row(Event({**message, "data": [1]}, "ep"))["data"] == [1]


def test_a_library_that_is_missing_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pandas", "networkx", "polars"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"pandas is not installed: pip install 'neurograph-ws-client\[jupyter\]'"):
        rows(1).to_pandas()
    with pytest.raises(MissingExtra, match=r"networkx .*\[jupyter-graph\]"):
        rows(1).visualize()
    with pytest.raises(MissingExtra, match="polars is not installed: pip install polars"):
        rows(1).to_polars()
    with pytest.raises(ImportError):
        library("neurograph_jupyter.nothing_of_that_name")


def test_the_extension_imports_no_large_library_and_no_server() -> None:
    large = (
        "{'pandas', 'polars', 'networkx', 'matplotlib', 'scipy', 'plotly', 'anywidget', 'hub', 'channels', 'IPython'}"
    )
    script = f"import sys, neurograph_jupyter; print(sorted({large} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
