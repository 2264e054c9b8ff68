//! Another filter for a subscription that goes on.

use std::time::Duration;

use crate::cursor::Delivery;
use crate::entry::Encoding;
use crate::shard::filters::{A, NONE, all, kept};
use crate::shard::rig::options;
use crate::start::Start;

/// F11, M26: the filter changes at the position of the answer: what comes before it was judged by the one, what comes after
/// it by the other; also where something was composed already and not sent.
#[test]
fn the_filter_changes_at_the_cursor() {
    let mut bench = kept();
    bench.subscribe(1, A, all(), Start::New);
    bench.append("ab");
    bench.taken(1);
    bench.keep(1, r#"{"key":"b"}"#, all());
    bench.append("ab");
    assert_eq!(vec!["at A:2+0", "4"], bench.taken(1));
    bench.keep(1, "", all());
    bench.append("ab");
    assert_eq!(vec!["at A:4+0", "5", "6"], bench.taken(1));
    bench.keep(1, A, all());
    bench.append("ab");
    assert_eq!(vec!["at A:6+0", "7"], bench.taken(1));
    // A peer that takes nothing: all that follows waits for it.
    bench.rig.connect(2, 1, Encoding::Json);
    bench.subscribe(2, A, all(), bench.at(0));
    bench.rig.wait(Duration::from_millis(5));
    bench.append("abab");
    bench.rig.wait(Duration::from_millis(5));
    bench.keep(2, r#"{"key":"b"}"#, all());
    assert_eq!(
        vec!["at A:0+8", "at A:0+12", "2", "4", "6", "8", "10", "12"],
        bench.taken(2)
    );
    for delivery in [Delivery::All, Delivery::Latest] {
        bench.rig.connect(3, 1, Encoding::Json);
        bench.subscribe(3, "", options(delivery), Start::New);
        bench.taken(3);
        bench.append("cabab");
        bench.rig.wait(Duration::from_millis(5));
        bench.keep(3, A, options(delivery));
        let received = bench.taken(3);
        assert!(!received.iter().any(|one| one.ends_with('b')));
        let events = received
            .iter()
            .filter(|one| one.parse::<u64>().is_ok())
            .count();
        // One was begun before the change; of the others the two, or the newest, that pass.
        assert_eq!(
            if delivery == Delivery::All { 3 } else { 2 },
            events,
            "{received:?}"
        );
        let log = bench.log;
        bench.rig.unsubscribe(3, log);
        bench.taken(3);
    }
}

/// F12, C17: a change that the client is not told of takes nothing from what it knows, and nothing of what it is owed.
#[test]
fn a_silent_change_is_silent() {
    let mut bench = kept();
    bench.subscribe(1, "", all(), Start::New);
    bench.append("ab");
    assert_eq!(vec!["at A:0+0", "1", "2"], bench.taken(1));
    bench.keep_silently(1, A, all());
    bench.append("ab");
    assert_eq!(vec!["3"], bench.taken(1));
    bench.keep_silently(1, NONE, all());
    bench.append("ab");
    assert!(bench.taken(1).is_empty());
    for _ in 0..4 {
        bench.rig.wait(Duration::from_secs(1));
    }
    assert_eq!(vec!["ack logs=A:6"], bench.taken(1));
    bench.keep_silently(1, "", all());
    bench.append("a");
    assert_eq!(vec!["7"], bench.taken(1));
    // Who does not follow does not begin to.
    bench.rig.connect(2, 1 << 20, Encoding::Json);
    bench.keep_silently(2, A, all());
    bench.append("a");
    assert!(bench.taken(2).is_empty());
}
