//! What it costs to check JSON, and to say it in msgpack.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use plane::json::{check, check_value, escape, msgpack};

const EVENT: &str = r#"{"type":"event","channel":"signals","offset":903,"event":"signal.input.text","ts":1767225600.31,"data":{"token_id":4711,"vector":[0.12,0.5,0.33,0.08,0.91,0.4,0.27,0.66],"priority":200,"is_novel":true,"neighbors":[{"token_id":17,"distance":0.34}],"node":"n1","payload":{"text":"hello"}},"tags":{"chat":"c-12"}}"#;
const PUBLISH: &str = r#"{"type":"publish","id":6,"channel":"actions","event":"deploy.started","data":{"service":"api"},"key":"api","tags":{"env":"prod"},"mid":"b7c1-0042"}"#;
const PING: &str = r#"{"type":"ping","t":123456}"#;

fn object_of(members: usize, key: impl Fn(usize) -> String) -> String {
    let members: Vec<String> = (0..members)
        .map(|n| format!("\"{}\":{n}", key(n)))
        .collect();
    format!("{{{}}}", members.join(","))
}

fn records(count: usize) -> String {
    let mut out = String::from(r#"{"type":"publish","channel":"logs","event":"batch","data":["#);
    for n in 0..count {
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(
            out,
            r#"{comma}{{"id":{n},"name":"worker-{n}","message":"request finished in time, nothing to report here","cpu":41.5,"ok":true,"tags":["a","b"]}}"#
        );
    }
    out.push_str("]}");
    out
}

fn checking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("check");
    for (name, text) in [
        ("ping", PING.to_owned()),
        ("publish", PUBLISH.to_owned()),
        ("event", EVENT.to_owned()),
        ("records of 64 KiB", records(500)),
        ("records of 1 MiB", records(8000)),
        (
            "a string of 64 KiB",
            format!(r#"{{"data":"{}"}}"#, "a".repeat(65_536)),
        ),
        (
            "1 MiB of [],",
            format!(r#"{{"data":[{}[]]}}"#, "[],".repeat(349_000)),
        ),
        ("100k short keys", object_of(100_000, |n| format!("{n:x}"))),
        (
            "75k keys with one prefix",
            object_of(75_000, |n| format!("prefix:{n:x}")),
        ),
        ("32 keys", object_of(32, |n| format!("key_{n}"))),
    ] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bench| {
            bench.iter(|| check(black_box(text.as_bytes())).is_ok());
        });
    }
    let text = records(500);
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("records of 64 KiB with UTF-8", |bench| {
        bench.iter(|| check_value(black_box(text.as_bytes())).is_ok());
    });
    group.finish();
}

fn writing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    let mut out = Vec::new();
    for (name, text) in [
        ("event", EVENT.to_owned()),
        ("records of 64 KiB", records(500)),
    ] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("msgpack of {name}"), |bench| {
            bench.iter(|| {
                out.clear();
                msgpack::transcode(black_box(text.as_bytes()), &mut out).is_ok()
            });
        });
    }
    for (name, text) in [
        ("32 B", "deploy.started on host db1 (prod)".to_owned()),
        ("4 KiB", "line of a log\n".repeat(292)),
    ] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("JSON string of {name}"), |bench| {
            bench.iter(|| {
                out.clear();
                escape::write_str(&mut out, black_box(&text));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, checking, writing);
criterion_main!(benches);
