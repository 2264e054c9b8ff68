//! Content encodings against the library's own encoders, and what each kind of subscriber gets of one entry.

#![allow(clippy::unwrap_used)]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::entry::{Composer, Encoding, Entry, NewEntry, Timestamp};
use crate::form::Form;
use crate::frame::Opcode;

fn encoded(encoding: ContentEncoding, payload: &[u8]) -> Vec<u8> {
    let level = Compression::new(6);
    match encoding {
        ContentEncoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(payload).unwrap();
            encoder.finish().unwrap()
        }
        ContentEncoding::Zlib => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(payload).unwrap();
            encoder.finish().unwrap()
        }
        ContentEncoding::Deflate => {
            let mut encoder = DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(payload).unwrap();
            encoder.finish().unwrap()
        }
    }
}

fn any_encoding() -> impl Strategy<Value = ContentEncoding> {
    prop::sample::select(&ContentEncoding::ALL[..])
}

proptest! {
    /// B7, L9: what was encoded is decoded, within an exact limit; cut short it is refused, and so is what follows it.
    #[test]
    fn payloads_come_back(payload in prop::collection::vec(0..9_u8, 0..4_000), encoding in any_encoding(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(encoding, &payload);
        prop_assert_eq!(Ok(payload.clone()), decode(encoding, &bytes, payload.len()));
        if !payload.is_empty() {
            prop_assert_eq!(Err(Undecoded::TooLarge), decode(encoding, &bytes, payload.len() - 1));
        }
        let cut = &bytes[..cut.index(bytes.len())];
        prop_assert!(matches!(decode(encoding, cut, payload.len()), Err(Undecoded::Corrupt(_))));
        let more = [&bytes[..], b"\x00"].concat();
        prop_assert!(matches!(decode(encoding, &more, payload.len()), Err(Undecoded::Corrupt(_))));
    }

    /// ms12: whatever comes, it is refused or within the limit.
    #[test]
    fn arbitrary_bytes_are_bounded(bytes in prop::collection::vec(any::<u8>(), 0..300), encoding in any_encoding(), limit in 0..1_000_usize) {
        if let Ok(decoded) = decode(encoding, &bytes, limit) {
            prop_assert!(decoded.len() <= limit);
        }
    }
}

/// B7: a gzip payload may have several members, as RFC 1952 says, but no thousands; a wrong checksum is told.
#[test]
fn gzip_has_members_and_checksums() {
    let gzip = |text: &[u8]| encoded(ContentEncoding::Gzip, text);
    let both = [gzip(b"one, "), gzip(b"two")].concat();
    let decoded = decode(ContentEncoding::Gzip, &both, 100);
    assert_eq!(Ok(b"one, two".to_vec()), decoded);
    let many = gzip(b"").repeat(1_025);
    assert!(decode(ContentEncoding::Gzip, &many, 100).is_err());
    let mut wrong = gzip(b"one");
    let at = wrong.len() - 5;
    wrong[at] ^= 1;
    assert!(matches!(
        decode(ContentEncoding::Gzip, &wrong, 100),
        Err(Undecoded::Corrupt(_))
    ));
}

/// L9: the size decoded, and its ratio to the size encoded, each refused by its own limit.
#[test]
fn size_and_ratio_are_bounded() {
    let content = |media_type, encoding| Content {
        media_type,
        encoding,
        meta: None,
    };
    let zlib = content("application/octet-stream", Some(ContentEncoding::Zlib));
    let zeros = encoded(ContentEncoding::Zlib, &vec![0; 100_000]);
    assert_eq!(
        Err(Refusal::Ratio(100)),
        check_payload(&zeros, &zlib, 1 << 20, 100)
    );
    assert_eq!(
        Err(Refusal::TooLarge(50_000)),
        check_payload(&zeros, &zlib, 50_000, 10_000)
    );
    assert_eq!(Ok(100_000), check_payload(&zeros, &zlib, 1 << 20, 10_000));
    let json = content("application/json", Some(ContentEncoding::Gzip));
    let good = encoded(ContentEncoding::Gzip, b"{\"a\":18446744073709551615}");
    assert_eq!(Ok(26), check_payload(&good, &json, 100, 100));
    let bad = encoded(ContentEncoding::Gzip, b"{\"a\":1e400}");
    assert!(matches!(
        check_payload(&bad, &json, 100, 100),
        Err(Refusal::Invalid(_))
    ));
    let plain = content("Application/JSON; charset=utf-8", None);
    assert_eq!(Ok(4), check_payload(b"null", &plain, 1, 1));
    assert!(check_payload(b"nul", &plain, 100, 100).is_err());
    assert_eq!(
        Ok(3),
        check_payload(b"\xff\x00}", &content("image/jpeg", None), 1, 1)
    );
}

/// B6: a media type of at most 128 bytes, with parameters or without.
#[test]
fn media_types_are_media_types() {
    let long = format!("a/{}", "b".repeat(126));
    for text in [
        "image/jpeg",
        "audio/x-wav",
        "application/vnd.a.b+json;v=1",
        "text/plain; charset=utf-8; format=\"fl\\\"o;wed\"",
        "video/mp4 ;codecs=\"avc1.640028, mp4a\"",
        &long,
    ] {
        assert!(is_media_type(text), "{text}");
    }
    let longer = format!("{long}b");
    for text in [
        "",
        "image",
        "image/",
        "/jpeg",
        "image/jpeg/x",
        "image/jp eg",
        "a/b;",
        "a/b; c",
        "a/b;c=",
        "a/b;=d",
        "a/b;c=\"d",
        "a/b;c=\"d\"e",
        "a/b;c=d e",
        "a/ä",
        "a/b\n",
        &longer,
    ] {
        assert!(!is_media_type(text), "{text:?}");
    }
}

fn entry(
    data: &[u8],
    media_type: &str,
    encoding: Option<ContentEncoding>,
    meta: Option<&str>,
) -> Entry {
    let content = Content {
        media_type,
        encoding,
        meta: meta.map(str::as_bytes),
    };
    let new = NewEntry {
        event: "e".into(),
        data: data.into(),
        content: Some(Box::new(OwnContent::from(content))),
        ..NewEntry::default()
    };
    let (composer, ts) = (Composer::new("actions"), Timestamp::new(1.5));
    let borrowed = composer.entry_of(7, &ts, &new.members());
    let entry = composer.entry(7, &ts, new);
    assert_eq!(format!("{entry:?}"), format!("{borrowed:?}"));
    entry
}

fn form(encoding: Encoding, accepts: &[ContentEncoding]) -> Form {
    let accepts = accepts
        .iter()
        .copied()
        .fold(Accepts::default(), Accepts::with);
    Form {
        accepts,
        ..encoding.into()
    }
}

/// (header, payload) of a media frame.
fn frame(message: &Message<'_>) -> (Value, Vec<u8>) {
    assert_eq!(
        (Opcode::Binary, false),
        (message.opcode, message.is_compressible)
    );
    let (first, rest) = message.payload.split_first().unwrap();
    let (len, rest) = rest.split_first_chunk::<4>().unwrap();
    let (header, payload) = rest.split_at(u32::from_be_bytes(*len) as usize);
    assert_eq!(1, *first);
    (serde_json::from_slice(header).unwrap(), payload.to_vec())
}

/// The same of a map whose `data` is `bin` of less than 256 bytes: its other members as they stand there.
fn map_of(header: &Value, payload: &[u8]) -> Vec<u8> {
    let mut map = Vec::new();
    crate::json::msgpack::transcode(header.to_string().as_bytes(), &mut map).unwrap();
    map[0] += 1;
    let len = u8::try_from(payload.len()).unwrap();
    [&map[..], b"\xa4data\xc4", &[len], payload].concat()
}

/// B4, B5: a payload reaches both kinds of subscribers byte for byte, with what was said of it; never compressed (B3).
#[test]
fn media_is_a_frame_or_bin() {
    let meta = r#"{"format":"jpeg","width":1920}"#;
    let one = entry(b"\xff\xd8\x00", "image/jpeg", None, Some(meta));
    let (header, payload) = frame(&one.message(form(Encoding::Json, &[])));
    let expected = serde_json::json!({
        "type": "event", "channel": "actions", "offset": 7, "event": "e", "ts": 1.5, "content_type": "image/jpeg",
        "meta": {"format": "jpeg", "width": 1920},
    });
    assert_eq!((&expected, &b"\xff\xd8\x00"[..]), (&header, &*payload));
    let packed = one.message(form(Encoding::Msgpack, &ContentEncoding::ALL));
    assert_eq!(map_of(&expected, &payload), *packed.payload);
    assert_eq!(
        (Opcode::Binary, false),
        (packed.opcode, packed.is_compressible)
    );
    assert_eq!(
        expected,
        serde_json::from_slice::<Value>(&one.json()).unwrap()
    );
    assert!(one.size() > 3 + one.json().len());
    let empty = entry(b"", "audio/opus", None, None);
    assert_eq!(0, frame(&empty.message(form(Encoding::Json, &[]))).1.len());
}

/// B8, B9: who decodes an encoding itself gets the bytes as they were published, everybody else JSON as `data`.
#[test]
fn encoded_json_is_an_event_for_those_who_do_not_decode() {
    let text = b"{\"a\": [1e2, 18446744073709551615]}";
    for encoding in ContentEncoding::ALL {
        let bytes = encoded(encoding, text);
        let one = entry(&bytes, "application/json", Some(encoding), None);
        let others: Vec<_> = ContentEncoding::ALL
            .into_iter()
            .filter(|other| *other != encoding)
            .collect();
        let (header, payload) = frame(&one.message(form(Encoding::Json, &[encoding])));
        assert_eq!(
            (Value::from(encoding.name()), &bytes),
            (header["content_encoding"].clone(), &payload)
        );
        let event = one.message(form(Encoding::Json, &others));
        let expected = format!(
            r#"{{"type":"event","channel":"actions","offset":7,"event":"e","ts":1.5,"content_type":"application/json","data":{}}}"#,
            std::str::from_utf8(text).unwrap()
        );
        assert_eq!(expected.as_bytes(), &*event.payload);
        assert_eq!((Opcode::Text, true), (event.opcode, event.is_compressible));
        assert_eq!(expected.as_bytes(), &*one.json());
        let mut packed = Vec::new();
        crate::json::msgpack::transcode(expected.as_bytes(), &mut packed).unwrap();
        assert_eq!(
            packed,
            *one.message(form(Encoding::Msgpack, &others)).payload
        );
        assert!(one.is_encoded() && !one.removes_key());
    }
}

/// B9: other content is a media frame for them, or `bin`, without a word of the encoding.
#[test]
fn encoded_content_is_media_for_those_who_do_not_decode() {
    let bytes = encoded(ContentEncoding::Gzip, b"a,b\n1,2\n");
    let one = entry(&bytes, "text/csv", Some(ContentEncoding::Gzip), Some("{}"));
    let (header, payload) = frame(&one.message(form(Encoding::Json, &[ContentEncoding::Zlib])));
    assert_eq!(b"a,b\n1,2\n", &*payload);
    assert_eq!(
        (None, Some(&Value::from("text/csv"))),
        (header.get("content_encoding"), header.get("content_type"))
    );
    let packed = one.message(form(Encoding::Msgpack, &[]));
    assert_eq!(map_of(&header, &payload), *packed.payload);
    // What no node of ours would store is told in its place.
    let broken = entry(b"no gzip", "text/csv", Some(ContentEncoding::Gzip), None);
    let told: Value =
        serde_json::from_slice(&broken.message(form(Encoding::Json, &[])).payload).unwrap();
    assert_eq!(
        ("error", 500),
        (
            told["type"].as_str().unwrap(),
            told["code"].as_u64().unwrap()
        )
    );
}

/// B9: JSON that is not encoded is `data` for everybody, whatever it came in; S6, F10: `null` removes, encoded or not.
#[test]
fn json_is_data() {
    let one = entry(b"[1]", "application/json", None, Some("{}"));
    let expected = r#"{"type":"event","channel":"actions","offset":7,"event":"e","ts":1.5,"data":[1],"content_type":"application/json","meta":{}}"#;
    assert_eq!(
        expected.as_bytes(),
        &*one.message(form(Encoding::Json, &[])).payload
    );
    assert!(!one.is_encoded() && !one.removes_key());
    assert!(entry(b"null", "application/json", None, None).removes_key());
    let null = encoded(ContentEncoding::Gzip, b"null");
    assert!(entry(&null, "application/json", Some(ContentEncoding::Gzip), None).removes_key());
    assert!(!entry(&null, "text/plain", Some(ContentEncoding::Gzip), None).removes_key());
    assert!(!entry(b"null", "text/plain", None, None).removes_key());
}
