//! What a connection owns while something of its client has come in part.

use super::head::{Head, PartialHead};
use super::mask::{turned, unmask};
use super::message::Message;
use super::{Fault, Incoming, Opcode, ReaderLimits, reader};

/// A frame whose head has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    opcode: Opcode,
    fin: bool,
    /// The mask for the next byte of the payload.
    mask: [u8; 4],
    /// Bytes of the payload still to come.
    left: u64,
}

/// A head, a frame and a message, each as far as it has come; the control frame between two fragments has a place of its own.
#[derive(Debug, Default)]
pub(super) struct Partial {
    head: PartialHead,
    frame: Option<Frame>,
    control: Vec<u8>,
    message: Option<Message>,
}

impl Partial {
    /// Take `input` up to the end of the frame, which is returned if that has come.
    pub fn read_frame<'i>(
        &mut self,
        limits: &ReaderLimits,
        input: &'i mut [u8],
    ) -> Result<(Option<Frame>, &'i mut [u8]), Fault> {
        let (frame, input) = self.current_frame(limits, input)?;
        let Some(mut frame) = frame else {
            return Ok((None, input));
        };
        let here = usize::try_from(frame.left).map_or(input.len(), |left| left.min(input.len()));
        let (piece, rest) = input.split_at_mut(here);
        self.append(&frame, piece)?;
        frame.mask = turned(frame.mask, here);
        // `here` is at most `left`.
        frame.left = frame.left.saturating_sub(here as u64);
        if frame.left == 0 {
            return Ok((Some(frame), rest));
        }
        self.frame = Some(frame);
        Ok((None, rest))
    }

    /// What is whole now that `frame` is.
    pub fn completed_by(&self, frame: &Frame) -> Result<Option<Incoming<'_>>, Fault> {
        match &self.message {
            _ if frame.opcode.is_control() => {
                reader::whole(frame.opcode, false, &self.control).map(Some)
            }
            Some(message) if frame.fin => message.whole().map(Some),
            _ => Ok(None),
        }
    }

    /// Forget what [`Self::completed_by`] has shown.
    pub fn release(&mut self, frame: &Frame) {
        if frame.opcode.is_control() {
            self.control.clear();
        } else if frame.fin {
            self.message = None;
        }
    }

    pub fn is_idle(&self) -> bool {
        self.head.is_empty() && self.frame.is_none() && self.message.is_none()
    }

    pub fn buffered(&self) -> usize {
        let message = self.message.as_ref().map_or(0, Message::buffered);
        message.saturating_add(self.control.len())
    }

    /// The frame whose payload comes next in what is left of `input`, which is nothing if its head has not come.
    fn current_frame<'i>(
        &mut self,
        limits: &ReaderLimits,
        input: &'i mut [u8],
    ) -> Result<(Option<Frame>, &'i mut [u8]), Fault> {
        if let Some(frame) = self.frame.take() {
            return Ok((Some(frame), input));
        }
        let Some((head, used)) = self.head.complete(input, limits.deflate)? else {
            return Ok((None, &mut []));
        };
        let (_, rest) = input.split_at_mut(used);
        Ok((Some(self.begin(&head, limits)?), rest))
    }

    /// fr1: a continuation has something to continue, and a message does not begin inside another.
    fn begin(&mut self, head: &Head, limits: &ReaderLimits) -> Result<Frame, Fault> {
        match (head.opcode, &self.message) {
            (Opcode::Continuation, None) => {
                return Err(Fault::Protocol(
                    "protocol_error; expected a message to continue",
                ));
            }
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(Fault::Protocol(
                    "protocol_error; expected the unfinished message to go on",
                ));
            }
            _ => {}
        }
        if !head.opcode.is_control() {
            let message = self
                .message
                .get_or_insert_with(|| Message::new(head.opcode, head.is_compressed));
            message.declare(head, limits)?;
        }
        Ok(Frame {
            opcode: head.opcode,
            fin: head.fin,
            mask: head.mask,
            left: head.len,
        })
    }

    fn append(&mut self, frame: &Frame, piece: &mut [u8]) -> Result<(), Fault> {
        match &mut self.message {
            _ if frame.opcode.is_control() => {
                unmask(piece, frame.mask);
                self.control.extend_from_slice(piece);
                Ok(())
            }
            Some(message) if !message.is_skipped() => {
                unmask(piece, frame.mask);
                message.append(piece)
            }
            // Skipped unread (L10); without a message there is no data frame.
            _ => Ok(()),
        }
    }
}
