"""One connection: state + message + now -> effects.

What happens to a connection enters here and leaves as a list of effects, in order. Messages take the way of
`hub.session.intake`, and what each type asks for is written in `login`, `following` and `sending`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from channels._native import CONTENT_ENCODINGS
from channels.broker import Position
from channels.buckets import Rate
from channels.config import ChannelConfig
from channels.permissions import Rights
from hub.auth import ANONYMOUS, Identity, Revocation
from hub.protocol import answers, close_codes
from hub.protocol.codec import Codec
from hub.session import following, freshness, intake, login, resuming
from hub.session.allowance import Allowance
from hub.session.answering import Answering
from hub.session.effects import Accept, Alarm, Announce, Close, Effect, SetLimit, Subscribe, Withdraw
from hub.session.known_channels import KnownChannels
from hub.session.policy import Moment, Surroundings
from hub.session.states import OVER, TRANSITIONS, State, Trigger
from hub.session.token_state import TokenState


class Session(Answering):
    """One connection's identity, subscriptions, allowance and open requests. Methods return the effects, in order."""

    __slots__ = (
        "_known",
        "accepted",
        "accepts",
        "address",
        "allowance",
        "client",
        "conn",
        "failed_logins",
        "freshness",
        "identity",
        "is_announced",
        "is_granted",
        "is_superseded",
        "leaving",
        "max_message",
        "opened_at",
        "rates",
        "session",
        "since",
        "subscriptions",
        "token",
        "unreadable",
        "unsettled",
    )

    def __init__(
        self,
        surroundings: Surroundings,
        *,
        conn: str,
        session: str,
        codec: Codec,
        address: str,
        identity: Identity | None,
        moment: Moment,
    ) -> None:
        """`identity` None: nobody is there yet and anonymous access is off, so a login must come first (C13)."""
        super().__init__(surroundings, codec, State.WAITING if identity is None else State.READY)
        self.conn = conn
        self.session = session
        self.address = address
        self.identity = ANONYMOUS
        self.since = moment.wall
        self.opened_at = moment.now
        self.client: dict[str, str] | None = None
        self.accepts: tuple[str, ...] = ()
        """Content encodings that the client decodes itself (M21)."""
        self.subscriptions: dict[str, dict[str, Any]] = {}
        """Channel -> options, as `subscribed` told them, or will when what it waits for is there."""
        self.unsettled: list[Subscribe] = []
        """Of which it is not known yet whether the cursors are put; oldest first."""
        self.accepted = 0
        """Subscribes and resumes that put cursors: after the first one there is no resume (R5)."""
        self.allowance = Allowance(surroundings.subjects)
        self.rates = surroundings.policy.rates
        """The buckets of this connection: the hub's, or what its API key has of its own."""
        self.failed_logins = 0
        self.unreadable = 0
        self.max_message = 0
        self.is_announced = False
        self.is_granted = False
        """Publishes may be taken without asking it (`hub.grants`), until it says `Withdraw`."""
        self.is_superseded = False
        """A newer connection owns the session: nothing more is read here (R12)."""
        self.token = TokenState()
        self.freshness: freshness.Freshness | None = None
        """What it was told of channels that cannot be reached (E4); None: nothing."""
        self.leaving = "draining"
        """The slug with which a connection that is asked to go is closed in the end (M50)."""
        self._known = KnownChannels(surroundings.catalog)
        self.identify(identity or ANONYMOUS)

    def __repr__(self) -> str:
        who = f"{self.identity.subject or 'somebody'} as {self.identity.role}"
        return f"Session({self.conn}, {self.state}, {who}, {len(self.subscriptions)} subscriptions)"

    # --- what happens to it -------------------------------------------------------------------------------------------

    def opened(self, moment: Moment, *, reconnection_token: str | None = None) -> list[Effect]:
        """The upgrade is done: `welcome` at once, or wait for a login (C13). `reconnection_token`: of the URL (R3)."""
        login.open_session(self, moment, reconnection_token)
        return self._take()

    def received(self, frame: bytes, moment: Moment) -> list[Effect]:
        """A frame of the kind that the subprotocol speaks: one message, or an array of them."""
        intake.receive(self, frame, moment)
        return self._take()

    def received_binary(self, frame: bytes, moment: Moment) -> list[Effect]:
        """A binary frame of a JSON subprotocol: a media frame (B4)."""
        intake.receive_binary(self, frame, moment)
        return self._take()

    def received_foreign(self) -> list[Effect]:
        """A text frame under msgpack (C2)."""
        intake.receive_foreign(self)
        return self._take()

    def received_unreadable(self, error: str, message: str) -> list[Effect]:
        """The plane could not make a message of it, or skipped it because of its size (L10)."""
        intake.receive_unreadable(self, error, message)
        return self._take()

    def alarm(self, moment: Moment) -> list[Effect]:
        """The time of the last `Alarm` has come (L6, C15)."""
        login.receive_alarm(self, moment)
        return self._take()

    def identity_changed(self, identity: Identity, moment: Moment) -> list[Effect]:
        """An administrator changed the role or its rights (C17); see `Identity.after` for how long that holds."""
        if Trigger.ROLE_CHANGED in TRANSITIONS[self.state]:
            decided = replace(identity, decided_at=moment.wall)
            if self.token.is_held:
                self.surroundings.resumption.role_changed(self.session, decided, moment.wall)
            login.become(self, decided, moment)
        return self._take()

    def revoked(self, revocation: Revocation) -> list[Effect]:
        """A revocation came into force; it may or may not concern this connection."""
        return self._happened(Trigger.CREDENTIAL_REVOKED) if revocation.covers(self.identity, self.session) else []

    def kicked(self, detail: str = "") -> list[Effect]:
        """An administrator ends the connection."""
        return self._happened(Trigger.KICKED, detail)

    def located(self, positions: Mapping[str, Position], moment: Moment) -> list[Effect]:
        """The plane tells where the cursors stand, by channel: what is written up to there is written before now."""
        if self.state not in OVER:
            resuming.located(self, positions, moment)
        return self._take()

    def freshness_changed(self, outage: freshness.Outage) -> list[Effect]:
        """Logs cannot be reached any more, or can be again (E4)."""
        if self.state not in OVER:
            freshness.update(self, outage)
        return self._take()

    def subscribed(self, effect: Subscribe) -> None:
        """The cursors are put."""
        following.settled(self, effect)
        freshness.begun(self, [spec.channel for spec in effect.specs if not spec.keep])

    def superseded(self) -> list[Effect]:
        """A newer connection owns the session (R12): what was accepted is completed, nothing more is read."""
        self.is_superseded = True
        self._withdraw()
        self.token.acks = None  # what they meant is the newer connection's to say
        return self._take()

    def taken_over(self) -> list[Effect]:
        """The newer connection has its `welcome` (R11)."""
        return self._happened(Trigger.TAKEN_OVER)

    def leave(self, goaway: dict[str, Any], slug: str = "draining") -> list[Effect]:
        """The client is asked to go elsewhere, with a fresh token where it holds one; nothing new begins (M50)."""
        was_ready = self.state is State.READY
        self.note("goaway", slug)
        if was_ready:
            self.leaving = slug
        self.step(Trigger.DRAIN_STARTED)
        if was_ready and self.token.is_held:
            self.token.farewell = goaway
            resuming.push_now(self)
        elif was_ready:
            self.send(goaway)
        return self._take()

    def announced_again(self) -> list[Effect]:
        """What `connections` was told of it is lost."""
        if self.is_announced:
            self.announce("update")
        return self._take()

    def deadline_passed(self) -> list[Effect]:
        """The time for leaving by itself is over."""
        return self._happened(Trigger.DEADLINE_PASSED)

    def faulted(self, slug: str, detail: str = "") -> list[Effect]:
        """Fault, silence, slowness, abuse: closed with the code of `slug`."""
        self.close(slug, detail)
        return self._take()

    def ended(self, code: int) -> list[Effect]:
        """The connection is gone, closed with `code`."""
        self.step(Trigger.ENDED)
        if self.is_announced:
            self.is_announced = False
            self.do(Announce("leave", {**self.description(), "code": code}))
        return self._take()

    def subscribe_failed(self, effect: Subscribe, problems: Mapping[str | None, answers.Problem]) -> list[Effect]:
        """The cursors could not be put, and nothing was sent. `problems` by channel; of None: of no channel alone."""
        self.release(effect.ticket)
        following.retry_without(self, effect, problems)
        return self._take()

    # --- for the handlers ---------------------------------------------------------------------------------------------

    def pay(self, bucket: str, cost: float, moment: Moment, rate: Rate | None = None) -> None:
        """Take `cost` from `bucket`, and from the subject's; raises `Refusal` 429 and takes nothing (L22-L24).

        With `rate` it is a bucket of one channel's own, named `publish:<channel>`, which the subject does not share.
        """
        subject = self.identity.subject if rate is None else None
        shortage = self.allowance.take(bucket, rate or self.rates[bucket], cost, moment.now, subject)
        if shortage is None:
            return
        kind = bucket.partition(":")[0]
        self.surroundings.tally.rate_limited[kind,] += 1
        raise shortage.refusal(kind)

    def identify(self, identity: Identity) -> None:
        """Whose connection it is from now on."""
        own, common = identity.rates, self.surroundings.policy.rates
        self._withdraw()
        self.identity = identity
        self.rates = {**common, **own} if own else common
        self._known.clear()

    def look_up(self, channel: str) -> tuple[ChannelConfig | None, Rights]:
        """What `channel` is (None: nothing) and what may be done there. Remembered: publishers repeat themselves."""
        return self._known.get(channel) or self._known.find(channel, self.identity)

    def limit_messages(self, limit: int) -> None:
        """Messages of at most `limit` bytes are read from now on (L7, L8)."""
        if limit != self.max_message:
            self.max_message = limit
            self.do(SetLimit(limit))

    def announce(self, event: str) -> None:
        """Tell `connections` (C22)."""
        self.is_announced = True
        self.note("identity", self._who())
        self.do(Announce(event, self.description()))

    @property
    def is_deaf(self) -> bool:
        """Whether what still comes is no longer applied (X6, R12)."""
        return self.is_superseded or self.state in OVER

    def accept(self, encodings: Iterable[str] | None) -> None:
        """The client decodes these itself from now on; None: as before (M21)."""
        known = self.accepts if encodings is None else tuple(name for name in CONTENT_ENCODINGS if name in encodings)
        if known != self.accepts:
            self.accepts = known
            self.do(Accept(known))

    def set_alarm(self, moment: Moment) -> None:
        """Be called when something is due; an alarm that is set takes the place of the one before."""
        at = login.next_alarm(self, moment)
        if at is not None:
            self.do(Alarm(at))

    def description(self) -> dict[str, Any]:
        """What operators see of the connection (C22)."""
        return {
            "user": self.identity.subject,
            "role": self.identity.role.value,
            "node": self.surroundings.policy.node,
            "address": self.address,
            "client": self.client,
            "since": self.since,
        }

    def _who(self) -> str:
        client = "" if self.client is None else f", client {' '.join(self.client.values())}"
        return f"{self.identity.subject or 'nobody'} as {self.identity.role.value}{client}"

    def step(self, trigger: Trigger, detail: str = "") -> None:
        """Do what the table says; a trigger that is not in the row of the state changes nothing."""
        found = TRANSITIONS[self.state].get(trigger)
        if found is not None and found.close is not None:
            self.close(self.leaving if trigger is Trigger.DEADLINE_PASSED else found.close, detail)
        elif found is not None and found.next is not self.state:
            self.state = found.next
            self._withdraw()

    def close(self, slug: str, detail: str = "") -> None:
        """Enter Closing; nothing is sent after it (X6)."""
        if self.state not in OVER:
            self.state = State.CLOSING
            self._withdraw()
            self.do(Close(close_codes.CODE_OF[slug], close_codes.reason(slug, detail)))

    def _withdraw(self) -> None:
        """What publishes were granted upon has changed."""
        if self.is_granted:
            self.is_granted = False
            self.do(Withdraw())

    def _happened(self, trigger: Trigger, detail: str = "") -> list[Effect]:
        self.step(trigger, detail)
        return self._take()
