//! Constructor settings as Python gives them.

use std::thread::available_parallelism;

use pyo3::prelude::*;
use signal::{Config, DEFAULT_WINDOW, Neighbors, Overflow, Publish, SignalError};

use super::vector;
use crate::error::refusal;

/// Threads that search for one batch where nothing is said: more gain little.
const MOST_THREADS: usize = 4;

fn choice<T: Copy>(
    name: &'static str,
    given: &str,
    choices: &[(&str, T)],
) -> Result<T, SignalError> {
    let found = choices.iter().find(|(word, _)| *word == given);
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| SignalError::Setting {
            name,
            expected: choices
                .iter()
                .map(|(word, _)| format!("{word:?}"))
                .collect::<Vec<_>>()
                .join(" or "),
            came: format!("{given:?}"),
        })
}

/// The words and numbers of the constructor.
pub struct Options<'a, 'py> {
    pub capacity: i64,
    pub index_window: Option<i64>,
    pub radii: (f64, f64),
    pub novelty_ttl: Option<f64>,
    pub max_neighbors: i64,
    pub neighbors: &'a str,
    pub max_leaves: i64,
    pub scales: Option<&'a Bound<'py, PyAny>>,
    pub auto_connect: i64,
    pub max_connections: i64,
    pub publish: &'a str,
    pub event_neighbors: i64,
    pub queue_size: i64,
    pub overflow: &'a str,
    pub threads: Option<i64>,
    pub token_events: bool,
    pub novelty_events: bool,
    pub node: &'a str,
}

impl Options<'_, '_> {
    /// The same as the crate takes them; it checks the limits.
    pub fn config(&self) -> PyResult<Config> {
        let defaults = Config::default();
        let capacity = whole("capacity", self.capacity)?;
        let window = self
            .index_window
            .map(|window| whole("index_window", window))
            .transpose()?;
        Ok(Config {
            capacity,
            index_window: window.unwrap_or(DEFAULT_WINDOW.min(capacity)),
            neighbor_radius: self.radii.0,
            novelty_radius: self.radii.1,
            novelty_ttl: self.novelty_ttl,
            max_neighbors: whole("max_neighbors", self.max_neighbors)?,
            scales: self.scales.map_or(Ok(defaults.scales), vector::one)?,
            event_neighbors: whole("event_neighbors", self.event_neighbors)?,
            queue_size: whole("queue_size", self.queue_size)?,
            max_leaves: whole("max_leaves", self.max_leaves)?,
            auto_connect: whole("auto_connect", self.auto_connect)?,
            max_connections: whole("max_connections", self.max_connections)?,
            threads: self.threads()?,
            token_events: self.token_events,
            novelty_events: self.novelty_events,
            node: self.node.to_owned(),
            ..self.policies(defaults).map_err(refusal)?
        })
    }

    fn threads(&self) -> PyResult<usize> {
        if let Some(given) = self.threads {
            return whole("threads", given);
        }
        Ok(available_parallelism().map_or(1, |cores| cores.get().min(MOST_THREADS)))
    }

    fn policies(&self, defaults: Config) -> Result<Config, SignalError> {
        let neighbors = [
            ("exact", Neighbors::Exact),
            ("bounded", Neighbors::Bounded),
            ("off", Neighbors::Off),
        ];
        let publish = [
            ("all", Publish::All),
            ("novel", Publish::Novel),
            ("none", Publish::None),
        ];
        let overflow = [
            ("refuse", Overflow::Refuse),
            ("block", Overflow::Block),
            ("drop_oldest", Overflow::DropOldest),
        ];
        Ok(Config {
            neighbors: choice("neighbors", self.neighbors, &neighbors)?,
            publish: choice("publish", self.publish, &publish)?,
            overflow: choice("overflow", self.overflow, &overflow)?,
            ..defaults
        })
    }
}

fn whole<T: TryFrom<i64>>(name: &'static str, given: i64) -> PyResult<T> {
    T::try_from(given).map_err(|_| {
        refusal(SignalError::Setting {
            name,
            expected: "a positive number".to_owned(),
            came: given.to_string(),
        })
    })
}
