//! The writer beside rotations, ends and names that come back, on a real directory.

use std::time::Instant;

use crate::durable::tests::writer::{Directory, KEPT, PATIENCE, append, plane, told};
use crate::entry::NewEntry;
use crate::error::PlaneError;
use crate::log::Retention;
use crate::plane::Plane;

/// Wait until `is_so`.
fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
}

fn head(plane: &Plane, log: u64) -> u64 {
    plane.logs().find(log).unwrap().log().head()
}

/// What is stored is told before a rotation tells that the rest is not, however busy the writer is with other channels.
#[test]
fn stored_is_told_before_a_rotation() {
    let directory = Directory::new("order");
    let plane = plane(&directory.0);
    let [log, busy] = ["room", "busy"].map(|name| plane.open_durable_log(name, KEPT).unwrap());
    let epoch = plane.logs().find(log).unwrap().log().epoch().clone();
    let channel = plane.logs().find(busy).unwrap();
    let held = channel.durable.as_ref().unwrap().history();
    append(&plane, log, 2);
    append(&plane, busy, 1);
    plane.flush();
    until(|| head(&plane, log) == 2);
    append(&plane, log, 1);
    plane.rotate_log(log).unwrap();
    assert_eq!(
        vec![epoch.position(2).to_string(), "failed 3".to_owned()],
        told(&plane, 2)
    );
    drop(held);
    told(&plane, 1);
    assert!(plane.stop(PATIENCE));
}

/// A channel that is opened while its former log is being closed waits until the files of that are gone.
#[test]
fn a_name_comes_back_only_when_its_files_are_gone() {
    let directory = Directory::new("again");
    let plane = plane(&directory.0);
    let log = plane.open_durable_log("room", KEPT).unwrap();
    append(&plane, log, 2);
    plane.flush();
    told(&plane, 1);
    let channel = plane.logs().find(log).unwrap();
    let held = channel.durable.as_ref().unwrap().history();
    let again = std::thread::scope(|scope| {
        let closing = scope.spawn(|| plane.close_log(log).unwrap());
        until(|| plane.logs().find(log).is_err());
        let opening = scope.spawn(|| plane.open_durable_log("room", KEPT).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(50));
        drop(held);
        closing.join().unwrap();
        opening.join().unwrap()
    });
    assert_eq!(0, head(&plane, again));
    assert_eq!(1, append(&plane, again, 1));
    plane.flush();
    told(&plane, 1);
    assert!(directory.0.join("logs/room/manifest").exists());
    assert!(plane.stop(PATIENCE));
}

/// Once the writer has ended another hub may have the directory: nothing of this one touches it any more.
#[test]
fn nothing_is_erased_after_the_end() {
    let directory = Directory::new("ended");
    let plane = plane(&directory.0);
    let log = plane.open_durable_log("room", KEPT).unwrap();
    append(&plane, log, 2);
    assert!(plane.stop(PATIENCE));
    let is_stopped = |outcome| matches!(outcome, Err(PlaneError::Stopped));
    assert!(is_stopped(plane.close_log(log)));
    assert!(is_stopped(plane.rotate_log(log).map(|_| ())));
    assert!(directory.0.join("logs/room/manifest").exists());
}

/// S6, S13: keys that a log has forgotten for their number are known as forgotten after a restart, although their entries went
/// with their segments: who comes back from before them is told.
#[test]
fn forgotten_keys_are_known_after_a_restart() {
    let directory = Directory::new("forgotten");
    let kept = Retention {
        seconds: 10.0,
        last_per_key: Some(2),
        ..KEPT
    };
    let forgotten = |plane: &Plane, log: u64| {
        let channel = plane.logs().find(log).unwrap();
        let log = channel.log();
        (log.newest().unwrap().forgotten(), log.head())
    };
    let before = plane(&directory.0);
    let log = before.open_durable_log("room", kept).unwrap();
    for key in ["a", "b", "c", "d"] {
        let entry = NewEntry {
            event: "e".into(),
            key: Some(key.into()),
            data: b"1"[..].into(),
            ..NewEntry::default()
        };
        before.append(log, vec![entry], 1.0, Vec::new()).unwrap();
    }
    before.flush();
    told(&before, 1);
    assert_eq!((2, 4), forgotten(&before, log));
    before.sweep(1_000.0);
    until(|| before.durable_figures().unwrap().0.segments_removed.get() > 0);
    assert!(before.stop(PATIENCE));
    let after = plane(&directory.0);
    let log = after.open_durable_log("room", kept).unwrap();
    assert_eq!((2, 4), forgotten(&after, log));
    assert!(after.stop(PATIENCE));
}

/// A channel to which nobody writes keeps no descriptor, and takes the next entry all the same.
#[test]
fn an_idle_channel_keeps_no_descriptor() {
    let directory = Directory::new("idle");
    let plane = plane(&directory.0);
    let log = plane.open_durable_log("room", KEPT).unwrap();
    let open = || {
        let all = std::fs::read_dir("/proc/self/fd").unwrap();
        let paths = all.filter_map(|one| std::fs::read_link(one.ok()?.path()).ok());
        let ours = paths.filter(|path| path.starts_with(directory.0.join("logs")));
        ours.count()
    };
    for round in 1..=2 {
        append(&plane, log, 1);
        plane.flush();
        told(&plane, 1);
        assert!(open() > 0);
        let now = std::cell::Cell::new(f64::from(round) * 1e6);
        until(|| {
            now.set(now.get() + 10.0);
            plane.sweep(now.get());
            std::thread::sleep(std::time::Duration::from_millis(20));
            open() == 0
        });
    }
    assert_eq!(2, head(&plane, log));
    assert!(plane.stop(PATIENCE));
}
