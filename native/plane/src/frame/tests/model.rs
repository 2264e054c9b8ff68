//! What a reader of RFC 6455 and rows fr1 to fr9 hands over: seen from the whole stream at once, and too slow to be wrong.

use super::super::ReaderLimits;
use super::Seen;

pub(super) const LIMITS: ReaderLimits = ReaderLimits {
    max_message: 40,
    skip_factor: 3,
    max_empty_fragments: 2,
    deflate: false,
};

/// A frame of which everything up to its mask has come.
struct Frame {
    fin: bool,
    opcode: u8,
    declared: u64,
    /// As far as it has come, unmasked.
    payload: Vec<u8>,
}

/// The frame at the start of `stream`, which moves behind it; `None` if its head has not come, else the fault it shows.
fn frame(stream: &mut &[u8]) -> Result<Option<Frame>, u16> {
    let Some(first) = stream.first() else {
        return Ok(None);
    };
    let (fin, opcode) = (first & 0x80 != 0, first & 15);
    let control = opcode >= 8;
    if first & 0x70 != 0 || !matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10) || control && !fin {
        return Err(1002);
    }
    let Some(second) = stream.get(1) else {
        return Ok(None);
    };
    let short = u64::from(second & 0x7f);
    if second & 0x80 == 0 || control && short > 125 {
        return Err(1002);
    }
    let (extended, least) = match short {
        126 => (2, 126),
        127 => (8, 0x1_0000),
        _ => (0, 0),
    };
    let Some(long) = stream.get(2..2 + extended) else {
        return Ok(None);
    };
    let declared = if extended == 0 {
        short
    } else {
        long.iter().fold(0, |len, byte| len << 8 | u64::from(*byte))
    };
    if declared < least || declared >= 1 << 63 {
        return Err(1002);
    }
    let Some(mask) = stream.get(2 + extended..6 + extended) else {
        return Ok(None);
    };
    let rest = &stream[6 + extended..];
    let here = usize::try_from(declared).unwrap().min(rest.len());
    let payload = rest[..here]
        .iter()
        .zip(mask.iter().cycle())
        .map(|(byte, key)| byte ^ key)
        .collect();
    *stream = &rest[here..];
    Ok(Some(Frame {
        fin,
        opcode,
        declared,
        payload,
    }))
}

impl Frame {
    fn is_whole(&self) -> bool {
        self.payload.len() as u64 == self.declared
    }

    fn control(self) -> Result<Seen, u16> {
        match (self.opcode, self.payload.as_slice()) {
            (9, _) => Ok(Seen::Ping(self.payload)),
            (10, _) => Ok(Seen::Pong(self.payload)),
            (_, []) => Ok(Seen::Close(None, String::new())),
            (_, [_]) => Err(1002),
            (_, [high, low, reason @ ..]) => {
                let code = u16::from_be_bytes([*high, *low]);
                if !(3000..5000).contains(&code)
                    && !(1007..1015).contains(&code)
                    && ![1000, 1001, 1002, 1003].contains(&code)
                {
                    return Err(1002);
                }
                let reason = String::from_utf8(reason.to_vec()).map_err(|_| 1007_u16)?;
                Ok(Seen::Close(Some(code), reason))
            }
        }
    }
}

/// A message as far as it has come.
#[derive(Default)]
struct Message {
    /// 0 while there is none.
    opcode: u8,
    payload: Vec<u8>,
    size: u64,
    empty: u32,
}

impl Message {
    /// What the message is, if `frame` completes it.
    fn add(&mut self, frame: &Frame) -> Result<Option<Seen>, u16> {
        if (frame.opcode == 0) != (self.opcode != 0) {
            return Err(1002);
        }
        let single = frame.fin && self.opcode == 0;
        self.opcode |= frame.opcode;
        self.size += frame.declared;
        self.empty = if frame.declared > 0 || single {
            0
        } else {
            self.empty + 1
        };
        if self.size > LIMITS.max_message * LIMITS.skip_factor {
            return Err(4013);
        }
        if self.empty > LIMITS.max_empty_fragments {
            return Err(4229);
        }
        self.payload.extend(&frame.payload);
        let done = frame.fin && frame.is_whole();
        if self.size > LIMITS.max_message {
            return Ok(done.then_some(Seen::TooLarge(self.size)));
        }
        if self.opcode == 2 {
            return Ok(done.then(|| Seen::Binary(self.payload.clone())));
        }
        match std::str::from_utf8(&self.payload) {
            Ok(text) => Ok(done.then(|| Seen::Text(text.to_owned()))),
            Err(error) if error.error_len().is_none() && !done => Ok(None),
            Err(_) => Err(1007),
        }
    }
}

/// All that `stream` hands over, and the close code of the fault that ends it.
pub(super) fn model(mut stream: &[u8]) -> (Vec<Seen>, Option<u16>) {
    let mut seen = Vec::new();
    let mut message = Message::default();
    loop {
        let next = match frame(&mut stream) {
            Ok(Some(frame)) if frame.opcode < 8 => message.add(&frame),
            Ok(Some(frame)) if frame.is_whole() => frame.control().map(Some),
            Ok(_) => return (seen, None),
            Err(code) => Err(code),
        };
        match next {
            Ok(Some(close @ Seen::Close(..))) => {
                seen.push(close);
                return (seen, None);
            }
            Ok(Some(Seen::Ping(payload))) => seen.push(Seen::Ping(payload)),
            Ok(Some(Seen::Pong(payload))) => seen.push(Seen::Pong(payload)),
            Ok(Some(whole)) => {
                seen.push(whole);
                message = Message::default();
            }
            Ok(None) => {}
            Err(code) => return (seen, Some(code)),
        }
    }
}
