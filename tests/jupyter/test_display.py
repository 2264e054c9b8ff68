"""Graphs of tokens."""

from typing import Any, get_args

import pytest
from neurograph_jupyter import NotebookError, QueryResult
from neurograph_jupyter.display import CENTER_NODE, MAX_NODES, graph_of, render_graph_visualization
from neurograph_jupyter.results import Layout

TOKENS: list[dict[str, Any]] = [
    {"token_id": 1, "type": "signal.<b>$x$", "is_novel": True, "priority": 200, "distance": 0.1},
    {"token_id": 2, "type": "signal.a", "is_novel": False, "nearest_id": 1, "nearest_dist": 0.05, "distance": 0.3},
    {"token_id": 3, "type": "signal.a", "is_novel": False, "nearest_id": 2, "nearest_dist": 0.2, "distance": 0.2},
]


@pytest.mark.accept("J15")
@pytest.mark.parametrize("layout", get_args(Layout))
def test_each_layout_draws_all_tokens_the_same_way_each_time(layout: Layout) -> None:
    result = QueryResult(TOKENS, "tokens of $x$ <b>")
    picture = render_graph_visualization(result, layout=layout)
    assert repr(picture) == "<Picture of 3 tokens, 2 links>"
    assert picture._repr_html_() is None
    assert (picture._repr_png_() or b"")[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.png() == result.visualize(layout).png()


@pytest.mark.accept("J16")
def test_an_interactive_picture_brings_its_library_along() -> None:
    picture = render_graph_visualization(QueryResult(TOKENS), interactive=True)
    html = picture._repr_html_() or ""
    assert html.startswith('<iframe srcdoc="&lt;!doctype html')
    assert "src=&quot;http" not in html
    assert picture._repr_png_() is None
    assert picture.figure.data[1].text[0] == "token 1, signal.&lt;b&gt;$x$, priority 200, distance 0.1"


def test_what_was_asked_for_stands_in_the_middle() -> None:
    graph = graph_of(QueryResult(TOKENS, center="disk"))
    assert {node: graph.edges[CENTER_NODE, node]["distance"] for node in graph[CENTER_NODE]} == {1: 0.1, 2: 0.3, 3: 0.2}
    assert graph.edges[1, 2]["kind"] == "nearest"
    assert graph.edges[CENTER_NODE, 1]["weight"] > graph.edges[CENTER_NODE, 2]["weight"]


def test_what_is_no_picture_is_told() -> None:
    with pytest.raises(NotebookError, match="expected one of spring, circular, kamada_kawai, came 'tree'"):
        render_graph_visualization(QueryResult(TOKENS), layout="tree")  # type: ignore[arg-type]
    with pytest.raises(NotebookError, match="expected rows with a token_id, came 1 rows of name"):
        QueryResult([{"name": 1}]).visualize()
    many = QueryResult([{"token_id": number} for number in range(MAX_NODES + 1)])
    with pytest.raises(NotebookError, match="expected at most 500 tokens in a picture, came 501"):
        many.visualize()
