//! Entries as another node packed them: what is read is packed into bytes that say the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plane::packed::{pack, unpack};

fuzz_target!(|data: &[u8]| {
    let Ok(entries) = unpack(data) else {
        return;
    };
    let mut again = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        assert!(pack(&mut again, entry.ts, &entry.members, number).is_ok());
    }
    assert_eq!(unpack(&again), Ok(entries));
});
