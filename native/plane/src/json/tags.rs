//! Tags as they stand in a log: JSON text that goes out as it is (M16).

use super::JsonFault;
use super::escape::{Unescaped, unescape_into, write_str};
use super::keys::Keys;
use super::lexer::{Literal, Str};
use super::number::Number;
use super::walk::{Bracket, Visitor, walk};

const MAX_TAGS: usize = 16;
const MAX_NAME: usize = 64;
const MAX_VALUE: usize = 256;

const OBJECT: &str = "expected an object of strings";

/// An object of at most 16 strings of at most 256 bytes under names of 1 to 64 of `[A-Za-z0-9_.-]`, each once; in UTF-8.
pub fn check_tags(text: &[u8]) -> Result<(), JsonFault> {
    super::scan::check_utf8(text)?;
    walk(text, &mut Tags::default())
}

/// Append tags as a log holds them: without spaces, each string in its shortest form, an object without members as nothing. A
/// fault leaves `out` as it was.
pub fn write_tags(out: &mut Vec<u8>, text: &[u8]) -> Result<(), JsonFault> {
    check_tags(text)?;
    let start = out.len();
    let mut writing = Writing {
        out,
        is_first: true,
    };
    // What was checked is walked once more: no fault can come now.
    walk(text, &mut writing)?;
    if out.get(start..) == Some(b"{}") {
        out.truncate(start);
    }
    Ok(())
}

#[derive(Debug)]
struct Writing<'o> {
    out: &'o mut Vec<u8>,
    /// No comma comes before the next key.
    is_first: bool,
}

impl Writing<'_> {
    fn write(&mut self, string: &Str<'_>) {
        if !string.escaped {
            self.out.push(b'"');
            self.out.extend_from_slice(string.raw);
            self.out.push(b'"');
            return;
        }
        let mut plain = Vec::new();
        unescape_into(&mut plain, string.raw);
        write_str(self.out, std::str::from_utf8(&plain).unwrap_or_default());
    }
}

impl<'a> Visitor<'a> for Writing<'_> {
    fn open(&mut self, _: Bracket) -> Result<(), &'static str> {
        self.out.push(b'{');
        Ok(())
    }

    fn close(&mut self, _: Bracket) -> Result<(), &'static str> {
        self.out.push(b'}');
        Ok(())
    }

    fn key(&mut self, key: Str<'a>) -> Result<(), &'static str> {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        self.write(&key);
        self.out.push(b':');
        Ok(())
    }

    fn string(&mut self, string: Str<'a>) -> Result<(), &'static str> {
        self.write(&string);
        Ok(())
    }

    fn number(&mut self, _: Number<'a>) -> Result<(), &'static str> {
        Err(OBJECT)
    }

    fn literal(&mut self, _: Literal) -> Result<(), &'static str> {
        Err(OBJECT)
    }
}

#[derive(Debug, Default)]
struct Tags<'a> {
    is_open: bool,
    count: usize,
    keys: Keys<'a>,
}

/// Bytes of a string as it reads.
fn len(string: &Str<'_>) -> usize {
    if string.escaped {
        Unescaped::new(string.raw).count()
    } else {
        string.raw.len()
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)
}

fn is_name(key: &Str<'_>) -> bool {
    (1..=MAX_NAME).contains(&len(key)) && Unescaped::new(key.raw).all(is_plain)
}

/// Whether a tag may be called so (M16).
pub fn is_tag_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_plain)
}

impl<'a> Visitor<'a> for Tags<'a> {
    fn open(&mut self, bracket: Bracket) -> Result<(), &'static str> {
        if self.is_open || bracket != Bracket::Object {
            return Err(OBJECT);
        }
        self.is_open = true;
        self.keys.open();
        Ok(())
    }

    fn close(&mut self, _: Bracket) -> Result<(), &'static str> {
        // At most 16 keys are all compared when they come.
        Ok(())
    }

    fn key(&mut self, key: Str<'a>) -> Result<(), &'static str> {
        self.count = self.count.saturating_add(1);
        if self.count > MAX_TAGS {
            return Err("expected at most 16 tags");
        }
        if !is_name(&key) {
            return Err("expected a name of 1 to 64 of A-Z a-z 0-9 _ . -");
        }
        if self.keys.insert(key) {
            Ok(())
        } else {
            Err("expected each tag once")
        }
    }

    fn string(&mut self, string: Str<'a>) -> Result<(), &'static str> {
        if !self.is_open {
            return Err(OBJECT);
        }
        if len(&string) > MAX_VALUE {
            return Err("expected at most 256 bytes");
        }
        Ok(())
    }

    fn number(&mut self, _: Number<'a>) -> Result<(), &'static str> {
        Err(OBJECT)
    }

    fn literal(&mut self, _: Literal) -> Result<(), &'static str> {
        Err(OBJECT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<&'static str> {
        check_tags(text.as_bytes()).err().map(|fault| fault.what)
    }

    /// M16: what is written is the same tags, in one spelling for all.
    #[test]
    fn tags_are_written_in_one_spelling() {
        let written = |text: &str| {
            let mut out = b">".to_vec();
            let done = write_tags(&mut out, text.as_bytes()).is_ok();
            (done, String::from_utf8(out).unwrap_or_default())
        };
        let fine = |text: &str| (true, format!(">{text}"));
        assert_eq!(fine(""), written(" { } "));
        assert_eq!(
            fine("{\"a\":\"ä\",\"b\":\"\\n\\u0001/\\\"\"}"),
            written("{ \"\\u0061\" : \"\\u00e4\",\"b\":\"\\n\\u0001\\/\\\"\"\n}")
        );
        for bad in ["[]", "{\"a\":1}", "{\"a\":\"\",\"a\":\"\"}", "{"] {
            assert_eq!((false, ">".to_owned()), written(bad));
        }
    }

    /// M16: an object of few short strings under plain names, in whatever way they are written.
    #[test]
    fn tags_are_an_object_of_strings() {
        let object = |count: usize| {
            let all: Vec<String> = (0..count).map(|n| format!("\"t{n}\":\"\"")).collect();
            format!("{{{}}}", all.join(","))
        };
        let value = |text: &str| format!("{{\"t\":\"{text}\"}}");
        let escaped = value(&"\\u0061".repeat(256));
        for text in [
            "{}",
            " {\"chat.id-1_x\" : \"v\"} ",
            "{\"\\u0061\":\"\\n\"}",
            &object(16),
            &escaped,
        ] {
            assert_eq!(None, fault(text), "{text}");
        }
        for text in [
            "1",
            "\"a\"",
            "[]",
            "null",
            "{\"a\":1}",
            "{\"a\":null}",
            "{\"a\":{}}",
            "{\"a\":[\"b\"]}",
        ] {
            assert_eq!(Some(OBJECT), fault(text), "{text}");
        }
        let name = "expected a name of 1 to 64 of A-Z a-z 0-9 _ . -";
        for text in [
            "{\"\":\"\"}",
            "{\"a b\":\"\"}",
            "{\"\\u00e4\":\"\"}",
            &format!("{{\"{}\":\"\"}}", "n".repeat(65)),
        ] {
            assert_eq!(Some(name), fault(text), "{text}");
        }
        let long = [
            value(&"v".repeat(257)),
            value(&"ж".repeat(129)),
            value(&"\\u0436".repeat(129)),
        ];
        assert!(
            long.iter()
                .all(|text| fault(text) == Some("expected at most 256 bytes"))
        );
        assert_eq!(Some("expected at most 16 tags"), fault(&object(17)));
        assert_eq!(
            Some("expected each tag once"),
            fault("{\"a\":\"\",\"\\u0061\":\"\"}")
        );
        assert!(fault("{} {}").is_some() && fault("").is_some());
        assert_eq!(
            Some("expected UTF-8"),
            check_tags(b"{\"a\":\"\xff\"}")
                .err()
                .map(|fault| fault.what)
        );
    }
}
