//! Directories that are whole and not ours to read: nothing of them may go.

use std::path::Path;

use crate::durable::disk::Disk as _;
use crate::durable::frame;
use crate::durable::recovery;
use crate::durable::tests::disk::Memory;
use crate::durable::tests::{INTERVAL, KEPT, batch, dir, files, open, options};
use crate::epoch::Epoch;

fn written() -> Memory {
    let disk = Memory::default();
    let mut history = open(&disk, INTERVAL, "boot", "e0", KEPT).history;
    for _ in 0..4 {
        let (encoded, _) = batch(&history, 2, 1.0, 0);
        history.append(&encoded).unwrap();
    }
    disk.after_kill()
}

/// Everything in the directory, byte by byte.
fn bytes(disk: &Memory) -> Vec<(String, Vec<u8>)> {
    let names = files(disk).into_iter();
    names
        .map(|name| {
            let bytes = disk.read(&dir().join(&name)).unwrap();
            (name, bytes)
        })
        .collect()
}

fn refused(disk: &Memory, dir: &Path, channel: &str) -> String {
    let options = options(disk, INTERVAL, "another boot");
    let opened = recovery::open(options, dir, channel, KEPT, Epoch::named("e1"));
    opened.unwrap_err().to_string()
}

/// A manifest that is whole and of another version is no damage: the start is refused, and says why.
#[test]
fn another_version_is_refused_and_left_alone() {
    let disk = written();
    disk.change(&dir().join("manifest"), |bytes| {
        bytes.clear();
        frame::write(bytes, |out| out.extend_from_slice(b"\x63what is to come"));
    });
    let before = bytes(&disk);
    let text = refused(&disk, &dir(), "room");
    assert!(
        text.contains("version 99") && text.contains("up to"),
        "{text}"
    );
    assert_eq!(before, bytes(&disk));
}

/// Directories that were exchanged by hand are no damage either.
#[test]
fn the_directory_of_another_channel_is_refused_and_left_alone() {
    let disk = written();
    let before = bytes(&disk);
    let text = refused(&disk, &dir(), "hall");
    assert!(text.contains("hall") && text.contains("room"), "{text}");
    assert_eq!(before, bytes(&disk));
}
