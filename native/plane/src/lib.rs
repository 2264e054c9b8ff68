//! The data plane: frames, logs, views, cursors, and the I/O threads that write to thousands of sockets.
//!
//! A channel is a [`log::Log`], a subscription is a [`cursor::Cursor`]. What is written is composed once per
//! [`view::View`]; nobody has a queue of his own. Nothing here knows Python, JSON parsing beyond the strict scan, or what a
//! message means.

#![forbid(unsafe_code)]
// Arithmetic is left to the overflow checks of every profile: outside of frame and json it is on offsets, positions and
// sizes of our own, and a wrong one is a panic that costs one connection.
#![deny(clippy::indexing_slicing, clippy::cast_possible_truncation)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

mod allowance;
mod appending;
mod batch;
mod bucket;
mod channel;
mod closing;
mod command;
mod connection;
mod content;
mod cursor;
pub mod deflate;
mod directory;
mod durable;
mod entry;
mod epoch;
mod error;
mod feed;
mod fields;
mod figures;
pub mod filter;
#[cfg(test)]
mod footprint;
mod form;
pub mod frame;
mod gap;
mod histogram;
mod inbound;
mod inbox;
pub mod json;
mod log;
mod logs;
mod marks;
mod members;
mod newest;
mod outbound;
pub mod packed;
mod peer;
mod picks;
mod pipe;
mod plane;
mod questions;
mod queue;
mod round;
mod rules;
mod segment;
mod settings;
mod shard;
mod staging;
mod start;
mod story;
mod thread;
mod timer;
mod transport;
mod unfinished;
mod view;
mod watermark;
mod window;

pub use allowance::SharedBucket;
pub use batch::{Batch, Event};
pub use bucket::Rate;
pub use channel::Channel;
pub use closing::{Cause, Verdict};
pub use content::{
    Accepts, Content, ContentEncoding, MAX_DECODED, OwnContent, Refusal, check_payload, is_much,
    is_null,
};
pub use cursor::{Delivery, OnSlow, Options};
pub use durable::{Durable, DurableFigures, Fsync, Mark, Note, Reason};
pub use entry::Entry;
pub use entry::{Encoding, NewEntry};
pub use epoch::{Epoch, Position};
pub use error::PlaneError;
pub use figures::{ChannelFigures, ConnectionFigures, Count, Figures};
pub use histogram::{BOUNDS_US, Histogram, Snapshot};
pub use inbound::{OwnRun, Part, Parts, Run};
pub use inbox::Inbox;
pub use log::{Log, Retention};
pub use logs::{LogId, Logs};
pub use marks::{MARKED, Marks};
pub use members::Members;
pub use newest::Newest;
pub use plane::{Appended, ConnId, Plane, Subscription, Terms};
pub use rules::{Breach, check_content};
pub use settings::Settings;
pub use start::Start;
pub use story::{Account, Kind, Record};
pub use transport::is_open;
