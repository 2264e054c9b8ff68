//! RFC 6455 on bytes that somebody else reads and writes: what a client sent becomes [`Incoming`], what the hub says becomes
//! unmasked frames. No socket, no clock, no JSON belongs here; a connection that is idle owns no heap memory here.

#![forbid(unsafe_code)]
// Tests index what they have made themselves.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

mod close;
mod head;
mod mask;
mod message;
mod partial;
mod reader;
mod server_frames;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod utf8;
mod writer;

pub use reader::FrameReader;
pub use server_frames::{ServerFrame, ServerFrames};
pub use writer::{
    MAX_FRAGMENT, wire_len, write_close, write_compressed, write_control, write_message,
};

/// The opcodes of RFC 6455 §5.2; all others are a protocol fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment; never what a message is.
    Continuation = 0,
    /// A message of UTF-8 text, or its first fragment.
    Text = 1,
    /// A message of bytes, or its first fragment.
    Binary = 2,
    /// The last frame of a side.
    Close = 8,
    /// Asks for a pong.
    Ping = 9,
    /// Answers a ping, or comes unasked.
    Pong = 10,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    /// A frame of its own, which may stand between the fragments of a message.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// What a connection may send before it costs something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReaderLimits {
    /// Payload bytes of one message (L7, L8).
    pub max_message: u64,
    /// A message up to this many times `max_message` is skipped unread, a larger one is [`Fault::TooLarge`] (L10).
    pub skip_factor: u64,
    /// Empty fragments in a row that are still taken (L16).
    pub max_empty_fragments: u32,
    /// Messages may be compressed (B2).
    pub deflate: bool,
}

impl ReaderLimits {
    /// Bytes on the wire of a message that may be within the limit: what cannot be compressed becomes a little longer.
    fn max_wire(&self, is_compressed: bool) -> u64 {
        let more = if is_compressed {
            (self.max_message >> 10).saturating_add(64)
        } else {
            0
        };
        self.max_message.saturating_add(more)
    }
}

/// What has come in whole.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text message; valid UTF-8.
    Text(&'a [u8]),
    /// A binary message.
    Binary(&'a [u8]),
    /// A message that is still compressed (RFC 7692); its text is not yet known to be UTF-8.
    Compressed {
        /// Whether it is text.
        is_text: bool,
        /// What came, without the four bytes that every such message would end with.
        payload: &'a [u8],
    },
    /// To be answered by a pong with the same payload.
    Ping(&'a [u8]),
    /// An answer to a ping, or a life sign.
    Pong(&'a [u8]),
    /// The last thing a reader hands over; `None` is a close frame without a code (1005).
    Close {
        /// A code that may be sent in a frame (RFC 6455 §7.4).
        code: Option<u16>,
        /// At most 123 bytes.
        reason: &'a str,
    },
    /// A message over [`ReaderLimits::max_message`] was skipped; `size` is what its frames declared.
    TooLarge {
        /// Payload bytes.
        size: u64,
    },
}

/// Why a connection cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Broken framing; the text says what was expected.
    Protocol(&'static str),
    /// Text, or a close reason, that is not UTF-8.
    Utf8,
    /// A compressed message that does not decompress (fr8).
    Deflate,
    /// More than may be skipped (L10).
    TooLarge,
    /// Too many empty fragments in a row (L16).
    EmptyFragments,
}

impl Fault {
    /// The close code that tells the client what to do (section 7).
    pub fn close_code(&self) -> u16 {
        match self {
            Self::Protocol(_) => 1002,
            Self::Utf8 | Self::Deflate => 1007,
            Self::TooLarge => 4013,
            Self::EmptyFragments => 4229,
        }
    }

    /// The close reason: `slug` or `slug; detail`, nothing the peer sent (X3).
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Protocol(reason) => reason,
            Self::Utf8 => "invalid_utf8",
            Self::Deflate => "invalid_deflate",
            Self::TooLarge => "too_large",
            Self::EmptyFragments => "rate_abuse; empty fragments",
        }
    }
}
