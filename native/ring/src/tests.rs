//! A ring against real sockets.

use std::io::{self, Read as _};
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use crate::{Ring, Send};

/// `None`, said on stderr, where the kernel has no ring for us.
fn ring(entries: u32) -> Option<Ring> {
    match Ring::open(entries) {
        Ok(ring) => Some(ring),
        Err(error) => {
            eprintln!("skipped: no io_uring here: {error}");
            None
        }
    }
}

fn pairs(number: usize) -> Vec<(UnixStream, UnixStream)> {
    let pair = || {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        io::Result::Ok((ours, theirs))
    };
    (0..number)
        .map(|_| pair().unwrap_or_else(|error| unreachable!("{error}")))
        .collect()
}

#[test]
fn all_are_sent_to_in_order_though_the_ring_is_shorter() {
    let Some(mut ring) = ring(8) else { return };
    let mut pairs = pairs(21);
    let texts: Vec<String> = (0..21).map(|n| format!("to {n}")).collect();
    let mut sent = Vec::new();
    for _ in 0..3 {
        let sends: Vec<Send> = pairs
            .iter()
            .zip(&texts)
            .map(|((ours, _), text)| Send {
                to: ours.as_fd(),
                bytes: text.as_bytes(),
            })
            .collect();
        assert!(ring.send_all(&sends, &mut sent).is_ok());
        for ((_, theirs), (text, sent)) in pairs.iter_mut().zip(texts.iter().zip(&sent)) {
            assert!(matches!(sent, Some(Ok(taken)) if *taken == text.len()));
            let mut got = vec![0; text.len()];
            assert!(theirs.read_exact(&mut got).is_ok());
            assert_eq!(got, text.as_bytes());
        }
    }
}

#[test]
fn who_takes_nothing_or_is_gone_is_told_and_holds_up_nobody() {
    let Some(mut ring) = ring(8) else { return };
    let pairs = pairs(3);
    let much = vec![7_u8; 8 << 20];
    assert!(pairs[1].1.shutdown(Shutdown::Both).is_ok());
    let sends = |bytes| {
        pairs
            .iter()
            .map(|(ours, _)| Send {
                to: ours.as_fd(),
                bytes,
            })
            .collect::<Vec<_>>()
    };
    let mut sent = Vec::new();
    assert!(ring.send_all(&sends(&much), &mut sent).is_ok());
    assert!(matches!(&sent[0], Some(Ok(taken)) if (1..much.len()).contains(taken)));
    assert!(matches!(&sent[1], Some(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe));
    // Full now: it is told at once, and nothing is sent later behind our back.
    assert!(ring.send_all(&sends(b"x"), &mut sent).is_ok());
    assert!(matches!(&sent[2], Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock));
}

#[test]
fn nothing_to_send_is_no_call() {
    let Some(mut ring) = ring(8) else { return };
    let mut sent = vec![Some(Ok(1))];
    assert!(ring.send_all(&[], &mut sent).is_ok());
    assert!(sent.is_empty());
}
