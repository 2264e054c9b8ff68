//! Everything the `SignalSystem` can refuse. Each text says what was expected and what came.

use std::fmt;

/// A refusal; nothing was processed, except where a variant says otherwise.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SignalError {
    /// A vector that has not eight coordinates.
    Dimensions {
        /// How many came.
        came: usize,
    },
    /// A coordinate that is not finite as a 32-bit float.
    NotFinite {
        /// Which of the eight.
        axis: usize,
        /// The number that came.
        came: f64,
    },
    /// A priority outside 0–255.
    Priority {
        /// The number that came.
        came: i64,
    },
    /// A name, key, tag or payload that breaks its rule (M16).
    Field {
        /// `event_type`, `key`, `tags` or `payload`.
        field: &'static str,
        /// The rule.
        expected: &'static str,
        /// What came, shortened.
        came: String,
    },
    /// A payload or batch above its limit.
    TooLarge {
        /// `payload` or `vectors`.
        field: &'static str,
        /// The limit.
        limit: usize,
        /// The size that came.
        came: usize,
    },
    /// A number outside the range a call allows (`k`, `limit`, `radius`, `weight`).
    Argument {
        /// Its name.
        name: &'static str,
        /// The range.
        expected: &'static str,
        /// What came.
        came: String,
    },
    /// A constructor setting that is wrong.
    Setting {
        /// Its name.
        name: &'static str,
        /// What was expected.
        expected: String,
        /// What came.
        came: String,
    },
    /// The table of event types is full.
    NamesFull {
        /// How many it holds.
        limit: usize,
    },
    /// The table of token connections is full.
    ConnectionsFull {
        /// How many it holds.
        limit: usize,
    },
    /// The queue to the consumer has no room.
    Overloaded {
        /// How many events it holds.
        waiting: usize,
    },
    /// A caller that waited for room was told to stop.
    Interrupted,
    /// `close` was called.
    Closed,
    /// A panic was caught earlier; what the system holds is not to be trusted.
    Failed,
}

/// What of a refused text may appear in a message.
pub(crate) fn shortened(text: &str) -> String {
    let head: String = text.chars().take(40).collect();
    if head.len() < text.len() {
        format!("{head:?}… of {} bytes", text.len())
    } else {
        format!("{head:?}")
    }
}

impl SignalError {
    /// The same about another member.
    #[must_use]
    pub(crate) fn about(mut self, name: &'static str) -> Self {
        if let Self::Field { field, .. } = &mut self {
            *field = name;
        }
        self
    }

    /// The error name of the wire protocol (E table).
    pub fn slug(&self) -> &'static str {
        match self {
            Self::Dimensions { .. } | Self::NotFinite { .. } => "vector_invalid",
            Self::Priority { .. } | Self::Argument { .. } => "schema_invalid",
            Self::Field { .. } => "bad_message",
            Self::TooLarge { .. } => "too_large",
            Self::Overloaded { .. } | Self::NamesFull { .. } | Self::ConnectionsFull { .. } => {
                "overloaded"
            }
            Self::Setting { .. } | Self::Interrupted | Self::Closed | Self::Failed => "internal",
        }
    }

    /// The member of an `emit` that is wrong.
    pub fn path(&self) -> Option<&'static str> {
        match self {
            Self::Dimensions { .. } | Self::NotFinite { .. } => Some("vector"),
            Self::Priority { .. } => Some("priority"),
            Self::Field { field, .. } | Self::TooLarge { field, .. } => Some(field),
            Self::NamesFull { .. } => Some("event_type"),
            Self::Argument { name, .. } | Self::Setting { name, .. } => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dimensions { came } => write!(f, "vector must have 8 dimensions, got {came}"),
            Self::NotFinite { axis, came } => {
                write!(
                    f,
                    "vector[{axis}] must be finite as a 32-bit float, got {came:?}"
                )
            }
            Self::Priority { came } => {
                write!(f, "priority must be an integer from 0 to 255, got {came}")
            }
            Self::Field {
                field,
                expected,
                came,
            } => write!(f, "{field} must be {expected}, got {came}"),
            Self::TooLarge { field, limit, came } => {
                write!(f, "{field} must not be larger than {limit}, got {came}")
            }
            Self::Argument {
                name,
                expected,
                came,
            } => write!(f, "{name} must be {expected}, got {came}"),
            Self::Setting {
                name,
                expected,
                came,
            } => write!(f, "{name} must be {expected}, got {came}"),
            Self::NamesFull { limit } => write!(
                f,
                "the table of event types is full, it holds {limit} names"
            ),
            Self::ConnectionsFull { limit } => {
                write!(
                    f,
                    "the table of token connections is full, it holds {limit}"
                )
            }
            Self::Overloaded { waiting } => {
                write!(
                    f,
                    "the queue is full, {waiting} events wait for the consumer; the signal was not processed"
                )
            }
            Self::Interrupted => f.write_str("interrupted while waiting for room in the queue"),
            Self::Closed => f.write_str("the SignalSystem is closed"),
            Self::Failed => f.write_str(
                "the SignalSystem failed earlier (a caught panic) and refuses further work",
            ),
        }
    }
}

impl std::error::Error for SignalError {}
