"""Tokens as a graph: what joins them, laid out by networkx, drawn by matplotlib or, where it is asked for, plotly."""

import io
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, get_args

from .errors import NotebookError
from .extras import library
from .results import Layout
from .tables import shown

if TYPE_CHECKING:
    from .results import QueryResult

MAX_NODES = 500
"""More are no picture, and their layout takes minutes."""
SEED = 8
"""The same result gives the same picture."""
NOVEL, KNOWN, CENTER = "#ea580c", "#4338ca", "#0e7490"
CENTER_NODE = "?"


class Picture:
    """A drawn graph: shows itself in a notebook; `figure` is that of matplotlib or plotly, `graph` that of networkx."""

    def __init__(self, figure: Any, graph: Any, *, is_interactive: bool) -> None:
        self.figure = figure
        self.graph = graph
        self._is_interactive = is_interactive

    def png(self) -> bytes:
        """The picture as PNG; drawn by matplotlib only."""
        content = io.BytesIO()
        self.figure.savefig(content, format="png", dpi=110, bbox_inches="tight")
        return content.getvalue()

    def _repr_png_(self) -> bytes | None:
        return None if self._is_interactive else self.png()

    def _repr_html_(self) -> str | None:
        if not self._is_interactive:
            return None
        # The library goes along: nothing is loaded from another host. The frame keeps it out of the notebook's page.
        page = self.figure.to_html(include_plotlyjs=True, full_html=True)
        return f'<iframe srcdoc="{escape(page)}" style="width:100%;height:520px;border:0"></iframe>'

    def __repr__(self) -> str:
        return f"<Picture of {self.graph.number_of_nodes()} tokens, {self.graph.number_of_edges()} links>"


def render_graph_visualization(result: "QueryResult", layout: Layout = "spring", interactive: bool = False) -> Picture:
    """The tokens of `result` and what joins them (extra `jupyter-graph`; `interactive` needs plotly).

    Orange tokens were novel when they came; thicker links are nearer. Raises NotebookError for rows without tokens,
    for more than 500 of them, or for another layout.
    """
    if layout not in get_args(Layout):
        raise NotebookError(f"layout: expected one of {', '.join(get_args(Layout))}, came {layout!r}")
    graph = graph_of(result)
    positions = _positions(graph, layout)
    figure = _plotly(graph, positions) if interactive else _matplotlib(graph, positions, result.title)
    return Picture(figure, graph, is_interactive=interactive)


def graph_of(result: "QueryResult") -> Any:
    """A `networkx.Graph`: tokens with what their rows tell, links with `distance` and `kind`."""
    tokens: dict[int, Mapping[str, Any]] = {row["token_id"]: row for row in result if "token_id" in row}
    if not tokens:
        raise NotebookError(f"expected rows with a token_id, came {len(result)} rows of {', '.join(result.columns)}")
    if len(tokens) > MAX_NODES:
        raise NotebookError(
            f"expected at most {MAX_NODES} tokens in a picture, came {len(tokens)}; take top({MAX_NODES})"
        )
    graph = library("networkx").Graph()
    for token, row in tokens.items():
        graph.add_node(token, label=_label(row), is_novel=row.get("is_novel") is True)
    if result.center is not None:
        graph.add_node(CENTER_NODE, label=result.center, is_novel=False)
        for token, row in tokens.items():
            graph.add_edge(CENTER_NODE, token, **_edge(row.get("distance"), "neighbor"))
    for link in result.links():
        graph.add_edge(link.token_a, link.token_b, **_edge(link.distance, link.kind))
    return graph


def _edge(distance: float | None, kind: str) -> dict[str, Any]:
    """`weight`: 1 at the same place, falling with the distance."""
    return {"distance": distance, "kind": kind, "weight": 1 / (1 + (0.5 if distance is None else max(distance, 0.0)))}


def _label(row: Mapping[str, Any]) -> str:
    name = row.get("type", row.get("event", ""))
    members = [f"token {row['token_id']}", str(name)]
    members += [f"{one} {shown(one, row[one])}" for one in ("priority", "distance") if row.get(one) is not None]
    return ", ".join(members)


def _positions(graph: Any, layout: Layout) -> Mapping[Any, Sequence[float]]:
    networkx = library("networkx")
    library("scipy")  # what its layouts need beyond a few nodes
    if layout == "circular":
        found = networkx.circular_layout(graph)
    elif layout == "kamada_kawai":
        for _, _, edge in graph.edges(data=True):
            edge["length"] = 0.05 + (edge["distance"] or 0.0)
        found = networkx.kamada_kawai_layout(graph, weight="length")
    else:
        found = networkx.spring_layout(graph, seed=SEED, k=1.4 / math.sqrt(len(graph)), iterations=80)
    return {node: (float(x), float(y)) for node, (x, y) in found.items()}


def _color(node: Any, about: Mapping[str, Any]) -> str:
    return CENTER if node == CENTER_NODE else NOVEL if about["is_novel"] else KNOWN


def _matplotlib(graph: Any, positions: Mapping[Any, Sequence[float]], title: str) -> Any:
    # A figure of its own: no window, no global state, the same under any back end.
    figure = library("matplotlib.figure").Figure(figsize=(8, 5.2), layout="tight")
    axes = figure.add_subplot()
    axes.axis("off")
    axes.margins(0.08)
    axes.set_title(title, fontsize=11, parse_math=False)
    segments = [(positions[a], positions[b]) for a, b in graph.edges]
    widths = [0.4 + 2.2 * edge["weight"] ** 4 for _, _, edge in graph.edges(data=True)]
    lines = library("matplotlib.collections").LineCollection(segments, linewidths=widths, colors="#94a3b8", zorder=1)
    axes.add_collection(lines)
    nodes = list(graph.nodes(data=True))
    size = max(30.0, 320.0 - 3.0 * len(nodes))
    colors = [_color(node, about) for node, about in nodes]
    xs, ys = zip(*(positions[node] for node, _ in nodes), strict=True)
    axes.scatter(xs, ys, s=size, c=colors, edgecolors="white", linewidths=1.0, zorder=2)
    if len(nodes) <= 60:
        for node, about in nodes:
            text = about["label"] if node == CENTER_NODE else str(node)
            x, y = positions[node]
            axes.annotate(
                *(text, (x, y)),
                xytext=(0, 3 + math.sqrt(size) / 2),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                parse_math=False,
                bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
            )
    _legend(axes, graph)
    return figure


def _legend(axes: Any, graph: Any) -> None:
    lines = library("matplotlib.lines")
    present = {_color(node, about) for node, about in graph.nodes(data=True)}
    meanings = {NOVEL: "was novel", KNOWN: "was known", CENTER: "asked for"}
    marks = [
        lines.Line2D([], [], marker="o", linestyle="", color=color, label=meaning)
        for color, meaning in meanings.items()
        if color in present
    ]
    axes.legend(handles=marks, loc="lower right", frameon=False, fontsize=8)


def _plotly(graph: Any, positions: Mapping[Any, Sequence[float]]) -> Any:
    go = library("plotly.graph_objects")
    xs: list[float | None] = []
    ys: list[float | None] = []
    for a, b in graph.edges:
        xs += [positions[a][0], positions[b][0], None]
        ys += [positions[a][1], positions[b][1], None]
    nodes = list(graph.nodes(data=True))
    links = go.Scatter(x=xs, y=ys, mode="lines", line={"color": "#94a3b8", "width": 1}, hoverinfo="skip")
    tokens = go.Scatter(
        x=[positions[node][0] for node, _ in nodes],
        y=[positions[node][1] for node, _ in nodes],
        mode="markers",
        marker={"size": 13, "color": [_color(node, about) for node, about in nodes]},
        text=[escape(about["label"]) for _, about in nodes],
        hoverinfo="text",
    )
    bare = {"visible": False}
    layout = go.Layout(showlegend=False, xaxis=bare, yaxis=bare, plot_bgcolor="white", margin={"t": 20, "b": 20})
    return go.Figure(data=[links, tokens], layout=layout)
