//! The bytes that mean themselves inside a JSON string: all but control characters, `"` and `\`.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// How many bytes at the start of `bytes` mean themselves; eight are looked at together.
#[inline]
pub(super) fn plain_len(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            let before = bytes.len().saturating_sub(rest.len());
            return before.saturating_add(special.trailing_zeros() as usize / 8);
        }
        rest = after;
    }
    let plain = rest.iter().take_while(|byte| is_plain(**byte)).count();
    bytes.len().saturating_sub(rest.len()).saturating_add(plain)
}

#[inline]
fn is_plain(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// The high bit of each byte that does not mean itself. A borrow can only set bits above the first such byte, and only the
/// first one is looked for.
#[inline]
fn special(word: u64) -> u64 {
    let below =
        |word: u64, least: u8| word.wrapping_sub(LOW.wrapping_mul(u64::from(least))) & !word;
    let equals = |byte: u8| below(word ^ LOW.wrapping_mul(u64::from(byte)), 1);
    (below(word, b' ') | equals(b'"') | equals(b'\\')) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Eight bytes together are what they are one by one.
        #[test]
        fn words_agree_with_bytes(bytes in prop::collection::vec(prop_oneof![4 => 0x20..=0xff_u8, 1 => any::<u8>()], 0..40)) {
            let expected = bytes.iter().take_while(|byte| is_plain(**byte)).count();
            prop_assert_eq!(expected, plain_len(&bytes));
        }
    }

    /// Each byte, at each place of a word, among bytes that are plain.
    #[test]
    fn each_byte_at_each_place() {
        for byte in 0..=u8::MAX {
            for place in 0..9 {
                let mut bytes = [0x80; 17];
                bytes[place] = byte;
                let expected = if is_plain(byte) { 17 } else { place };
                assert_eq!(expected, plain_len(&bytes), "{byte:#x} at {place}");
            }
        }
    }
}
