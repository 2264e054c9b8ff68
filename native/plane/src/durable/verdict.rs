//! What a recovery comes to: what an operator should know, and why a history cannot go on.

use std::io;

/// Why a channel has another epoch than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The machine went down, and what was written last may be lost with it.
    Power,
    /// Files are not as they were written.
    Damage,
    /// The hub ran without keeping the channel, which may have taken entries then.
    Apart,
}

impl Reason {
    /// As counters call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Power => "power_loss",
            Self::Damage => "damage",
            Self::Apart => "apart",
        }
    }
}

/// What happened at the recovery of a channel that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// So many bytes of a record that was not written to its end were cut off.
    Torn(u64),
    /// Another history begins: why, and what was found.
    NewEpoch(Reason, String),
}

/// Why the history cannot go on.
#[derive(Debug)]
pub enum Stop {
    /// The disk says no.
    Io(io::Error),
    /// Another one begins: why, and what was found.
    New(Reason, String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Files are not as they were written.
pub fn damage(text: String) -> Stop {
    Stop::New(Reason::Damage, text)
}
