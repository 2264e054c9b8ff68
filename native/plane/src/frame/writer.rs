//! Server frames: unmasked, so that a frame is the same bytes for every subscriber.

use super::Opcode;
use super::head::COMPRESSED;

/// Payload bytes of the largest frame the server sends (B1), so that control frames can pass between fragments.
pub const MAX_FRAGMENT: usize = 64 * 1024;

/// Payload bytes of the largest control frame (RFC 6455 §5.5).
const MAX_CONTROL: usize = 125;

const FIN: u8 = 0x80;

/// Append a text or binary message; one over [`MAX_FRAGMENT`] in fragments (B1).
pub fn write_message(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    write_fragments(out, opcode as u8, payload);
}

/// The same for a payload that permessage-deflate has made (RFC 7692 §6).
pub fn write_compressed(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    write_fragments(out, COMPRESSED | opcode as u8, payload);
}

/// Only the first frame tells what the message is.
fn write_fragments(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    out.reserve(wire_len(payload.len()));
    let mut first = first;
    let mut rest = payload;
    while let Some((fragment, more)) = rest.split_at_checked(MAX_FRAGMENT) {
        if more.is_empty() {
            break;
        }
        write_head(out, first, fragment.len());
        out.extend_from_slice(fragment);
        first = Opcode::Continuation as u8;
        rest = more;
    }
    write_head(out, FIN | first, rest.len());
    out.extend_from_slice(rest);
}

/// Append a control frame; a payload over 125 bytes, which only a caller of ours could ask for, is cut.
pub fn write_control(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    let payload = payload.get(..MAX_CONTROL).unwrap_or(payload);
    write_head(out, FIN | opcode as u8, payload.len());
    out.extend_from_slice(payload);
}

/// Append a close frame; the reason is cut to 123 bytes between characters (X3).
pub fn write_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let most = MAX_CONTROL.saturating_sub(size_of::<u16>());
    let cut = (0..=most).rev().find(|at| reason.is_char_boundary(*at));
    let reason = cut.and_then(|cut| reason.get(..cut)).unwrap_or(reason);
    let payload_len = reason.len().saturating_add(size_of::<u16>());
    write_head(out, FIN | Opcode::Close as u8, payload_len);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

/// Bytes that [`write_message`] appends for a payload of this length.
pub fn wire_len(payload_len: usize) -> usize {
    let full = payload_len.saturating_sub(1) / MAX_FRAGMENT;
    let last = payload_len.saturating_sub(full.saturating_mul(MAX_FRAGMENT));
    full.saturating_mul(head_len(MAX_FRAGMENT))
        .saturating_add(head_len(last))
        .saturating_add(payload_len)
}

fn head_len(payload_len: usize) -> usize {
    match payload_len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

fn write_head(out: &mut Vec<u8>, first: u8, payload_len: usize) {
    out.push(first);
    match (u8::try_from(payload_len), u16::try_from(payload_len)) {
        (Ok(len @ 0..=125), _) => out.push(len),
        (_, Ok(len)) => {
            out.push(126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(127);
            // `usize` is at most 64 bits wide on every target of Rust.
            out.extend_from_slice(&(payload_len as u64).to_be_bytes());
        }
    }
}
