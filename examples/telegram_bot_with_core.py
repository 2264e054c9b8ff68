"""A Telegram bot on the SignalSystem: every message is a signal, the answer says whether anything like it was there.

    pip install 'python-telegram-bot>=20'
    export TELEGRAM_BOT_TOKEN=…                            # of BotFather
    export NG_TOKEN=$(ng-ws token new --role bot)
    python examples/telegram_bot_with_core.py

/start says hello, /stats tells what this bot did, /core what the SignalSystem did, /test sends a signal of its own.
What people write does not leave this process, only its eight numbers; who they are only as a hash that nobody can turn
around without the bot's token.
"""

import asyncio
import hmac
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from neurograph_ws_client import Channel, Emitted, HubError, NeurographWSClient

HELLO = "Write something, and I say whether anything like it was here before. /stats /core /test"
PROBE = "a message from the bot itself"
MAX_TEXT = 4_096
"""Characters; as many as Telegram lets a message have."""
SHOWN = 3
"""Neighbours in an answer."""


class Incoming(Protocol):
    """What is needed of `telegram.Update`."""

    effective_user: Any
    effective_message: Any


Handler = Callable[[Incoming, Any], Awaitable[None]]


class CoreBot:
    """What the bot answers; knows a hub, and of Telegram only messages with a user and `reply_text`."""

    def __init__(self, hub: NeurographWSClient, secret: str) -> None:
        self._hub = hub
        self._secret = secret.encode()
        self._counts = {"messages": 0, "new": 0, "failed": 0}
        self._core: dict[str, Any] = {}

    def follow(self) -> None:
        """Keep the newest figures of the SignalSystem."""
        self._hub.subscribe(
            Channel.METRICS,
            self._core.update,
            filter={"event": "core_metrics"},
            start="snapshot",
            delivery="latest",
        )

    @property
    def handlers(self) -> dict[str, Handler]:
        """By the name of the command."""
        return {"start": self.start, "stats": self.stats, "core": self.core, "test": self.test}

    async def start(self, update: Incoming, _context: Any) -> None:
        """/start"""
        await update.effective_message.reply_text(HELLO)

    async def stats(self, update: Incoming, _context: Any) -> None:
        """/stats: of this bot."""
        counts = self._counts
        text = f"{counts['messages']} messages, {counts['new']} new, {counts['failed']} failed; hub {self._hub.state}"
        await update.effective_message.reply_text(text)

    async def core(self, update: Incoming, _context: Any) -> None:
        """/core: of the SignalSystem."""
        figures = {name: value for name, value in self._core.items() if isinstance(value, int | float)}
        lines = [f"{name} {value:g}" for name, value in figures.items()]
        await update.effective_message.reply_text("\n".join(lines) or "no figures yet")

    async def test(self, update: Incoming, _context: Any) -> None:
        """/test: a signal of the bot's own."""
        await self._answer(update, PROBE)

    async def text(self, update: Incoming, _context: Any) -> None:
        """Anything that is no command."""
        text = (update.effective_message.text or "").strip()[:MAX_TEXT]
        if text:
            await self._answer(update, text)

    async def _answer(self, update: Incoming, text: str) -> None:
        try:
            emitted = await self._hub.emit_text(text, tags={"user": self.hashed(update.effective_user)}, retry=True)
        except HubError as fault:
            self._counts["failed"] += 1
            print(f"not emitted: {fault}", file=sys.stderr)
            await update.effective_message.reply_text("The hub does not answer; try again later.")
            return
        self._counts["messages"] += 1
        self._counts["new"] += emitted.is_novel
        await update.effective_message.reply_text(said(emitted))

    def hashed(self, user: Any) -> str:
        """Who it is, for nobody but who knows the bot's token; messages of a channel have no user."""
        name = "nobody" if user is None else str(user.id)
        return hmac.new(self._secret, name.encode(), "sha256").hexdigest()[:16]


def said(emitted: Emitted) -> str:
    """The result in a sentence."""
    if not emitted.neighbors:
        return f"New: nothing like it was here before (token {emitted.token_id})."
    near = ", ".join(f"{one.token_id} ({one.distance:.3f})" for one in emitted.neighbors[:SHOWN])
    return f"{'New' if emitted.is_novel else 'Known'}: token {emitted.token_id}, near {near}."


async def main(telegram_token: str) -> None:
    from telegram.ext import Application, CommandHandler, MessageHandler, filters  # noqa: PLC0415 - told if missing

    url = os.environ.get("NG_URL", "ws://localhost:8000/ws")
    async with NeurographWSClient(url, token=os.environ["NG_TOKEN"], name="telegram-bot") as hub:
        bot = CoreBot(hub, telegram_token)
        bot.follow()
        application = Application.builder().token(telegram_token).build()
        for name, handler in bot.handlers.items():
            application.add_handler(CommandHandler(name, handler))
        application.add_handler(MessageHandler(filters.TEXT & ~filters.COMMAND, bot.text))
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        async with application:
            await application.start()
            await application.updater.start_polling()
            await ended.wait()
            await application.updater.stop()
            await application.stop()


if __name__ == "__main__":
    token = os.environ.get("TELEGRAM_BOT_TOKEN")
    if not token or not os.environ.get("NG_TOKEN"):
        sys.exit("expected TELEGRAM_BOT_TOKEN (of BotFather) and NG_TOKEN (ng-ws token new --role bot), one is missing")
    try:
        asyncio.run(main(token))
    except ModuleNotFoundError as fault:
        sys.exit(f"{fault.name} is not installed: pip install 'python-telegram-bot>=20'")
