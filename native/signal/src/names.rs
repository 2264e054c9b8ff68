//! Event types as 16-bit numbers.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::SignalError;
use crate::rules::check_event_type;

/// Most different event types in a run.
pub const MAX_NAMES: usize = 4_096;

/// The names given so far; they are never forgotten, so that a number read later still has its name.
#[derive(Default)]
pub struct Names {
    by_id: RwLock<Vec<Arc<str>>>,
}

impl Names {
    /// The name behind a number.
    pub fn get(&self, id: u16) -> Arc<str> {
        let names = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        names
            .get(usize::from(id))
            .map_or_else(|| Arc::from(""), Arc::clone)
    }

    /// All names, in the order of their numbers.
    pub fn snapshot(&self) -> Vec<Arc<str>> {
        self.by_id
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn push(&self, name: &Arc<str>) {
        let mut names = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        names.push(Arc::clone(name));
    }
}

/// The writing side of `Names`.
#[derive(Default)]
pub struct Interner {
    names: Arc<Names>,
    ids: HashMap<Arc<str>, u16>,
    latest: Option<(Arc<str>, u16)>,
}

impl Interner {
    /// The shared reading side.
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// The number of `name`, which gets one if it is new and well formed.
    pub fn intern(&mut self, name: &str) -> Result<u16, SignalError> {
        // One emitter mostly repeats itself: comparing is cheaper than hashing.
        if let Some((latest, id)) = &self.latest
            && **latest == *name
        {
            return Ok(*id);
        }
        let (name, id) = match self.ids.get_key_value(name) {
            Some((name, id)) => (Arc::clone(name), *id),
            None => self.add(name)?,
        };
        self.latest = Some((name, id));
        Ok(id)
    }

    /// The number of `name`, if it has one.
    pub fn find(&self, name: &str) -> Option<u16> {
        self.ids.get(name).copied()
    }

    fn add(&mut self, name: &str) -> Result<(Arc<str>, u16), SignalError> {
        check_event_type(name)?;
        let full = SignalError::NamesFull { limit: MAX_NAMES };
        let id = u16::try_from(self.ids.len()).map_err(|_| full.clone())?;
        if self.ids.len() >= MAX_NAMES {
            return Err(full);
        }
        let name: Arc<str> = Arc::from(name);
        self.names.push(&name);
        self.ids.insert(Arc::clone(&name), id);
        Ok((name, id))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_name_keeps_its_number_and_a_number_its_name() {
        let mut interner = Interner::default();
        assert_eq!(Ok(0), interner.intern("a"));
        assert_eq!(Ok(1), interner.intern("b"));
        assert_eq!(Ok(0), interner.intern("a"));
        assert_eq!("b", &*interner.names().get(1));
    }

    #[test]
    fn the_table_ends_at_4096_names_and_the_known_ones_still_work() {
        let mut interner = Interner::default();
        for n in 0..MAX_NAMES {
            interner.intern(&format!("n{n}")).unwrap();
        }
        let error = interner.intern("one-more").unwrap_err();
        assert_eq!("overloaded", error.slug());
        assert_eq!(Ok(4_095), interner.intern("n4095"));
    }

    /// M16
    #[test]
    fn a_bad_name_takes_no_place() {
        let mut interner = Interner::default();
        assert!(interner.intern("not a name").is_err());
        assert_eq!(0, interner.names().snapshot().len());
    }
}
