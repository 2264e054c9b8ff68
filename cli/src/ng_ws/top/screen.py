"""The live view on a terminal."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from neurograph_ws_client import HubError
from neurograph_ws_client.urls import masked
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Static

from ..explain import lines_of
from ..rest import call
from ..settings import Settings
from ..tables import rows_of
from .model import CHANNEL_COLUMNS, CONNECTION_COLUMNS, Model, Reading, read

# Seconds between two readings.
EVERY = 1.0

Read = Callable[[Settings], Reading]


class StoryScreen(ModalScreen[None]):
    """The story of a connection, over the tables."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "dismiss", "back")]
    CSS = """
    StoryScreen { align: center middle; }
    StoryScreen VerticalScroll { width: 92%; height: 80%; border: round $primary; padding: 0 1; background: $surface; }
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__()
        self._name = name
        self._text = text

    def compose(self) -> ComposeResult:
        """The text, which can be scrolled."""
        with VerticalScroll() as scroll:
            scroll.border_title = f"story of {self._name}"
            scroll.border_subtitle = "escape: back"
            yield Static(self._text, markup=False)


class KickScreen(ModalScreen[bool]):
    """Whether a connection is really to be closed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "kick it"),
        Binding("n,escape,q", "answer(False)", "leave it"),
    ]
    CSS = """
    KickScreen { align: center middle; }
    KickScreen Static { width: auto; padding: 1 2; border: round $warning; background: $surface; }
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def compose(self) -> ComposeResult:
        """The question."""
        yield Static(f"kick {self._name}? It cannot resume.  y: kick it   n: leave it", markup=False)

    def action_answer(self, answer: bool) -> None:
        """Said."""
        self.dismiss(answer)


class Top(App[None]):
    """Channels and connections of a hub, read again each second."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head { height: 3; padding: 0 1; }
    #channels { height: 1fr; max-height: 12; margin: 1 0 0 0; }
    #connections { height: 2fr; margin: 1 0 0 0; }
    #foot { height: 1; padding: 0 1; color: $text-muted; }
    #wanted { display: none; height: 1; border: none; padding: 0 1; }
    #wanted.shown { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "look_for", "filter", key_display="/"),
        Binding("s", "sort", "sort"),
        Binding("enter", "story", "story", priority=False),
        Binding("k", "kick", "kick"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, settings: Settings, reader: Read = read) -> None:
        super().__init__()
        self._settings = settings
        self._reader = reader
        self.model = Model()
        self.title = f"ng-ws top {masked(settings.url)}"

    def compose(self) -> ComposeResult:
        """Three lines, two tables, a line below, the keys."""
        yield Static("\n".join(self.model.headlines()), id="head", markup=False)
        yield DataTable(id="channels", cursor_type="none", zebra_stripes=True)
        yield DataTable(id="connections", cursor_type="row", zebra_stripes=True)
        yield Static("", id="foot", markup=False)
        yield Input(placeholder="show connections with …", id="wanted")
        yield Footer()

    async def on_mount(self) -> None:
        """Columns, and the first reading."""
        self._table("channels").add_columns(*CHANNEL_COLUMNS)
        self._table("connections").add_columns(*CONNECTION_COLUMNS)
        self._table("connections").focus()
        self.set_interval(EVERY, self.refresh_figures)
        await self.refresh_figures()

    async def refresh_figures(self) -> None:
        """Read once more; a hub that does not answer is told, and asked again."""
        try:
            self.model.take(await asyncio.to_thread(self._reader, self._settings))
        except HubError as fault:
            self.model.failed(fault)
        self._draw()

    def _draw(self) -> None:
        self.query_one("#head", Static).update("\n".join(self.model.headlines()))
        self._fill("channels", self.model.channels())
        self._fill("connections", self.model.connections())
        self.query_one("#foot", Static).update(self.model.footing())

    def _table(self, name: str) -> DataTable[Any]:
        return self.query_one(f"#{name}", DataTable)

    def _fill(self, name: str, rows: Sequence[tuple[str, ...]]) -> None:
        """Rows in place of the former ones; the cursor stays on its connection."""
        table = self._table(name)
        chosen, scrolled = self._chosen(table), table.scroll_y
        table.clear()
        for row in rows:
            table.add_row(*row, key=row[0])
        if chosen is not None and chosen in table.rows:
            table.move_cursor(row=table.get_row_index(chosen), scroll=False)
        table.scroll_to(y=scrolled, animate=False)

    @staticmethod
    def _chosen(table: DataTable[Any]) -> str | None:
        if not table.row_count:
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value

    # -- keys --------------------------------------------------------------------------------------------------------

    def action_sort(self) -> None:
        """Order by the next column."""
        self.model.next_sort()
        self._draw()

    def action_look_for(self) -> None:
        """Ask for the word that connections must hold."""
        wanted = self.query_one("#wanted", Input)
        wanted.add_class("shown")
        wanted.focus()

    def on_input_changed(self, changed: Input.Changed) -> None:
        """It counts as it is typed."""
        self.model.wanted = changed.value
        self._draw()

    def on_input_submitted(self, _submitted: Input.Submitted) -> None:
        """Back to the connections."""
        self.query_one("#wanted", Input).remove_class("shown")
        self._table("connections").focus()

    async def on_data_table_row_selected(self, _selected: DataTable.RowSelected) -> None:
        """Enter on a connection."""
        await self.action_story()

    async def action_story(self) -> None:
        """The story of the connection under the cursor."""
        name = self._chosen(self._table("connections"))
        if name is None:
            return
        try:
            found = await asyncio.to_thread(call, self._settings, "GET", f"/api/v1/stories/{quote(name, safe='')}")
            text = "\n\n".join("\n".join(lines_of(story)) for story in rows_of(found, "stories"))
        except HubError as fault:
            text = str(fault)
        await self.push_screen(StoryScreen(name, text))

    def action_kick(self) -> None:
        """Close the connection under the cursor, after a question."""
        name = self._chosen(self._table("connections"))
        if name is not None:
            self.run_worker(self._kick(name), exclusive=True)

    async def _kick(self, name: str) -> None:
        if not await self.push_screen_wait(KickScreen(name)):
            return
        try:
            await asyncio.to_thread(call, self._settings, "DELETE", f"/api/v1/clients/{quote(name, safe='')}")
        except HubError as fault:
            self.notify(str(fault), severity="warning", markup=False)
        else:
            self.notify(f"{name} was kicked", markup=False)
            await self.refresh_figures()
