//! The two ends of a virtual connection: wire bytes one way, whole messages the other, both bounded.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::frame::{Opcode, ServerFrames};

/// Wire bytes that wait to be taken before the connection counts as blocked.
const OUTPUT: usize = 256 << 10;
/// Messages, and their bytes, that wait to be read before the other side is asked to wait.
const INPUT_MESSAGES: usize = 64;
const INPUT_BYTES: usize = 256 << 10;

/// One message of the peer of a virtual connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Fed {
    /// A text message, not yet checked to be UTF-8.
    Text(Box<[u8]>),
    /// A binary message.
    Binary(Box<[u8]>),
    /// The peer closed, or vanished (1006).
    Close(u16, String),
}

/// What two threads share of a virtual connection.
#[derive(Debug)]
pub struct Pipe {
    state: Mutex<State>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    output: VecDeque<u8>,
    joined: Vec<u8>,
    joined_opcode: Option<Opcode>,
    blocked: bool,
    told: bool,
    ended: bool,
    input: Input,
}

/// What was fed and not yet read.
#[derive(Debug, Default)]
struct Input {
    messages: VecDeque<Fed>,
    bytes: usize,
    waiting: bool,
}

impl Input {
    fn is_full(&self) -> bool {
        self.messages.len() >= INPUT_MESSAGES || self.bytes >= INPUT_BYTES
    }

    fn is_low(&self) -> bool {
        self.messages.len() < INPUT_MESSAGES / 2 && self.bytes < INPUT_BYTES / 2
    }
}

/// What [`Pipe::take`] found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Whole messages: 1 text, 2 binary, 8 close.
    pub messages: Vec<(u8, Vec<u8>)>,
    /// The I/O thread waits for the room that was made.
    pub unblocked: bool,
    /// Nothing will come any more.
    pub ended: bool,
}

impl Default for Pipe {
    fn default() -> Self {
        Self::with_capacity(OUTPUT)
    }
}

impl Pipe {
    /// A pipe that holds `capacity` bytes of output.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            capacity,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// I/O thread: write wire bytes, as a socket would take them. Also whether the other side has taken everything before,
    /// and has to be told.
    pub fn write(&self, bytes: &[u8]) -> io::Result<(usize, bool)> {
        let mut state = self.state();
        let room = self
            .capacity
            .saturating_sub(state.output.len())
            .min(bytes.len());
        if room < bytes.len() {
            state.blocked = true;
        }
        if room == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.output.extend(bytes.get(..room).unwrap_or(bytes));
        Ok((room, !std::mem::replace(&mut state.told, true)))
    }

    /// I/O thread: the next message of the peer; also whether the other side waits and may go on.
    pub fn read(&self) -> Option<(Fed, bool)> {
        let input = &mut self.state().input;
        let fed = input.messages.pop_front()?;
        input.bytes -= fed.len();
        let relieved = input.waiting && input.is_low();
        input.waiting &= !relieved;
        Some((fed, relieved))
    }

    /// Up to `max` wire bytes, as a socket's peer would read them.
    #[cfg(test)]
    pub fn take_bytes(&self, max: usize) -> Vec<u8> {
        let mut state = self.state();
        let taken = max.min(state.output.len());
        state.output.drain(..taken).collect()
    }

    /// I/O thread: nothing will be written any more. Whether all was taken already.
    pub fn end(&self) -> bool {
        let mut state = self.state();
        state.ended = true;
        state.output.is_empty()
    }

    /// Whoever relays: hand in a message. False: it was taken, but wait before the next.
    pub fn feed(&self, fed: Fed) -> bool {
        let input = &mut self.state().input;
        input.bytes += fed.len();
        input.messages.push_back(fed);
        input.waiting |= input.is_full();
        !input.waiting
    }

    /// Whoever relays: about `max_bytes` of messages, at least one if there is one.
    pub fn take(&self, max_bytes: usize) -> Taken {
        let state = &mut *self.state();
        let mut taken = Taken::default();
        let mut bytes = 0;
        let output: &[u8] = state.output.make_contiguous();
        let mut frames = ServerFrames::new(output);
        while bytes < max_bytes || taken.messages.is_empty() {
            let Some(frame) = frames.next() else {
                // What comes now is news, also where it only ends a message that has begun.
                state.told = false;
                break;
            };
            let payload = output.get(frame.payload).unwrap_or_default();
            bytes += payload.len();
            match frame.opcode {
                // The ASGI server keeps the peer alive, and answers its pings.
                Opcode::Ping | Opcode::Pong => {}
                Opcode::Close => taken.messages.push((Opcode::Close as u8, payload.to_vec())),
                opcode => {
                    let opcode = *state.joined_opcode.get_or_insert(opcode);
                    state.joined.extend_from_slice(payload);
                    if frame.fin {
                        state.joined_opcode = None;
                        taken
                            .messages
                            .push((opcode as u8, std::mem::take(&mut state.joined)));
                    }
                }
            }
        }
        let consumed = frames.consumed();
        state.output.drain(..consumed);
        taken.unblocked = consumed > 0 && std::mem::take(&mut state.blocked);
        taken.ended = state.ended && state.output.is_empty();
        taken
    }
}

impl Fed {
    fn len(&self) -> usize {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes.len(),
            Self::Close(_, reason) => reason.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::frame::{write_close, write_control, write_message};

    /// B1: fragments are joined over any number of calls, control frames of the server are for sockets only.
    #[test]
    fn messages_come_whole_and_without_frames() {
        let pipe = Pipe::default();
        let mut wire = Vec::new();
        write_message(&mut wire, Opcode::Text, b"a");
        write_control(&mut wire, Opcode::Ping, b"");
        write_message(&mut wire, Opcode::Binary, &vec![7; 150_000]);
        write_close(&mut wire, 4010, "kicked");
        let mut taken = Vec::new();
        for byte in wire.chunks(1_000) {
            pipe.write(byte).unwrap();
            taken.extend(pipe.take(10).messages);
        }
        taken.extend(pipe.take(10).messages);
        let lens: Vec<_> = taken
            .iter()
            .map(|(opcode, payload)| (*opcode, payload.len()))
            .collect();
        assert_eq!(vec![(1, 1), (2, 150_000), (8, 8)], lens);
        assert!(pipe.end());
    }

    /// S8: a pipe that is full takes nothing, and says so once there is room again.
    #[test]
    fn a_full_pipe_blocks_and_tells_when_there_is_room() {
        let pipe = Pipe::with_capacity(5);
        assert_eq!((5, true), pipe.write(b"\x81\x03abc\x81\x01d").unwrap());
        assert_eq!(
            io::ErrorKind::WouldBlock,
            pipe.write(b"x").unwrap_err().kind()
        );
        let taken = pipe.take(10);
        assert_eq!(
            (vec![(1, b"abc".to_vec())], true),
            (taken.messages, taken.unblocked)
        );
        assert!(!pipe.take(10).unblocked);
    }

    /// Whoever was left without a whole message is told when more comes, and nobody twice.
    #[test]
    fn who_has_taken_everything_is_told_of_more() {
        let pipe = Pipe::default();
        assert!(pipe.write(b"\x81").unwrap().1);
        assert!(!pipe.write(b"\x03").unwrap().1);
        assert_eq!(0, pipe.take(10).messages.len());
        assert!(pipe.write(b"abc").unwrap().1);
        assert_eq!(1, pipe.take(10).messages.len());
        assert!(pipe.write(b"\x81\x01d").unwrap().1);
    }

    /// Whoever feeds is asked to wait at 64 messages, and told to go on when half of them were read.
    #[test]
    fn feeding_too_fast_is_told() {
        let pipe = Pipe::default();
        let fed = || Fed::Text(b"{}"[..].into());
        assert!((1..INPUT_MESSAGES).all(|_| pipe.feed(fed())));
        assert!(!pipe.feed(fed()));
        let relieved: Vec<bool> = std::iter::from_fn(|| pipe.read())
            .map(|(_, relieved)| relieved)
            .collect();
        assert_eq!(
            Some(INPUT_MESSAGES / 2),
            relieved.iter().position(|relieved| *relieved)
        );
        assert_eq!(1, relieved.iter().filter(|relieved| **relieved).count());
    }
}
