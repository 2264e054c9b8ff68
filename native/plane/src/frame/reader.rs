use std::ops::ControlFlow;

use super::head::Head;
use super::mask::unmask;
use super::partial::Partial;
use super::{Fault, Incoming, Opcode, ReaderLimits, close};

/// What [`FrameReader::read`] hands messages to.
type Sink<'s> = dyn FnMut(Incoming<'_>) -> ControlFlow<()> + 's;

/// One per connection: bytes of the client in, whole messages out, no I/O.
///
/// Between messages it owns no heap memory. Inside one it owns what has arrived of it, in one buffer, whatever the frames
/// were (fr5), and never a byte by the size that a frame declares.
#[derive(Debug)]
pub struct FrameReader {
    limits: ReaderLimits,
    started: u32,
    /// A close frame or a fault was handed over: what follows is discarded (fr9).
    ended: bool,
    partial: Option<Box<Partial>>,
}

impl FrameReader {
    /// A reader at the start of a stream.
    pub fn new(limits: ReaderLimits) -> Self {
        Self {
            limits,
            started: 0,
            ended: false,
            partial: None,
        }
    }

    /// Applies to the next frame, and so to an unfinished message as well.
    pub fn set_max_message(&mut self, n: u64) {
        self.limits.max_message = n;
    }

    /// Takes all of `input`, unmasking it in place, and hands over in order what it completes. Whole messages inside `input`
    /// are slices of it; an unfinished one is kept, its UTF-8 checked as far as it has come.
    ///
    /// When `sink` breaks, the rest of `input` is left alone; the result is how many bytes were taken. Everything that came
    /// before a fault has been handed over. After a close frame, or a fault, further input is taken and discarded.
    pub fn read(&mut self, input: &mut [u8], sink: &mut Sink<'_>) -> Result<usize, Fault> {
        let total = input.len();
        let mut rest = input;
        while !self.ended && !rest.is_empty() {
            let flow;
            (flow, rest) = self.read_frame(rest, sink).inspect_err(|_| self.end())?;
            if flow.is_break() {
                return Ok(total.saturating_sub(rest.len()));
            }
        }
        Ok(total)
    }

    /// Between the first byte of a message, or of a lone control frame, and its last (L16).
    pub fn is_mid_message(&self) -> bool {
        self.partial.is_some()
    }

    /// How many times [`Self::is_mid_message`] has become true. The timer of L16 starts again when this changes, because
    /// another message may begin in the very input that ends one.
    pub fn started(&self) -> u32 {
        self.started
    }

    /// Payload bytes kept of what is unfinished.
    pub fn buffered(&self) -> usize {
        self.partial
            .as_ref()
            .map_or(0, |partial| partial.buffered())
    }

    /// Up to the end of the next frame, or of `input`.
    fn read_frame<'i>(
        &mut self,
        input: &'i mut [u8],
        sink: &mut Sink<'_>,
    ) -> Result<(ControlFlow<()>, &'i mut [u8]), Fault> {
        let Some((head, frame_len)) = self.whole_frame(input)? else {
            return self.read_partial(input, sink);
        };
        let (frame, rest) = input.split_at_mut(frame_len);
        let (_, payload) = frame.split_at_mut(head.size);
        unmask(payload, head.mask);
        let incoming = whole(head.opcode, head.is_compressed, payload)?;
        Ok((self.hand_over(incoming, sink), rest))
    }

    /// The head and length of a message or control frame that `input` holds from its first byte to its last.
    fn whole_frame(&self, input: &[u8]) -> Result<Option<(Head, usize)>, Fault> {
        if self.partial.is_some() {
            return Ok(None);
        }
        let head = Head::parse(input, self.limits.deflate)?;
        Ok(head.and_then(|head| {
            let frame_len = head.frame_len()?;
            let most = self.limits.max_wire(head.is_compressed);
            let taken_whole = head.opcode.is_control() || head.len <= most;
            (head.is_single() && taken_whole && frame_len <= input.len())
                .then_some((head, frame_len))
        }))
    }

    fn read_partial<'i>(
        &mut self,
        input: &'i mut [u8],
        sink: &mut Sink<'_>,
    ) -> Result<(ControlFlow<()>, &'i mut [u8]), Fault> {
        let mut partial = self.partial.take().unwrap_or_else(|| {
            self.started = self.started.wrapping_add(1);
            Box::default()
        });
        let (frame, rest) = partial.read_frame(&self.limits, input)?;
        let mut flow = ControlFlow::Continue(());
        if let Some(frame) = frame {
            if let Some(incoming) = partial.completed_by(&frame)? {
                flow = self.hand_over(incoming, sink);
            }
            partial.release(&frame);
        }
        if !self.ended && !partial.is_idle() {
            self.partial = Some(partial);
        }
        Ok((flow, rest))
    }

    fn hand_over(&mut self, incoming: Incoming<'_>, sink: &mut Sink<'_>) -> ControlFlow<()> {
        self.ended |= matches!(incoming, Incoming::Close { .. });
        sink(incoming)
    }

    fn end(&mut self) {
        self.ended = true;
        self.partial = None;
    }
}

/// An unmasked message or control frame that came in one piece.
pub(super) fn whole(
    opcode: Opcode,
    is_compressed: bool,
    payload: &[u8],
) -> Result<Incoming<'_>, Fault> {
    match opcode {
        Opcode::Text | Opcode::Binary if is_compressed => Ok(Incoming::Compressed {
            is_text: opcode == Opcode::Text,
            payload,
        }),
        Opcode::Text => match simdutf8::basic::from_utf8(payload) {
            Ok(_) => Ok(Incoming::Text(payload)),
            Err(_) => Err(Fault::Utf8),
        },
        Opcode::Binary | Opcode::Continuation => Ok(Incoming::Binary(payload)),
        Opcode::Close => close::parse(payload),
        Opcode::Ping => Ok(Incoming::Ping(payload)),
        Opcode::Pong => Ok(Incoming::Pong(payload)),
    }
}
