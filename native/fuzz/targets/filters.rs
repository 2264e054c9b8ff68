//! A filter and its one form let the same events through, and no event is too odd to be judged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plane::filter::{Filter, Limits, Scratch, Subject};

fuzz_target!(|data: &[u8]| {
    let Some(at) = data.iter().position(|byte| *byte == 0xFF) else {
        return;
    };
    let (text, message) = (&data[..at], &data[at + 1..]);
    let Ok(filter) = Filter::parse(text, Limits::default()) else {
        return;
    };
    let wide = Limits { bytes: 1 << 20, nodes: 1 << 10, depth: 16 };
    let Ok(same) = Filter::parse(&filter.text(), wide) else {
        panic!("the one form of a filter is a filter");
    };
    assert_eq!(filter.text(), same.text());
    if plane::json::check_value(message).is_ok() {
        let mut scratch = Scratch::default();
        let subject = Subject::new("signal.input.text", Some("key"), message);
        assert_eq!(filter.passes(&subject, &mut scratch), same.passes(&subject, &mut scratch));
    }
});
