//! What the plane cannot do.

use std::fmt;
use std::path::PathBuf;

use crate::log::Misplaced;
use crate::logs::LogId;
use crate::packed::Refused;
use crate::plane::ConnId;

/// What cannot be done, and why.
#[derive(Debug)]
pub enum PlaneError {
    /// `start` was not called.
    NotStarted,
    /// `start` was called twice.
    Started,
    /// `stop` was called.
    Stopped,
    /// The process was forked after the start.
    Forked,
    /// No log of this number is open.
    UnknownLog(LogId),
    /// A log of this channel is open.
    ChannelOpen(String),
    /// The log of this channel gives places itself.
    Durable(String),
    /// No virtual connection of this number is open.
    NotVirtual(ConnId),
    /// An argument is not as it should be: what was expected, and what came.
    Argument(String),
    /// There are so many distinct filters of a channel, or of all, already.
    Filters(&'static str, usize),
    /// The distinct filters that there are take so many bytes already.
    FilterMemory(usize),
    /// So many entries and bytes wait to be written already.
    Overloaded(usize, usize),
    /// A data directory, or a file in it, cannot be used, and why.
    Data(PathBuf, String),
    /// The kernel refused.
    Io(std::io::Error),
}

impl fmt::Display for PlaneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted => f.write_str("the plane is not started: call start() first"),
            Self::Started => f.write_str("the plane is started already"),
            Self::Stopped => f.write_str("the plane is stopped, and cannot be started again"),
            Self::Forked => f.write_str("the process was forked after the plane was started: its I/O threads are in the parent"),
            Self::UnknownLog(log) => write!(f, "an open log was expected, {log} is none"),
            Self::ChannelOpen(channel) => write!(f, "channel {channel} has an open log already"),
            Self::Durable(channel) => write!(f, "a log whose entries get their places elsewhere was expected, that of {channel} is durable"),
            Self::NotVirtual(conn) => write!(f, "an open virtual connection was expected, {conn} is none"),
            Self::Argument(text) => f.write_str(text),
            Self::Filters(of, most) => write!(f, "there are {most} distinct filters {of} already"),
            Self::FilterMemory(bytes) => write!(f, "the distinct filters of all channels take {bytes} bytes already"),
            Self::Overloaded(entries, bytes) => write!(f, "{entries} entries ({bytes} bytes) wait to be written already"),
            Self::Data(path, text) => write!(f, "{} cannot be used: {text}", path.display()),
            Self::Io(error) => write!(f, "the kernel refused: {error}"),
        }
    }
}

impl std::error::Error for PlaneError {}

impl From<Misplaced> for PlaneError {
    fn from(why: Misplaced) -> Self {
        Self::Argument(why.to_string())
    }
}

impl From<Refused> for PlaneError {
    fn from(why: Refused) -> Self {
        Self::Argument(why.to_string())
    }
}

impl From<std::io::Error> for PlaneError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
