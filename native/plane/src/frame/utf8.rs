//! UTF-8 of a text that arrives in pieces, refused at the first byte that cannot continue it (fr2).

use super::Fault;

/// What a piece left unfinished: the 1 to 3 bytes of a character that was cut.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Utf8Stream {
    cut: [u8; 3],
    cut_len: usize,
}

impl Utf8Stream {
    /// The next piece of the text.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Fault> {
        let piece = self.finish_character(piece)?;
        let Err(error) = simdutf8::compat::from_utf8(piece) else {
            return Ok(());
        };
        if error.error_len().is_some() {
            return Err(Fault::Utf8);
        }
        self.keep(piece.get(error.valid_up_to()..).unwrap_or_default());
        Ok(())
    }

    /// The text has ended.
    pub fn end(&self) -> Result<(), Fault> {
        if self.cut_len == 0 {
            Ok(())
        } else {
            Err(Fault::Utf8)
        }
    }

    /// Give the cut character byte by byte what it lacks; the rest of the piece begins with a new one, or is empty.
    fn finish_character<'a>(&mut self, piece: &'a [u8]) -> Result<&'a [u8], Fault> {
        let mut rest = piece;
        while self.cut_len > 0 {
            let Some((&byte, after)) = rest.split_first() else {
                break;
            };
            rest = after;
            self.push_byte(byte)?;
        }
        Ok(rest)
    }

    fn push_byte(&mut self, byte: u8) -> Result<(), Fault> {
        let mut character = [0; 4];
        let len = self.cut_len;
        for (place, from) in character
            .iter_mut()
            .zip(self.cut.iter().take(len).chain([&byte]))
        {
            *place = *from;
        }
        let character = character.get(..=len).unwrap_or_default();
        match std::str::from_utf8(character) {
            Ok(_) => self.cut_len = 0,
            Err(error) if error.error_len().is_none() => self.keep(character),
            Err(_) => return Err(Fault::Utf8),
        }
        Ok(())
    }

    fn keep(&mut self, cut: &[u8]) {
        for (place, byte) in self.cut.iter_mut().zip(cut) {
            *place = *byte;
        }
        self.cut_len = cut.len();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// fr2: whatever the pieces, the fault comes with the very byte that makes the text impossible, and a text that only
    /// lacks its end is refused at its end.
    fn agrees_with_std(text: &[u8]) {
        let mut stream = Utf8Stream::default();
        let refused = text.iter().position(|byte| stream.push(&[*byte]).is_err());
        match std::str::from_utf8(text) {
            Ok(_) => assert_eq!((None, Ok(())), (refused, stream.end())),
            Err(error) if error.error_len().is_none() => {
                assert_eq!((None, Err(Fault::Utf8)), (refused, stream.end()));
            }
            Err(error) => {
                // The last byte of the impossible sequence is the one after what std calls its length, unless the first was.
                let at = refused.unwrap();
                let impossible = |len: usize| {
                    let prefix = std::str::from_utf8(&text[..len]);
                    prefix.is_err_and(|error| error.error_len().is_some())
                };
                assert!(at >= error.valid_up_to());
                assert_eq!((false, true), (impossible(at), impossible(at + 1)));
            }
        }
    }

    /// fr2: overlong forms, surrogates and code points beyond U+10FFFF are refused at the byte that shows them.
    #[test]
    fn impossible_second_bytes_are_refused_at_once() {
        for text in [
            &b"\xc0"[..],
            b"\xc1\x81",
            b"\xe0\x80",
            b"\xe0\x9f\xbf",
            b"\xed\xa0",
            b"\xf0\x8f",
            b"\xf4\x90",
            b"\xf5",
            b"\xff",
            b"\x80",
        ] {
            agrees_with_std(text);
            agrees_with_std(&[b"a\xce\xba", text, b"b"].concat());
        }
    }

    proptest! {
        /// fr2: random bytes, which are mostly not UTF-8.
        #[test]
        fn bytes_agree_with_std(text in prop::collection::vec(prop::sample::select(&[
            b'a', 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xce, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff,
        ][..]), 0..12)) {
            agrees_with_std(&text);
        }

        /// fr2: a valid text is taken in any two cuts, and its truncation is refused at the end only.
        #[test]
        fn text_is_taken_in_any_cuts(text: String, cuts: [prop::sample::Index; 2], short: prop::sample::Index) {
            let mut cuts = cuts.map(|cut| cut.index(text.len() + 1));
            cuts.sort_unstable();
            let bytes = text.as_bytes();
            let mut stream = Utf8Stream::default();
            for piece in [&bytes[..cuts[0]], &bytes[cuts[0]..cuts[1]], &bytes[cuts[1]..]] {
                prop_assert_eq!(Ok(()), stream.push(piece));
            }
            prop_assert_eq!(Ok(()), stream.end());
            agrees_with_std(&bytes[..short.index(text.len() + 1)]);
        }
    }
}
