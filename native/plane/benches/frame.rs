//! What a frame costs on its way in and out.

use std::hint::black_box;
use std::ops::ControlFlow;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use plane::frame::{FrameReader, Opcode, ReaderLimits, ServerFrames, write_message};

const LIMITS: ReaderLimits = ReaderLimits {
    max_message: 1 << 20,
    skip_factor: 8,
    max_empty_fragments: 64,
    deflate: false,
};

fn client_frame(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    let start = out.len();
    write_message(out, Opcode::Text, payload);
    let (head, mask) = (out.len() - start - payload.len(), [0x37, 0xfa, 0x21, 0x3d]);
    out[start] = first;
    out[start + 1] |= 0x80;
    for (byte, key) in out[start + head..].iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    out.splice(start + head..start + head, mask);
}

fn read(input: &mut [u8], at_once: usize) -> usize {
    let mut reader = FrameReader::new(LIMITS);
    let mut messages = 0;
    for piece in input.chunks_mut(at_once) {
        let result = reader.read(piece, &mut |incoming| {
            black_box(incoming);
            messages += 1;
            ControlFlow::Continue(())
        });
        black_box(result.is_ok());
    }
    messages
}

fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    let mut fragmented = Vec::new();
    client_frame(&mut fragmented, 0x01, b"x");
    for _ in 0..65_534 {
        client_frame(&mut fragmented, 0x00, b"x");
    }
    client_frame(&mut fragmented, 0x80, b"x");
    let many = |payload: &[u8], count: usize| {
        let mut out = Vec::new();
        for _ in 0..count {
            client_frame(&mut out, 0x81, payload);
        }
        out
    };
    for (name, stream, at_once) in [
        ("1000 texts of 128 B", many(&[b'a'; 128], 1000), 256 * 1024),
        (
            "1000 texts of 128 B, byte by byte",
            many(&[b'a'; 128], 1000),
            1,
        ),
        ("60 texts of 4 KiB", many(&[b'a'; 4096], 60), 256 * 1024),
        (
            "a text of 60 KiB",
            many(&vec![b'a'; 60 * 1024], 1),
            256 * 1024,
        ),
        (
            "a text of 60 KiB in reads of 4 KiB",
            many(&vec![b'a'; 60 * 1024], 1),
            4096,
        ),
        ("65536 fragments of 1 B", fragmented, 256 * 1024),
    ] {
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_function(name, |bench| {
            bench.iter_batched_ref(
                || stream.clone(),
                |input| read(input, at_once),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

fn writing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    for len in [128, 4096, 1 << 20] {
        let payload = vec![b'a'; len];
        let mut out = Vec::new();
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("text of {len} B"), |bench| {
            bench.iter(|| {
                out.clear();
                write_message(&mut out, Opcode::Text, black_box(&payload));
            });
        });
        group.bench_function(format!("text of {len} B, heads taken off"), |bench| {
            bench.iter(|| ServerFrames::new(black_box(&out)).count());
        });
    }
    group.finish();
}

criterion_group!(benches, reading, writing);
criterion_main!(benches);
