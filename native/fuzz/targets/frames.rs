//! A stream of frames means the same however it is cut: what came behind the handshake in one segment, and the rest.
#![no_main]

use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use plane::frame::{FrameReader, ReaderLimits};

fuzz_target!(|data: &[u8]| {
    let [cut, options, stream @ ..] = data else {
        return;
    };
    let limits = ReaderLimits {
        max_message: 1 << (options & 15),
        skip_factor: 4,
        max_empty_fragments: 3,
        deflate: options & 16 != 0,
    };
    let whole = read(limits, &[stream]);
    let (leftover, rest) = stream.split_at(usize::from(*cut).min(stream.len()));
    assert_eq!(whole, read(limits, &[leftover, rest]));
});

/// What came in, as text, and the code that the stream would be closed by.
fn read(limits: ReaderLimits, pieces: &[&[u8]]) -> (Vec<String>, Option<u16>) {
    let mut reader = FrameReader::new(limits);
    let mut seen = Vec::new();
    for piece in pieces {
        let mut input = piece.to_vec();
        let read = reader.read(&mut input, &mut |incoming| {
            seen.push(format!("{incoming:?}"));
            ControlFlow::Continue(())
        });
        assert!(reader.buffered() as u64 <= limits.max_message.max(125) + 1_024);
        if let Err(fault) = read {
            return (seen, Some(fault.close_code()));
        }
    }
    (seen, None)
}
