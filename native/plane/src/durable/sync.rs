//! When what was written is made to survive a loss of power.

use std::time::Duration;

/// The policy; a kill of the process loses nothing under any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Before anything is visible: a loss of power costs nothing.
    Always,
    /// So long after a write at the latest: a loss of power costs that much, and the epoch; what is whole goes on in the next.
    Interval(Duration),
    /// When the kernel likes to.
    Never,
}

impl Fsync {
    /// As the manifest says it.
    pub fn number(self) -> u8 {
        match self {
            Self::Never => 0,
            Self::Interval(_) => 1,
            Self::Always => 2,
        }
    }

    /// What the manifest said; the length of the interval is not told.
    pub fn numbered(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Never),
            1 => Some(Self::Interval(Duration::ZERO)),
            2 => Some(Self::Always),
            _ => None,
        }
    }
}
