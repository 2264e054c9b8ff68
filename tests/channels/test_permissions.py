import pytest

from channels.config import Catalog
from channels.permissions import DEFAULT_RIGHTS, Right, Role

# Typed once more from protocol.md C19, not read from the code: channel -> role -> letters.
ROLES = ("admin", "developer", "viewer", "bot", "anonymous")
TABLE = {
    "metrics": ("SB", "S", "S", "S", "S"),
    "signals": ("SBE", "SE", "", "SE", ""),
    "actions": ("SB", "S", "", "", ""),
    "logs": ("SB", "S", "", "", ""),
    "status": ("SB", "S", "S", "S", "S"),
    "connections": ("SB", "", "", "", ""),
}
CELLS = [(channel, role, cell) for channel, row in TABLE.items() for role, cell in zip(ROLES, row, strict=True)]


@pytest.mark.clause("C18", "C19")
@pytest.mark.accept("C10", "B1", "K4")
@pytest.mark.parametrize(("channel", "role", "cell"), CELLS)
def test_a_role_subscribes_exactly_where_the_table_says(channel: str, role: str, cell: str) -> None:
    assert (Right.SUBSCRIBE in Catalog().rights(channel, Role(role), "ann")) == ("S" in cell)


@pytest.mark.clause("C18", "C19")
@pytest.mark.accept("C10", "B1", "K4")
@pytest.mark.parametrize(("channel", "role", "cell"), CELLS)
def test_a_role_broadcasts_exactly_where_the_table_says(channel: str, role: str, cell: str) -> None:
    assert (Right.BROADCAST in Catalog().rights(channel, Role(role), "ann")) == ("B" in cell)


@pytest.mark.clause("C18", "C19", "C20")
@pytest.mark.accept("C11")
@pytest.mark.parametrize(("channel", "role", "cell"), CELLS)
def test_a_role_emits_exactly_where_the_table_says(channel: str, role: str, cell: str) -> None:
    assert (Right.EMIT in Catalog().rights(channel, Role(role), "ann")) == ("E" in cell)


@pytest.mark.clause("C18")
@pytest.mark.accept("C9")
def test_there_are_five_roles() -> None:
    assert [str(role) for role in Role] == list(ROLES)


@pytest.mark.accept("C9")
@pytest.mark.parametrize(("text", "role"), [("user", Role.DEVELOPER), ("readonly", Role.VIEWER), ("bot", Role.BOT)])
def test_a_role_is_read_by_its_name_or_alias(text: str, role: Role) -> None:
    assert Role.parse(text) is role


@pytest.mark.clause("C9")
@pytest.mark.parametrize("text", ["root", "", "Admin", "admin "])
def test_an_unknown_role_is_refused_with_those_that_are_known(text: str) -> None:
    with pytest.raises(ValueError, match="expected one of admin, developer, viewer, bot, anonymous, came ") as refusal:
        Role.parse(text)
    assert repr(text) in str(refusal.value)


@pytest.mark.clause("C19")
def test_the_table_cannot_be_changed_while_the_hub_runs() -> None:
    with pytest.raises(TypeError):
        DEFAULT_RIGHTS["metrics"] = {}  # type: ignore[index]
