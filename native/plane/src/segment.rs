//! Wire bytes of whole messages, one behind the other, with the places where they end.

use std::rc::Rc;

use crate::unfinished::Unfinished;

/// Bytes after which a view goes on in another segment, and a replay writes before it reads on.
pub const SEGMENT: usize = 64 << 10;

/// A message up to this size is copied to be finished later, a larger one keeps its whole segment alive.
const COPIED: usize = 4 << 10;

/// The end of one message in the stream of its view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What a cursor has settled when the message was sent: the entry itself, or the end of a gap.
    pub offset: u64,
    /// Position just after the message.
    pub end: u64,
}

/// A stretch of a stream of messages. Positions count from the beginning of the stream, the segment begins at `base`.
#[derive(Debug)]
pub struct Segment {
    base: u64,
    bytes: Rc<Vec<u8>>,
    marks: Vec<Mark>,
}

impl Segment {
    /// Nothing, at `base`.
    pub fn new(base: u64) -> Self {
        Self {
            base,
            bytes: Rc::default(),
            marks: Vec::new(),
        }
    }

    /// Append a message that settles `offset`. False, and nothing done, while somebody still finishes a message of this
    /// segment: it can then only be read.
    pub fn push(&mut self, offset: u64, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some(bytes) = Rc::get_mut(&mut self.bytes) else {
            return false;
        };
        write(bytes);
        let end = self.base + bytes.len() as u64;
        self.marks.push(Mark { offset, end });
        true
    }

    /// Begin again at `base`, in the same memory where nobody else reads it and it is not large.
    pub fn restart(&mut self, base: u64) {
        self.base = base;
        self.marks.clear();
        match Rc::get_mut(&mut self.bytes) {
            Some(bytes) if bytes.capacity() <= 2 * SEGMENT => bytes.clear(),
            _ => self.bytes = Rc::default(),
        }
    }

    /// Give back what an idle segment does not need.
    pub fn shrink(&mut self) {
        if self.bytes.is_empty() && self.bytes.capacity() > 0 {
            *self = Self::new(self.base);
        }
    }

    /// Bytes that it takes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Where it begins.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Where it ends.
    pub fn end(&self) -> u64 {
        self.base + self.bytes.len() as u64
    }

    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// No bytes in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The messages' ends.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Everything from `position` on; nothing if that is elsewhere.
    pub fn from(&self, position: u64) -> &[u8] {
        self.index(position)
            .and_then(|at| self.bytes.get(at..))
            .unwrap_or_default()
    }

    /// Whole messages from `position` on: as many as fit into `budget` bytes, but at least one.
    pub fn within(&self, position: u64, budget: usize) -> &[u8] {
        let all = self.from(position);
        if all.len() <= budget {
            return all;
        }
        let fits = position + budget as u64;
        let fitting = self.marks.partition_point(|mark| mark.end <= fits);
        let end = fitting.checked_sub(1).and_then(|last| self.marks.get(last));
        let end = end
            .filter(|mark| mark.end > position)
            .or_else(|| self.message_at(position + 1));
        let len = end.and_then(|mark| usize::try_from(mark.end - position).ok());
        len.and_then(|len| all.get(..len)).unwrap_or(all)
    }

    fn index(&self, position: u64) -> Option<usize> {
        usize::try_from(position.checked_sub(self.base)?).ok()
    }

    /// The message that ends at `position`, or the one it is inside of.
    fn message_at(&self, position: u64) -> Option<&Mark> {
        self.marks
            .get(self.marks.partition_point(|mark| mark.end < position))
    }

    /// What is settled by everything before `position`; `None` before the end of the first message.
    pub fn offset_at(&self, position: u64) -> Option<u64> {
        let ended = self.marks.partition_point(|mark| mark.end <= position);
        Some(self.marks.get(ended.checked_sub(1)?)?.offset)
    }

    /// The position after everything that settles up to `offset`; the base if that is before the first message.
    pub fn position_after(&self, offset: u64) -> u64 {
        let settled = self.marks.partition_point(|mark| mark.offset <= offset);
        let mark = settled.checked_sub(1).and_then(|last| self.marks.get(last));
        mark.map_or(self.base, |mark| mark.end)
    }

    /// Messages that end after `from` and not after `to`.
    pub fn messages_between(&self, from: u64, to: u64) -> usize {
        let count = |position| {
            self.marks
                .partition_point(|mark: &Mark| mark.end <= position)
        };
        count(to).saturating_sub(count(from))
    }

    /// What the messages settle that end after `from` and not after `to`.
    pub fn offsets_between(&self, from: u64, to: u64) -> impl Iterator<Item = u64> {
        let marks = self.marks.iter().skip_while(move |mark| mark.end <= from);
        marks
            .take_while(move |mark| mark.end <= to)
            .map(|mark| mark.offset)
    }

    /// A socket took the bytes up to `position`: where the next message begins, and what must be written before that.
    pub fn cut(&self, position: u64) -> (u64, Option<Unfinished>) {
        match self.message_at(position) {
            Some(mark) if mark.end > position => (mark.end, self.unfinished(position, mark.end)),
            _ => (position, None),
        }
    }

    fn unfinished(&self, position: u64, end: u64) -> Option<Unfinished> {
        let before = self.marks.partition_point(|mark| mark.end <= position);
        let start = before.checked_sub(1).and_then(|last| self.marks.get(last));
        let start = self.index(start.map_or(self.base, |mark| mark.end))?;
        let (at, end) = (self.index(position)?, self.index(end)?);
        if end - start > COPIED {
            let bytes = Rc::clone(&self.bytes);
            return Some(Unfinished::new(bytes, start, at, end));
        }
        let message = self.bytes.get(start..end)?.to_vec();
        let len = message.len();
        Some(Unfinished::new(Rc::new(message), 0, at - start, len))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::frame::{Opcode, write_message};

    fn segment(sizes: &[usize]) -> Segment {
        let mut segment = Segment::new(1_000);
        for (offset, size) in (1_u64..).zip(sizes) {
            assert!(segment.push(offset, |out| {
                out.resize(out.len() + size, u8::try_from(offset).unwrap());
            }));
        }
        segment
    }

    /// P3: a position between two messages is an offset, and the other way round.
    #[test]
    fn positions_and_offsets_answer_each_other() {
        let segment = segment(&[10, 20, 30]);
        assert_eq!(
            [1_000, 1_010, 1_030, 1_060],
            [0, 1, 2, 3].map(|offset| segment.position_after(offset))
        );
        assert_eq!(
            [None, Some(1), Some(1), Some(3)],
            [1_009, 1_010, 1_029, 1_060].map(|at| segment.offset_at(at))
        );
        assert_eq!(2, segment.messages_between(1_000, 1_059));
    }

    /// A budget is kept in whole messages, one of which is always allowed.
    #[test]
    fn a_budget_ends_between_messages() {
        let segment = segment(&[10, 20, 30]);
        assert_eq!(
            [10, 10, 30, 60],
            [1, 29, 30, 60].map(|budget| segment.within(1_000, budget).len())
        );
        assert_eq!(30, segment.within(1_030, 1).len());
    }

    /// A short write leaves the rest of one message, and the position behind it; a small rest does not keep the segment.
    #[test]
    fn a_cut_message_is_finished_before_the_next() {
        let mut segment = segment(&[10, 20, 30]);
        let (next, rest) = segment.cut(1_015);
        assert_eq!(
            (1_030, vec![2_u8; 15]),
            (next, rest.as_ref().unwrap().rest().to_vec())
        );
        let (next, none) = segment.cut(1_030);
        assert!(next == 1_030 && none.is_none());
        assert!(segment.push(4, |out| out.push(4)));
        assert!(segment.push(5, |out| out.resize(out.len() + 2 * COPIED, 5)));
        let (_, large) = segment.cut(1_062);
        assert!(!segment.push(6, |_| ()), "somebody still reads it");
        drop(large);
        assert!(segment.push(6, |_| ()));
    }

    /// B1: between the fragments of a large message, and only there, control frames may pass.
    #[test]
    fn control_frames_may_pass_between_fragments() {
        let mut segment = Segment::new(0);
        segment.push(1, |out| {
            write_message(out, Opcode::Text, &vec![b'x'; 150_000]);
        });
        let (_, rest) = segment.cut(100);
        let mut rest = rest.unwrap();
        let mut frames = Vec::new();
        loop {
            frames.push(rest.rest_of_frame().len());
            let taken = rest.rest_of_frame().len();
            assert!(taken > 0);
            if rest.advance(taken) {
                break;
            }
            assert!(rest.rest_of_frame().is_empty(), "a boundary");
            // The boundary was used; the next frame begins with its first byte.
            rest.advance(1);
        }
        assert_eq!(vec![65_546 - 100, 65_546 - 1, 18_928 + 4 - 1], frames);
    }
}
