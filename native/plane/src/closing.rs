//! How a connection ends: what is told to the peer, what is told to Python, and until when the peer may answer (X6).

use std::time::Instant;

/// Who, or what, ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The peer sent a close frame first.
    Peer,
    /// Python asked for it.
    Local,
    /// The stream ended without a close frame.
    Lost,
    /// No sign of life, or a message that was never finished.
    Timeout,
    /// Stalled or overrun.
    Slow,
    /// The peer broke the framing, or the form of its subprotocol.
    Protocol,
    /// The peer passed a limit.
    Limit,
    /// A fault of ours.
    Panic,
    /// The plane stops.
    Stop,
}

impl Cause {
    /// The word that Python sees.
    pub fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Local => "local",
            Self::Lost => "lost",
            Self::Timeout => "timeout",
            Self::Slow => "slow",
            Self::Protocol => "protocol",
            Self::Limit => "limit",
            Self::Panic => "panic",
            Self::Stop => "stop",
        }
    }
}

/// A close code, its reason (X3), and the cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Close code (section 7), 1005 for a peer that gave none, 1006 for one that is gone.
    pub code: u16,
    /// `slug` or `slug; detail`; what the peer said, if it was the peer.
    pub reason: String,
    /// Who ended it.
    pub cause: Cause,
}

impl Verdict {
    /// A verdict.
    pub fn new(code: u16, reason: &str, cause: Cause) -> Self {
        Self {
            code,
            reason: reason.into(),
            cause,
        }
    }

    /// H3: no sign of life.
    pub fn silent() -> Self {
        Self::new(4208, "timeout; no sign of life", Cause::Timeout)
    }

    /// L16: a message begun and never finished.
    pub fn unfinished() -> Self {
        Self::new(4208, "timeout; unfinished message", Cause::Timeout)
    }

    /// S8: bytes waited and none was taken.
    pub fn stalled() -> Self {
        Self::new(4213, "slow; nothing was read", Cause::Slow)
    }

    /// S9: overrun, with `on_slow` of `close`.
    pub fn overrun() -> Self {
        Self::new(4213, "slow; overrun", Cause::Slow)
    }

    /// S11: answers pile up.
    pub fn unread_answers() -> Self {
        Self::new(4213, "slow; answers not read", Cause::Slow)
    }

    /// L17, L18: too many control frames, or messages.
    pub fn rate_abuse() -> Self {
        Self::new(4229, "rate_abuse", Cause::Limit)
    }

    /// The stream ended without a close frame.
    pub fn lost() -> Self {
        Self::new(1006, "", Cause::Lost)
    }

    /// A panic in a turn of the connection.
    pub fn panic() -> Self {
        Self::new(4250, "internal", Cause::Panic)
    }
}

/// A connection between its verdict and its end.
#[derive(Debug)]
pub struct Closing {
    /// What Python will be told.
    pub verdict: Verdict,
    /// The peer has said all it had to say.
    pub peer_done: bool,
    /// Our close frame is written.
    pub written: bool,
    /// The TCP connection ends then at the latest (X6).
    pub deadline: Instant,
}
