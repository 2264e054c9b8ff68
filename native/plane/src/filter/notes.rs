//! What passed which filters of a channel where each entry was judged for all of them: a note for every 64 entries of which one
//! passed, in the order they came. Whoever asks about a filter takes its notes over into its verdicts.

use std::collections::VecDeque;
use std::sync::Arc;

use space::fetch_ahead;

use crate::filter::totals::Totals;
use crate::filter::verdicts::place;

/// Notes of a channel that are kept: of more, the newest. 48 MiB.
const MAX_NOTES: usize = 1 << 21;
/// Notes that there is room for at first; then as many more as there are.
const FIRST_NOTES: usize = 64;

/// The turn of no note, of one that was let go, and of the first one.
const NONE: u32 = 0;
const LOST: u32 = 1;
const FIRST: u32 = 2;

/// Which of 64 entries pass a filter.
#[derive(Clone, Copy, Debug)]
struct Note {
    word: u64,
    passes: u64,
    /// The turn of the note before it of the same filter.
    before: u32,
}

/// The newest note of a filter.
#[derive(Clone, Copy, Debug)]
struct Newest {
    turn: u32,
    /// The end of its word: what differs here is another one.
    word: u32,
}

/// No note.
const NOTHING: Newest = Newest {
    turn: NONE,
    word: 0,
};

/// The notes of one history.
#[derive(Debug)]
pub struct Notes {
    /// Who counts their bytes, and says when there are enough.
    totals: Arc<Totals>,
    history: u64,
    kept: VecDeque<Note>,
    /// Notes that there is room for, and that are counted.
    room: usize,
    /// The turn of the first note that is kept.
    first: u32,
    /// The newest word of which a note was let go.
    forgotten: u64,
    /// By seat.
    newest: Vec<Newest>,
}

/// What was noted of one filter.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Words and which of their entries pass, in the order they were noted.
    pub words: Vec<(u64, u64)>,
    /// Of words below this one, notes were let go.
    pub whole_from: u64,
}

impl Drop for Notes {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[allow(clippy::cast_possible_truncation)] // the end is what is asked for
fn end(word: u64) -> u32 {
    word as u32
}

impl Notes {
    /// None yet.
    pub fn new(totals: Arc<Totals>) -> Self {
        Self {
            totals,
            history: 0,
            kept: VecDeque::new(),
            room: 0,
            first: FIRST,
            forgotten: 0,
            newest: Vec::new(),
        }
    }

    /// Nobody will ask for what was noted, nor is there a filter.
    pub fn let_go(&mut self) {
        self.totals.shrink(self.room * size_of::<Note>());
        (self.kept, self.room, self.newest) = (VecDeque::new(), 0, Vec::new());
        (self.first, self.forgotten) = (FIRST, 0);
    }

    /// Be about a history; what was noted of a former one is forgotten.
    pub fn enter(&mut self, history: u64) {
        if history > self.history {
            self.history = history;
            self.kept.clear();
            self.newest.fill(NOTHING);
            (self.first, self.forgotten) = (FIRST, 0);
        }
    }

    /// Another filter has this seat now.
    pub fn seat(&mut self, seat: u32) {
        match self.newest.get_mut(seat as usize) {
            Some(newest) => *newest = NOTHING,
            None => self.newest.resize(seat as usize + 1, NOTHING),
        }
    }

    /// This seat is about to be noted.
    pub fn expect(&self, seat: u32) {
        if let Some(newest) = self.newest.get(seat as usize) {
            fetch_ahead(newest, size_of::<Newest>());
        }
    }

    fn at(&self, turn: u32) -> Option<usize> {
        Some(turn.checked_sub(self.first)? as usize)
    }

    /// An entry passes the filter that has this seat.
    pub fn note(&mut self, seat: u32, offset: u64) {
        let (word, bit) = place(offset);
        let Some(newest) = self.newest.get(seat as usize).copied() else {
            return;
        };
        if newest.word == end(word)
            && let Some(at) = self.at(newest.turn)
            && let Some(known) = self.kept.get_mut(at)
            && known.word == word
        {
            known.passes |= bit;
            return;
        }
        let turn = self.make_room();
        let Some(newest) = self.newest.get_mut(seat as usize) else {
            return;
        };
        // The one before may have been let go to make room.
        let before = newest.turn;
        (newest.turn, newest.word) = (turn, end(word));
        if turn == LOST {
            self.forgotten = self.forgotten.max(word);
        } else {
            self.kept.push_back(Note {
                word,
                passes: bit,
                before,
            });
        }
    }

    /// Have room for one more; where there is no more, the oldest goes. -> its turn
    fn make_room(&mut self) -> u32 {
        if self.kept.len() == self.room && !self.grow() {
            let Some(oldest) = self.kept.pop_front() else {
                return LOST;
            };
            self.first += 1;
            self.forgotten = self.forgotten.max(oldest.word);
        }
        let turn = u32::try_from(self.kept.len()).ok();
        let turn = turn.and_then(|kept| self.first.checked_add(kept));
        turn.filter(|turn| *turn < u32::MAX)
            .unwrap_or_else(|| self.count_anew())
    }

    /// Turns have come to their end: all that was noted goes. -> the next turn
    fn count_anew(&mut self) -> u32 {
        let newest = self.kept.drain(..).map(|note| note.word).max();
        self.forgotten = self.forgotten.max(newest.unwrap_or(0));
        for newest in &mut self.newest {
            newest.turn = newest.turn.min(LOST);
        }
        self.first = FIRST;
        FIRST
    }

    fn grow(&mut self) -> bool {
        let more = self.room.max(FIRST_NOTES).min(MAX_NOTES - self.room);
        if more == 0 || !self.totals.grow(more * size_of::<Note>()) {
            return false;
        }
        self.room += more;
        self.kept.reserve_exact(self.room - self.kept.len());
        true
    }

    /// Take over what was noted in a history of the filter that has this seat.
    pub fn take(&mut self, seat: u32, history: u64) -> Taken {
        let mut taken = Taken::default();
        if history < self.history {
            // Its notes are gone with it: nothing is known.
            taken.whole_from = u64::MAX;
            return taken;
        }
        let newest = self.newest.get_mut(seat as usize);
        let Some(newest) = newest.filter(|_| history == self.history) else {
            return taken;
        };
        let mut turn = std::mem::replace(newest, NOTHING).turn;
        while let Some(note) = self.at(turn).and_then(|at| self.kept.get(at)) {
            taken.words.push((note.word, note.passes));
            turn = note.before;
        }
        if turn != NONE {
            taken.whole_from = self.forgotten + 1;
        }
        taken.words.reverse();
        taken
    }
}

#[cfg(test)]
mod tests;
