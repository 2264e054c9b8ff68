//! One `publish` (M29) without `mid`, read from its text. Only what needs no answer but `ack`, by any rule of section 3, is taken:
//! everything else is told what is wrong with it, and where, by those who read all messages.

use crate::json::escape::{self, unescape_into};
use crate::json::{Kind, Member, Span, write_tags};
use crate::rules;

const MAX_ID: usize = 64;

/// Where the parts of a publish stand: in its text, or in what was written `more` than that, which counts on from its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// Name of the channel.
    pub channel: Span,
    /// Name of the event.
    pub event: Span,
    /// The id as JSON text in its shortest form: equal ids are equal texts.
    pub id: Option<Span>,
    /// JSON text; absent means `null`.
    pub data: Option<Span>,
    /// Conflation key, as it reads.
    pub key: Option<Span>,
    /// JSON text in its shortest form.
    pub tags: Option<Span>,
    /// W3C trace context.
    pub traceparent: Option<Span>,
    /// Never without `traceparent`.
    pub tracestate: Option<Span>,
}

/// What the `members` of the message `text` say, if they are those of such a publish. `more` may be longer afterwards, whatever
/// the answer is.
pub fn read(text: &[u8], members: &[Member], more: &mut Vec<u8>) -> Option<Publish> {
    let mut reading = Reading {
        text,
        more,
        start: 0,
        is_publish: false,
        is_named: (false, false),
        publish: Publish::default(),
    };
    reading.start = reading.more.len();
    members
        .iter()
        .try_for_each(|member| reading.member(member))?;
    reading.end()
}

struct Reading<'a> {
    text: &'a [u8],
    more: &'a mut Vec<u8>,
    /// Where `more` of this one begins.
    start: usize,
    is_publish: bool,
    is_named: (bool, bool),
    publish: Publish,
}

impl Reading<'_> {
    fn member(&mut self, member: &Member) -> Option<()> {
        if member.is_key_escaped {
            return None;
        }
        let publish = &mut self.publish;
        match member.key.inside().of(self.text) {
            b"type" => {
                self.is_publish =
                    member.kind == Kind::Plain && member.value.of(self.text) == b"\"publish\"";
                self.is_publish.then_some(())
            }
            b"channel" => {
                self.is_named.0 = true;
                plain(member, &mut publish.channel)
            }
            b"event" => {
                self.is_named.1 = true;
                plain(member, &mut publish.event)
            }
            b"data" => {
                publish.data = Some(member.value);
                Some(())
            }
            // M3: what is `null` is not there.
            b"id" | b"key" | b"tags" | b"traceparent" | b"tracestate"
                if member.kind == Kind::Null =>
            {
                Some(())
            }
            b"mid" | b"content_type" | b"content_encoding" | b"meta" => {
                (member.kind == Kind::Null).then_some(())
            }
            b"traceparent" => plain(member, publish.traceparent.get_or_insert_default()),
            b"tracestate" => plain(member, publish.tracestate.get_or_insert_default()),
            b"id" => self.id(member),
            b"key" => self.key(member),
            b"tags" => self.tags(member),
            _ => Some(()),
        }
    }

    fn id(&mut self, member: &Member) -> Option<()> {
        let fits = |len: usize| (1..=MAX_ID).contains(&len).then_some(());
        self.publish.id = Some(match member.kind {
            Kind::Natural => member.value,
            Kind::Plain => {
                fits(member.value.inside().of(self.text).len())?;
                member.value
            }
            Kind::Escaped => {
                let id = self.unescaped(member)?;
                fits(id.len())?;
                self.write(|more| escape::write_str(more, &id))
            }
            _ => return None,
        });
        Some(())
    }

    fn key(&mut self, member: &Member) -> Option<()> {
        self.publish.key = Some(match member.kind {
            Kind::Plain => member.value.inside(),
            Kind::Escaped => {
                let key = self.unescaped(member)?;
                self.write(|more| more.extend_from_slice(key.as_bytes()))
            }
            _ => return None,
        });
        Some(())
    }

    fn tags(&mut self, member: &Member) -> Option<()> {
        if member.kind != Kind::Nested {
            return None;
        }
        let tags = member.value.of(self.text);
        let mut is_good = false;
        let span = self.write(|more| is_good = write_tags(more, tags).is_ok());
        self.publish.tags = (span.from < span.to).then_some(span);
        is_good.then_some(())
    }

    fn unescaped(&self, member: &Member) -> Option<String> {
        let mut bytes = Vec::new();
        unescape_into(&mut bytes, member.value.inside().of(self.text));
        String::from_utf8(bytes).ok()
    }

    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let place = |more: &Vec<u8>| self.text.len() + (more.len() - self.start);
        let from = place(self.more);
        write(self.more);
        Span::at(from, place(self.more))
    }

    /// Whether everything is there, and as it has to be.
    fn end(mut self) -> Option<Publish> {
        let publish = self.publish;
        let is_good = self.is_publish
            && self.is_named == (true, true)
            && rules::is_channel(self.bytes(publish.channel)?)
            && rules::is_event(self.bytes(publish.event)?)
            && publish
                .key
                .is_none_or(|key| self.string(key).is_some_and(rules::is_key));
        if !is_good {
            return None;
        }
        // M17: what is no trace context is dropped, not refused.
        let is = |span: Option<Span>, rule: fn(&str) -> bool| {
            span.filter(|span| self.string(*span).is_some_and(rule))
        };
        let traceparent = is(publish.traceparent, rules::is_traceparent);
        let tracestate = is(publish.tracestate, rules::is_tracestate);
        self.publish.tracestate = tracestate.filter(|_| traceparent.is_some());
        self.publish.traceparent = traceparent;
        Some(self.publish)
    }

    fn bytes(&self, span: Span) -> Option<&[u8]> {
        let len = self.text.len();
        if (span.from as usize) < len {
            return Some(span.of(self.text));
        }
        let from = self.start + span.from as usize - len;
        self.more.get(from..from + (span.to - span.from) as usize)
    }

    fn string(&self, span: Span) -> Option<&str> {
        std::str::from_utf8(self.bytes(span)?).ok()
    }
}

/// A string that reads as it is written goes `into` where it belongs.
fn plain(member: &Member, into: &mut Span) -> Option<()> {
    *into = member.value.inside();
    (member.kind == Kind::Plain).then_some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::json::check_members;

    /// What was read, each part as text; the empty text where there is none.
    fn parts(text: &str) -> Option<[String; 8]> {
        let mut members = Vec::new();
        check_members(text.as_bytes(), &mut members).unwrap();
        let mut bytes = b"before".to_vec();
        let publish = read(text.as_bytes(), &members, &mut bytes)?;
        let all = [text.as_bytes(), &bytes[6..]].concat();
        let part =
            |span: Option<Span>| String::from_utf8(span.unwrap_or_default().of(&all).to_vec());
        let Publish {
            channel,
            event,
            id,
            data,
            key,
            tags,
            traceparent,
            tracestate,
        } = publish;
        let spans = [
            Some(channel),
            Some(event),
            id,
            data,
            key,
            tags,
            traceparent,
            tracestate,
        ];
        Some(spans.map(|span| part(span).unwrap()))
    }

    const TRACE: &str = "00-7d3c1fa2b84e4c0f9a6be1520c8d7f31-5b1e9c40d2a7f638-01";

    /// M29, M16, M17: members in any order, spaces, escapes, `null`, members that nobody knows.
    #[test]
    fn a_publish_is_read_whatever_its_spelling() {
        let text = r#"{"channel":"a/b:1","type":"publish","event":"e.f","data":{"x":[1,2]},"id":7,"key":"k","tags":{"t":"v"}}"#;
        let expected = [
            "a/b:1",
            "e.f",
            "7",
            r#"{"x":[1,2]}"#,
            "k",
            r#"{"t":"v"}"#,
            "",
            "",
        ];
        assert_eq!(Some(expected.map(str::to_owned)), parts(text));

        let text = r#" { "data" : null , "id" : "\u0061/é\n" , "type" : "publish" , "event" : "e" , "channel" : "c" ,
            "key" : "\u006b\ud83d\ude00" , "tags" : { "a" : "\u0062" } , "mid" : null , "meta" : null , "more" : [ { } ] } "#;
        let expected = [
            "c",
            "e",
            "\"a/é\\n\"",
            "null",
            "k😀",
            r#"{"a":"b"}"#,
            "",
            "",
        ];
        assert_eq!(Some(expected.map(str::to_owned)), parts(text));

        let with = |more: &str| format!(r#"{{"type":"publish","channel":"c","event":"e",{more}}}"#);
        let traced = parts(&with(&format!(
            r#""traceparent":"{TRACE}","tracestate":"a=1""#
        )))
        .unwrap();
        assert_eq!([TRACE, "a=1"], [&*traced[6], &*traced[7]]);
        for dropped in [
            r#""traceparent":"00-1","tracestate":"a=1""#.to_owned(),
            r#""tracestate":"a=1""#.to_owned(),
            r#""traceparent":null,"tracestate":null,"id":null,"key":null,"tags":null"#.to_owned(),
            r#""tags":{}"#.to_owned(),
        ] {
            let expected = ["c", "e", "", "", "", "", "", ""];
            assert_eq!(
                Some(expected.map(str::to_owned)),
                parts(&with(&dropped)),
                "{dropped}"
            );
        }
        let no_state = parts(&with(&format!(
            r#""traceparent":"{TRACE}","tracestate":"ä""#
        )))
        .unwrap();
        assert_eq!([TRACE, ""], [&*no_state[6], &*no_state[7]]);
    }

    /// M1-M4, M16, M29, M31: what is to be refused, or is more than a plain publish, is left to others.
    #[test]
    fn anything_else_is_left_alone() {
        let (long, longer) = ("x".repeat(65), "x".repeat(257));
        let with = |more: &str| format!(r#"{{"type":"publish","channel":"c","event":"e",{more}}}"#);
        let texts = [
            "{}".to_owned(),
            "[]".to_owned(),
            r#"{"type":"ping"}"#.to_owned(),
            r#"{"type":"publish","channel":"c"}"#.to_owned(),
            r#"{"type":"publish","event":"e"}"#.to_owned(),
            r#"{"channel":"c","event":"e"}"#.to_owned(),
            r#"{"type":"publis\u0068","channel":"c","event":"e"}"#.to_owned(),
            r#"{"type":"publish","channel":"","event":"e"}"#.to_owned(),
            r#"{"type":"publish","channel":"c d","event":"e"}"#.to_owned(),
            r#"{"type":"publish","channel":"\u0063","event":"e"}"#.to_owned(),
            r#"{"type":"publish","channel":null,"event":"e"}"#.to_owned(),
            r#"{"type":"publish","channel":"c","event":"a..b"}"#.to_owned(),
            format!(r#"{{"type":"publish","channel":"{long}","event":"e"}}"#),
            with(r#""i\u0064":1"#),
            with(r#""id":-1"#),
            with(r#""id":1.0"#),
            with(r#""id":"""#),
            with(r#""id":true"#),
            with(&format!(r#""id":"{long}""#)),
            with(r#""key":"""#),
            with(r#""key":"\n""#),
            with(r#""key":1"#),
            with(&format!(r#""key":"{longer}""#)),
            with(r#""tags":[]"#),
            with(r#""tags":{"a":1}"#),
            with(r#""tags":{"a b":"c"}"#),
            with(r#""mid":"m1""#),
            with(r#""meta":{}"#),
            with(r#""content_type":"text/plain""#),
            with(r#""content_encoding":1"#),
            with(r#""traceparent":1"#),
        ];
        for text in texts {
            assert_eq!(None, parts(&text), "{text}");
        }
    }
}
