//! The few bytes of JSON that events are made of.

/// A string with its quotes.
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            c if u32::from(c) < 0x20 => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// A finite float in its shortest decimal form.
pub fn write_f32(out: &mut Vec<u8>, x: f32) {
    out.extend_from_slice(ryu::Buffer::new().format_finite(x).as_bytes());
}

/// Seconds with microseconds, as `ts` is written.
pub fn write_seconds(out: &mut Vec<u8>, us: u64) {
    write_uint(out, us / 1_000_000);
    let mut fraction = us % 1_000_000 + 1_000_000;
    // Digits from the right; the leading 1 keeps the zeros and is overwritten by the point.
    let start = out.len();
    out.extend_from_slice(b".000000");
    for place in (start + 1..start + 7).rev() {
        out[place] = b'0' + (fraction % 10) as u8;
        fraction /= 10;
    }
}

/// A whole number.
pub fn write_uint(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_are_escaped() {
        assert_eq!(
            r#""a\"\\\u000a\u0000é""#,
            written(|out| write_str(out, "a\"\\\n\0é"))
        );
    }

    #[test]
    fn seconds_keep_their_microseconds() {
        assert_eq!(
            "1767225600.000120",
            written(|out| write_seconds(out, 1_767_225_600_000_120))
        );
        assert_eq!("0.000000", written(|out| write_seconds(out, 0)));
    }

    #[test]
    fn floats_are_written_as_they_were_given() {
        let numbers = [0.1_f32, 1.0, -0.0, 1e-7, 3.402_823_5e38, 1e-45];
        let texts = numbers.map(|x| written(|out| write_f32(out, x)));
        assert_eq!(
            ["0.1", "1.0", "-0.0", "1e-7", "3.4028235e38", "1e-45"].map(str::to_owned),
            texts
        );
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_the_standard_library_does(n in any::<u64>()) {
            prop_assert_eq!(n.to_string(), written(|out| write_uint(out, n)));
        }

        #[test]
        fn every_finite_float_reads_back_as_itself(x in any::<f32>()) {
            prop_assume!(x.is_finite());
            prop_assert_eq!(x.to_bits(), written(|out| write_f32(out, x)).parse::<f32>().unwrap().to_bits());
        }
    }
}
