//! How messages are written to a connection, and so what a view is beside its channel.

use crate::content::{Accepts, Message};
use crate::deflate::Deflater;
use crate::entry::{Encoding, Entry};
use crate::frame::{Opcode, write_compressed, write_message};

/// Connections of the same form get the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Form {
    /// The subprotocol (C2).
    pub encoding: Encoding,
    /// Whether permessage-deflate was negotiated (B2).
    pub deflate: bool,
    /// What the client decodes itself (B9).
    pub accepts: Accepts,
}

impl Form {
    /// The first of all in their order.
    pub const FIRST: Self = Self {
        encoding: Encoding::Json,
        deflate: false,
        accepts: Accepts::NONE,
    };
}

impl From<Encoding> for Form {
    fn from(encoding: Encoding) -> Self {
        Self {
            encoding,
            ..Self::FIRST
        }
    }
}

/// Writes messages of one form.
#[derive(Debug)]
pub struct Writer<'d> {
    /// The form.
    pub form: Form,
    deflater: &'d mut Deflater,
}

impl<'d> Writer<'d> {
    /// A writer of `form`, with the compressor of its I/O thread.
    pub fn new(form: Form, deflater: &'d mut Deflater) -> Self {
        Self { form, deflater }
    }

    /// The frames of a message of the hub's own.
    pub fn write(&mut self, out: &mut Vec<u8>, payload: &[u8]) {
        self.write_message(
            out,
            &Message {
                opcode: self.form.encoding.opcode(),
                payload: payload.into(),
                is_compressible: true,
            },
        );
    }

    /// The frames of an event.
    pub fn write_entry(&mut self, out: &mut Vec<u8>, entry: &Entry) {
        self.write_message(out, &entry.message(self.form));
    }

    /// The frames of a message.
    fn write_message(&mut self, out: &mut Vec<u8>, message: &Message<'_>) {
        self.pack(message).write_to(out);
    }

    /// What goes out of a message (B3).
    pub fn pack<'m>(&'m mut self, message: &'m Message<'_>) -> Packed<'m> {
        let compressed = if self.form.deflate && message.is_compressible {
            self.deflater.deflate(&message.payload)
        } else {
            None
        };
        Packed {
            opcode: message.opcode,
            is_compressed: compressed.is_some(),
            payload: compressed.unwrap_or(&message.payload),
        }
    }
}

/// A message as it goes out.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'m> {
    opcode: Opcode,
    is_compressed: bool,
    payload: &'m [u8],
}

impl Packed<'_> {
    /// Bytes of it, without its frames.
    pub fn len(&self) -> usize {
        self.payload.len()
    }

    /// Its frames.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        if self.is_compressed {
            write_compressed(out, self.opcode, self.payload);
        } else {
            write_message(out, self.opcode, self.payload);
        }
    }
}
