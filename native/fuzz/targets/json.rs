//! What is taken as JSON is JSON, and can be said in MessagePack.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plane::json::{check, check_data, check_meta, check_tags, check_value, msgpack};

fuzz_target!(|data: &[u8]| {
    let _ = (check(data), check_meta(data), check_tags(data));
    if check_value(data).is_ok() {
        assert!(std::str::from_utf8(data).is_ok());
        assert!(msgpack::transcode(data, &mut Vec::new()).is_ok());
    }
    let _ = check_data(data);
});
