//! Random histories: what may happen to channels and their subscribers, in any order.

use proptest::prelude::*;
use serde_json::Value;

/// Connections.
pub const CONNS: u64 = 3;
/// Channels.
pub const CHANNELS: usize = 2;

/// Filters, in the words of the protocol.
pub const FILTERS: [&str; 4] = [
    r#"{"key":{"in":["k0","k1"]}}"#,
    r#"{"not":{"data":null}}"#,
    r#"{"data":{"exists":true},"key":"k3"}"#,
    r#"{"event":"nobody's"}"#,
];

/// What they mean.
pub fn passes(filter: Option<usize>, key: &str, data: &Value) -> bool {
    match filter {
        None => true,
        Some(0) => key == "k0" || key == "k1",
        Some(1) => !data.is_null(),
        Some(2) => key == "k3",
        Some(_) => false,
    }
}

/// What may happen in any order.
#[derive(Clone, Debug)]
pub enum Op {
    Append {
        channel: usize,
        sizes: Vec<usize>,
        key: u8,
    },
    Rotate {
        channel: usize,
    },
    /// A channel stands elsewhere.
    Begin {
        channel: usize,
        /// In another history, or further on in this one.
        elsewhere: bool,
        /// Entries that a store has before there, and the log has not.
        missing: usize,
        /// The newest of each key of all that the store has are taken up, at once or after the next thing that happens.
        restore: Option<bool>,
    },
    Take {
        conn: u64,
        bytes: usize,
    },
    Subscribe {
        conn: u64,
        channel: usize,
        start: From,
        keep: bool,
        latest: bool,
        paced: bool,
        window: Option<u64>,
        /// A number among `FILTERS`.
        filter: Option<usize>,
        /// The channel begins another history before the I/O thread hears of the wish.
        rotated: bool,
    },
    Unsubscribe {
        conn: u64,
        channel: usize,
    },
    Ack {
        conn: u64,
        channel: usize,
        handled: Handled,
    },
    Positions {
        conn: u64,
    },
    /// The peer is told where all its cursors stand (E4).
    Affirm {
        conn: u64,
    },
    Send {
        conn: u64,
    },
    Wait {
        ms: u64,
    },
}

/// Where a subscription is to start.
#[derive(Clone, Debug)]
pub enum From {
    New,
    Snapshot,
    Last(u64),
    Since(f64),
    /// So far from the head, behind it or beyond.
    Here(i64),
    /// In the history before this one, or in one that never was.
    Elsewhere(bool, u64),
}

/// What a client says that it has handled.
#[derive(Clone, Copy, Debug)]
pub enum Handled {
    All,
    Less(u64),
    Unsent(u64),
    Elsewhere,
}

pub fn op() -> impl Strategy<Value = Op> {
    let conn = || 1..=CONNS;
    let channel = || 0..CHANNELS;
    let size = prop_oneof![8 => 0_usize..200, 1 => Just(5_000_usize), 1 => 60_000_usize..150_000];
    let start = prop_oneof![
        2 => Just(From::New),
        2 => (0_u64..20).prop_map(From::Last),
        1 => Just(From::Snapshot),
        1 => (0_u8..4).prop_map(|ts| From::Since(f64::from(ts))),
        2 => (-12_i64..3).prop_map(From::Here),
        1 => (any::<bool>(), 0_u64..9).prop_map(|(former, offset)| From::Elsewhere(former, offset)),
    ];
    let handled = prop_oneof![
        4 => Just(Handled::All),
        2 => (0_u64..5).prop_map(Handled::Less),
        1 => (1_u64..5).prop_map(Handled::Unsent),
        1 => Just(Handled::Elsewhere),
    ];
    let window = prop::option::weighted(0.4, 1_u64..6);
    let filter = prop::option::weighted(0.5, 0..FILTERS.len());
    let flags = (
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.05),
    );
    prop_oneof![
        8 => (channel(), prop::collection::vec(size, 1..6), 0_u8..4)
            .prop_map(|(channel, sizes, key)| Op::Append { channel, sizes, key }),
        1 => channel().prop_map(|channel| Op::Rotate { channel }),
        1 => (channel(), any::<bool>(), 0_usize..9, any::<Option<bool>>())
            .prop_map(|(channel, elsewhere, missing, restore)| Op::Begin { channel, elsewhere, missing, restore }),
        12 => (conn(), prop_oneof![0_usize..40, 0_usize..3_000, Just(usize::MAX)])
            .prop_map(|(conn, bytes)| Op::Take { conn, bytes }),
        6 => (conn(), channel(), start, (window, filter), flags)
            .prop_map(|(conn, channel, start, (window, filter), (keep, latest, paced, rotated))| {
                Op::Subscribe { conn, channel, start, keep, latest, paced, window, filter, rotated }
            }),
        2 => (conn(), channel()).prop_map(|(conn, channel)| Op::Unsubscribe { conn, channel }),
        6 => (conn(), channel(), handled).prop_map(|(conn, channel, handled)| Op::Ack { conn, channel, handled }),
        2 => conn().prop_map(|conn| Op::Positions { conn }),
        3 => conn().prop_map(|conn| Op::Affirm { conn }),
        4 => conn().prop_map(|conn| Op::Send { conn }),
        4 => (0_u64..50).prop_map(|ms| Op::Wait { ms }),
        1 => (900_u64..1_100).prop_map(|ms| Op::Wait { ms }),
    ]
}
