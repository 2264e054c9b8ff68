//! What an idle connection with one subscription takes of memory in the plane, structure by structure.
//!
//! `cargo test --manifest-path native/Cargo.toml -p ng-plane footprint -- --nocapture` prints it. Buffers are not in it:
//! an idle connection has none.

use std::sync::Arc;

use crate::bucket::Bucket;
use crate::connection::Connection;
use crate::cursor::Cursor;
use crate::directory::Handle;
use crate::figures::ConnectionFigures;
use crate::frame::FrameReader;
use crate::outbound::Outbound;
use crate::peer::Peer;
use crate::questions::Questions;
use crate::story::{Record, Story};
use crate::transport::Transport;
use crate::view::Follower;

/// Counters of an `Arc`.
const SHARED: usize = 2 * size_of::<usize>();

/// Bytes of the structures that there is one of per connection, by the place they lie in.
const STRUCTURES: [(&str, usize); 6] = [
    (
        "connection, in the slab of its thread",
        size_of::<Connection>(),
    ),
    ("its slot by its number", size_of::<(u64, usize)>()),
    ("cursor", size_of::<Cursor>()),
    ("follower, in its view", size_of::<Follower>()),
    ("figures and story", SHARED + size_of::<ConnectionFigures>()),
    ("what others find it by", size_of::<(u64, Handle)>()),
];

/// Of what the larger ones consist.
const PARTS: [(&str, usize); 9] = [
    ("connection: transport", size_of::<Transport>()),
    ("connection: outbound", size_of::<Outbound>()),
    ("connection: frame reader", size_of::<FrameReader>()),
    ("connection: peer", size_of::<Peer>()),
    ("peer: three buckets", 3 * size_of::<Bucket>()),
    ("connection: questions", size_of::<Questions>()),
    ("connection: list of cursors", size_of::<Vec<Cursor>>()),
    ("figures: story", size_of::<Story>()),
    ("story: a record, beside its text", size_of::<Record>()),
];

/// The most that the structures may take together.
const MOST: usize = 1_024;

/// Nobody makes thousands of idle connections dearer without saying so here.
#[test]
fn an_idle_connection_takes_no_more_than_it_did() {
    assert_eq!(size_of::<Arc<ConnectionFigures>>(), size_of::<usize>());
    for (name, size) in STRUCTURES.iter().chain(&PARTS) {
        println!("{size:6} {name}");
    }
    let all: usize = STRUCTURES.iter().map(|(_, size)| size).sum();
    println!("{all:6} together");
    assert!(all <= MOST, "{all} bytes");
}
