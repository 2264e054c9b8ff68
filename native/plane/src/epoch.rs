//! Names of histories, and places in them (P1, P2).

use std::fmt;
use std::sync::Arc;

use crate::rules::is_epoch;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The name of one history of a channel: 10 random characters of 64, so that none comes twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// A name drawn from the randomness of the kernel.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = [0_u8; 10];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())?;
        }
        let name = bytes
            .iter()
            .filter_map(|byte| ALPHABET.get(usize::from(byte & 63)).copied())
            .map(char::from)
            .collect::<String>();
        Ok(Self(name.into()))
    }

    /// A name given by somebody else.
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// A name that a peer gave, if it is one (P2).
    pub fn checked(name: &str) -> Option<Self> {
        is_epoch(name).then(|| Self::named(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The place just after the entry `offset` of this history.
    pub fn position(&self, offset: u64) -> Position {
        Position {
            epoch: self.clone(),
            offset,
        }
    }
}

/// The place just after an entry of one history. Those of different histories cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The history.
    pub epoch: Epoch,
    /// The entry; 0 is the place before the first.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.epoch.as_str(), self.offset)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// P1, P2: a fresh epoch is of the allowed form and no other one.
    #[test]
    fn random_epochs_differ_and_obey_their_form() {
        let (one, two) = (Epoch::random().unwrap(), Epoch::random().unwrap());
        assert_ne!(one, two);
        assert_eq!(10, one.as_str().len());
        assert!(one.as_str().bytes().all(|byte| ALPHABET.contains(&byte)));
        assert_eq!(format!("{}:7", one.as_str()), one.position(7).to_string());
    }
}
