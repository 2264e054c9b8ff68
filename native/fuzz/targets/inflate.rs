//! A compressed message never becomes larger than it may, and what we compress comes back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plane::deflate::{Deflater, Inflated, Inflater};

fuzz_target!(|data: &[u8]| {
    let [shift, payload @ ..] = data else {
        return;
    };
    let limit = 1_u64 << (shift & 31);
    let mut inflater = Inflater::default();
    if let Inflated::Whole(message) = inflater.inflate(payload, limit) {
        assert!(message.len() as u64 <= limit);
    }
    if let Some(packed) = Deflater::default().deflate(payload) {
        assert_eq!(inflater.inflate(packed, payload.len() as u64), Inflated::Whole(payload));
    }
});
