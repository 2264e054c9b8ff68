//! Why a filter is refused (F9).

use std::fmt;

/// Which member breaks a rule, what was expected there, and what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterFault {
    /// The member, its names joined by dots; empty for the whole filter.
    pub path: String,
    /// What was expected.
    pub expected: String,
    /// What came.
    pub came: String,
}

impl FilterFault {
    /// One member at `path`.
    pub fn new(path: String, expected: impl Into<String>, came: impl Into<String>) -> Self {
        let (expected, came) = (expected.into(), came.into());
        Self {
            path,
            expected,
            came,
        }
    }
}

impl fmt::Display for FilterFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "expected {}, came {}", self.expected, self.came)
    }
}

impl std::error::Error for FilterFault {}
