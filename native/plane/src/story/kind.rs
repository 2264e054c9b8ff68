//! What can happen to a connection.

/// The kinds of records; the plane tells the first of them, who uses it the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its transport came.
    Attached,
    /// A cursor was put, or its options changed.
    Subscribed,
    /// A cursor was taken away.
    Unsubscribed,
    /// Entries were told as missing.
    Gap,
    /// Its socket does not take what is ready.
    Slow,
    /// It takes again what is ready.
    KeepsUp,
    /// Events wait for an `ack` of the client (S10).
    AwaitsAck,
    /// It answered a PING.
    Pong,
    /// Its end was decided.
    Closing,
    /// It is gone.
    Ended,
    /// It was let in.
    Opened,
    /// Whose it is.
    Identity,
    /// A message of it was answered by an error.
    Refused,
    /// It went on with a session.
    Resumed,
    /// It was asked to go elsewhere.
    GoAway,
    /// Anything else that an operator should read.
    Note,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Attached,
        Self::Subscribed,
        Self::Unsubscribed,
        Self::Gap,
        Self::Slow,
        Self::KeepsUp,
        Self::AwaitsAck,
        Self::Pong,
        Self::Closing,
        Self::Ended,
        Self::Opened,
        Self::Identity,
        Self::Refused,
        Self::Resumed,
        Self::GoAway,
        Self::Note,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::Subscribed => "subscribed",
            Self::Unsubscribed => "unsubscribed",
            Self::Gap => "gap",
            Self::Slow => "slow",
            Self::KeepsUp => "keeps_up",
            Self::AwaitsAck => "awaits_ack",
            Self::Pong => "pong",
            Self::Closing => "closing",
            Self::Ended => "ended",
            Self::Opened => "opened",
            Self::Identity => "identity",
            Self::Refused => "refused",
            Self::Resumed => "resumed",
            Self::GoAway => "goaway",
            Self::Note => "note",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// It comes again as long as something lasts; of several in a row the particulars of the last are enough.
    pub fn is_periodic(self) -> bool {
        matches!(self, Self::Pong | Self::Slow | Self::AwaitsAck)
    }
}
