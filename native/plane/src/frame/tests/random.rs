//! The reader against the model: the same messages and the same fault, however the stream was cut, fragmented or damaged.

use std::ops::ControlFlow;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::{Fault, FrameReader};
use super::model::{LIMITS, model};
use super::{Seen, client_frame, with_len_form};

/// The reader fed in pieces; where `breaks` says so its sink breaks, and it is fed the rest again.
fn read_in_pieces(stream: &[u8], cuts: &[Index], breaks: &[bool]) -> (Vec<Seen>, Option<u16>) {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    ends.push(stream.len());
    ends.sort_unstable();
    let mut reader = FrameReader::new(LIMITS);
    let mut breaks = breaks.iter().copied().cycle();
    let (mut seen, mut at) = (Vec::new(), 0);
    for end in ends {
        while at < end {
            let mut input = stream[at..end].to_vec();
            let mut broken = false;
            let result = reader.read(&mut input, &mut |incoming| {
                seen.push(Seen::from(incoming));
                broken = breaks.next() == Some(true);
                if broken {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            match result {
                Ok(taken) => {
                    assert!(taken > 0 && (broken || taken == input.len()));
                    // What a broken read has not taken it has not unmasked either.
                    assert_eq!(stream[at + taken..end], input[taken..]);
                    at += taken;
                }
                Err(fault) => {
                    assert!(!reader.is_mid_message());
                    return (seen, Some(fault.close_code()));
                }
            }
        }
    }
    (seen, None)
}

#[derive(Clone, Debug)]
enum Part {
    Message {
        text: Option<String>,
        bytes: Vec<u8>,
        cuts: Vec<Index>,
        between: Option<(u8, Vec<u8>)>,
    },
    Frame {
        first: u8,
        payload: Vec<u8>,
    },
    LenForm {
        extended: usize,
        payload: Vec<u8>,
    },
    Bytes(Vec<u8>),
}

impl Part {
    fn write(&self, out: &mut Vec<u8>) {
        let mask = [0x9f, 0x31, 0x00, 0xe4];
        match self {
            Self::Message {
                text,
                bytes,
                cuts,
                between,
            } => {
                let payload = text
                    .as_ref()
                    .map_or(bytes.as_slice(), |text| text.as_bytes());
                let mut ends: Vec<usize> = cuts
                    .iter()
                    .map(|cut| cut.index(payload.len() + 1))
                    .collect();
                ends.sort_unstable();
                let mut opcode = if text.is_some() { 1 } else { 2 };
                let mut start = 0;
                for end in ends {
                    client_frame(out, opcode, &payload[start..end], mask);
                    if let Some((control, payload)) = between {
                        client_frame(out, 0x80 | control, payload, mask);
                    }
                    (opcode, start) = (0, end);
                }
                client_frame(out, 0x80 | opcode, &payload[start..], mask);
            }
            Self::Frame { first, payload } => client_frame(out, *first, payload, mask),
            Self::LenForm { extended, payload } => {
                with_len_form(out, 0x82, *extended, payload, mask);
            }
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
        }
    }
}

fn part() -> impl Strategy<Value = Part> {
    let bytes = |max| prop::collection::vec(any::<u8>(), 0..=max);
    let control = (9..=10_u8, bytes(6));
    let message = (
        prop::option::of("[a-zα-ω\u{1F600}-\u{1F64F}]{0,16}"),
        bytes(50),
        prop::collection::vec(any::<Index>(), 0..4),
        prop::option::of(control),
    );
    let close = (
        prop::sample::select(
            &[
                999_u16, 1000, 1003, 1004, 1005, 1006, 1007, 1014, 1015, 2999, 3000, 4999, 5000,
            ][..],
        ),
        "[aé]{0,3}|\u{1F600}",
    );
    prop_oneof![
        12 => message.prop_map(|(text, bytes, cuts, between)| Part::Message { text, bytes, cuts, between }),
        2 => (any::<u8>(), bytes(130)).prop_map(|(first, payload)| Part::Frame { first, payload }),
        1 => (prop::sample::select(&[0x01_u8, 0x00, 0x80, 0x81][..]), bytes(3)).prop_map(|(first, payload)| Part::Frame { first, payload }),
        1 => (prop::sample::select(&[2_usize, 8][..]), bytes(130)).prop_map(|(extended, payload)| Part::LenForm { extended, payload }),
        1 => close.prop_map(|(code, reason)| Part::Frame { first: 0x88, payload: [&code.to_be_bytes(), reason.as_bytes()].concat() }),
        1 => bytes(16).prop_map(Part::Bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// fr1–fr6, fr9, L10, L16: random messages, fragments, control frames, faults and damaged bytes, in random cuts.
    #[test]
    fn reader_agrees_with_the_model(
        parts in prop::collection::vec(part(), 1..6),
        damage in prop::option::weighted(0.3, (any::<Index>(), any::<u8>())),
        end in prop::option::weighted(0.3, any::<Index>()),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
        breaks in prop::collection::vec(any::<bool>(), 1..4),
    ) {
        let mut stream = Vec::new();
        for part in &parts {
            part.write(&mut stream);
        }
        if let Some((at, flip)) = damage && !stream.is_empty() {
            let at = at.index(stream.len());
            stream[at] ^= flip;
        }
        if let Some(end) = end {
            stream.truncate(end.index(stream.len() + 1));
        }
        let expected = model(&stream);
        prop_assert_eq!(&expected, &read_in_pieces(&stream, &cuts, &breaks));
        let everywhere: Vec<Index> = Vec::new();
        prop_assert_eq!(&expected, &read_in_pieces(&stream, &everywhere, &[false]));
        prop_assert_eq!(&expected, &read_byte_by_byte(&stream));
    }

    /// No input at all makes the reader panic, and a fault always has one of the four codes.
    #[test]
    fn any_bytes_are_read_or_refused(mut stream: Vec<u8>) {
        let result = FrameReader::new(LIMITS).read(&mut stream, &mut |_| ControlFlow::Continue(()));
        if let Err(fault) = result {
            prop_assert!(matches!(fault, Fault::Protocol(_) | Fault::Utf8 | Fault::TooLarge | Fault::EmptyFragments));
        }
    }
}

fn read_byte_by_byte(stream: &[u8]) -> (Vec<Seen>, Option<u16>) {
    let mut reader = FrameReader::new(LIMITS);
    let mut seen = Vec::new();
    for byte in stream {
        let result = reader.read(&mut [*byte], &mut |incoming| {
            seen.push(Seen::from(incoming));
            ControlFlow::Continue(())
        });
        if let Err(fault) = result {
            return (seen, Some(fault.close_code()));
        }
    }
    (seen, None)
}
