"""The table of client states, pair by pair."""

from pathlib import Path

import pytest
from neurograph_ws_client.states import TRANSITIONS, Happening, State, picture

EXPECTED = {
    State.IDLE: {Happening.CONNECT: State.CONNECTING, Happening.CLOSE: State.CLOSED},
    State.CONNECTING: {
        Happening.WELCOME: State.CONNECTED,
        Happening.LOST: State.RECONNECTING,
        Happening.STOPPED: State.CLOSED,
        Happening.CLOSE: State.CLOSED,
    },
    State.CONNECTED: {
        Happening.LOST: State.RECONNECTING,
        Happening.REJECTED: State.RECONNECTING,
        Happening.STOPPED: State.CLOSED,
        Happening.CLOSE: State.CLOSED,
    },
    State.RECONNECTING: {
        Happening.WELCOME: State.CONNECTED,
        Happening.STOPPED: State.CLOSED,
        Happening.CLOSE: State.CLOSED,
    },
    State.CLOSED: {Happening.CONNECT: State.CONNECTING},
}


@pytest.mark.parametrize("happening", list(Happening))
@pytest.mark.parametrize("state", list(State))
def test_every_pair_leads_where_the_documents_say_or_changes_nothing(state: State, happening: Happening) -> None:
    assert EXPECTED[state].get(happening, state) is TRANSITIONS[state][happening]


def test_the_picture_in_the_readme_is_drawn_from_the_table() -> None:
    readme = (Path(__file__).parents[2] / "clients" / "python" / "README.md").read_text()
    assert picture() == readme.partition("```mermaid\n")[2].partition("\n```")[0]
