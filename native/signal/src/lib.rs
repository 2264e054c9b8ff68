//! The `SignalSystem`: takes a typed 8-D vector, says at once whether it is new and what lies near it, and queues the event.
//!
//! Pure: no Python, no sockets, no clock of its own (callers hand in the wall time). Here belong tokens, the index, novelty,
//! the queue to the consumer and the JSON of the events; who consumes them does not.

#![forbid(unsafe_code)]

mod batch;
mod config;
mod connecting;
mod connections;
mod core;
mod crew;
mod emitting;
mod encoder;
mod error;
mod histogram;
mod json;
mod names;
mod nearby;
mod queue;
mod record;
pub mod rules;
mod slab;
mod stats;
mod system;
mod token;
mod tokens;
pub mod vector;

pub use batch::{Batch, Entry, MEMBERS, Mark};
pub use config::{Config, DEFAULT_WINDOW, Neighbors, Overflow, Publish};
pub use connecting::{NewConnection, check_pull};
pub use connections::{NamedConnection, TokenConnection};
pub use core::{Counts, Outcome, Signal};
pub use encoder::encode_text;
pub use error::SignalError;
pub use histogram::{BOUNDS_NS, Durations, Histogram};
pub use names::{MAX_NAMES, Names};
pub use nearby::{Around, Neighbor, Scope, Search};
pub use queue::{Dropped, MAX_WAITING_BYTES};
pub use record::{Extra, Question};
pub use space::{Hit, IndexInfo};
pub use stats::{Stats, family};
pub use system::SignalSystem;
pub use token::Token;
pub use tokens::{NamedToken, NewToken, TokenUpdate, check_weight};
pub use vector::{AXES, DIMENSIONS, Vector};
