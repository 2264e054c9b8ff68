//! Compressor and decompressor against each other, and against bytes that nobody has compressed.

#![allow(clippy::unwrap_used)]

use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;

use super::inflater::{Inflated, Inflater};
use super::{Deflater, TAIL};

/// As a peer compresses.
fn compressed(message: &[u8], level: u32) -> Vec<u8> {
    let mut stream = Compress::new(Compression::new(level), false);
    let mut out = Vec::with_capacity(message.len() * 2 + 100);
    stream
        .compress_vec(message, &mut out, FlushCompress::Sync)
        .unwrap();
    out.strip_suffix(&TAIL).unwrap().to_vec()
}

proptest! {
    /// B2, B3: what went out comes back, whatever came before it, and is shorter.
    #[test]
    fn messages_come_back(messages in prop::collection::vec("[a-f]{0,3000}", 1..4)) {
        let (mut deflater, mut inflater) = (Deflater::default(), Inflater::default());
        for message in &messages {
            match deflater.deflate(message.as_bytes()) {
                Some(short) => {
                    prop_assert!(short.len() < message.len());
                    let back = inflater.inflate(short, message.len() as u64);
                    prop_assert_eq!(Inflated::Whole(message.as_bytes()), back);
                }
                None => prop_assert!(message.len() < 512),
            }
        }
    }

    /// B3, L20: of any level, whole within the limit, and too large above it; in either order.
    #[test]
    fn the_limit_is_exact(bytes in prop::collection::vec(any::<u8>(), 0..5_000), level in 0..=9_u32, less in 1..50_usize) {
        let mut inflater = Inflater::default();
        let short = compressed(&bytes, level);
        let limit = bytes.len() as u64;
        prop_assert_eq!(Inflated::Whole(&bytes), inflater.inflate(&short, limit));
        if let Some(below) = bytes.len().checked_sub(less) {
            prop_assert_eq!(Inflated::TooLarge, inflater.inflate(&short, below as u64));
        }
        prop_assert_eq!(Inflated::Whole(&bytes), inflater.inflate(&short, limit));
    }

    /// fr8: whatever comes, there is an end, never more than the limit, and the next message is none the worse for it.
    #[test]
    fn arbitrary_bytes_are_bounded(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        limit in 0..2_000_u64,
        at in any::<prop::sample::Index>(),
    ) {
        let mut inflater = Inflater::default();
        let good = compressed(&b"never a panic, ".repeat(30), 6);
        let mut damaged = good.clone();
        let at = at.index(damaged.len());
        damaged[at] ^= bytes.first().copied().unwrap_or(1).max(1);
        for message in [&bytes, &damaged] {
            if let Inflated::Whole(whole) = inflater.inflate(message, limit) {
                prop_assert!(whole.len() as u64 <= limit);
            }
        }
        prop_assert_eq!(Inflated::Whole(&b"never a panic, ".repeat(30)), inflater.inflate(&good, 450));
    }
}

/// fr7: a bomb costs its limit and no more, in memory as in time.
#[test]
fn a_bomb_stops_at_the_limit() {
    let bomb = compressed(&vec![0; 64 << 20], 9);
    assert!(bomb.len() < 80_000);
    let mut inflater = Inflater::default();
    assert_eq!(Inflated::TooLarge, inflater.inflate(&bomb, 1 << 20));
    assert!(
        inflater.capacity() <= (1 << 20) + (64 << 10),
        "{}",
        inflater.capacity()
    );
    assert_eq!(Inflated::Whole(b""), inflater.inflate(&[0], 10));
    assert!(inflater.capacity() <= 256 << 10);
}

/// B2: empty messages, and streams that end instead of being flushed (RFC 7692 §7.2.3.4 and §7.2.3.6); nothing may follow.
#[test]
fn ends_of_streams() {
    let mut inflater = Inflater::default();
    for empty in [&b""[..], b"\x00", b"\x02\x00", b"\x03\x00"] {
        assert_eq!(
            Inflated::Whole(b""),
            inflater.inflate(empty, 0),
            "{empty:x?}"
        );
    }
    let hello = b"\xf3\x48\xcd\xc9\xc9\x07\x00";
    assert_eq!(Inflated::Whole(b"Hello"), inflater.inflate(hello, 5));
    for more in [&b"\x00"[..], b"\x01", b"\x00\x00", b"abc"] {
        let message = [&hello[..], more].concat();
        let expected = if more == b"\x00" {
            Inflated::Whole(b"Hello")
        } else {
            Inflated::Corrupt
        };
        assert_eq!(expected, inflater.inflate(&message, 100), "{more:x?}");
    }
    // A reserved kind of block, a stored block whose length is not told twice.
    for corrupt in [&b"\x07"[..], b"\x01\x05\x00\x00\x00hello"] {
        assert_eq!(Inflated::Corrupt, inflater.inflate(corrupt, 100));
    }
}

/// B3: neither what is short nor what would not become shorter; figures count what was compressed.
#[test]
fn what_does_not_pay_is_sent_as_it_is() {
    let mut deflater = Deflater::default();
    assert_eq!(None, deflater.deflate(&[b'a'; 511]));
    let mut noise = 7_u64;
    let random: Vec<u8> = (0..5_000)
        .map(|_| {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (noise >> 56) as u8
        })
        .collect();
    assert_eq!(None, deflater.deflate(&random));
    assert_eq!((0, 0, 0), deflater.take_counted());
    let len = deflater.deflate(&[b'a'; 512]).unwrap().len() as u64;
    assert_eq!((1, 512, len), deflater.take_counted());
}
