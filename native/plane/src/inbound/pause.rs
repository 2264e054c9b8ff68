//! When a connection is made to pause for Python. What comes while Python is not done with what came before goes to Python as
//! well, so that a stream without a pause would go there for ever; now and then, reading waits for Python to be done.

use std::time::{Duration, Instant};

/// Messages that go to Python one after the other before it is waited for.
const PASSED: u32 = 256;

/// The same at most, after waiting has won nothing.
const MOST_PASSED: u32 = 65_536;

/// How long Python is waited for.
const PATIENCE: Duration = Duration::from_millis(20);

/// See the module; of one connection.
#[derive(Debug)]
pub struct Pause {
    passed: u32,
    after: u32,
    until: Option<Instant>,
}

impl Default for Pause {
    fn default() -> Self {
        Self {
            passed: 0,
            after: PASSED,
            until: None,
        }
    }
}

impl Pause {
    /// One more message goes to Python.
    pub fn passed(&mut self, now: Instant) {
        self.passed += 1;
        if self.passed >= self.after {
            // Until something is taken here again, the next comes later.
            self.after = (self.after * 2).min(MOST_PASSED);
            self.passed = 0;
            self.until = Some(now + PATIENCE);
        }
    }

    /// Something was taken without Python.
    pub fn taken(&mut self) {
        *self = Self::default();
    }

    /// Python is done with all that has come: whether that was waited for. If not, whoever speaks pauses by himself.
    pub fn caught_up(&mut self) -> bool {
        let was_waited_for = self.end();
        if !was_waited_for {
            *self = Self::default();
        }
        was_waited_for
    }

    /// Until when nothing is read, unless it ends before.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    /// There is nothing to wait for any more; whether something was waited for.
    pub fn end(&mut self) -> bool {
        self.until.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages until the pause begins.
    fn until_it_pauses(pause: &mut Pause, now: Instant) -> u32 {
        let mut count = 0;
        while pause.until(now).is_none() {
            pause.passed(now);
            count += 1;
        }
        count
    }

    /// A pause is short, and pauses that win nothing become rare; one that wins makes them as frequent as they were.
    #[test]
    fn pauses_that_win_nothing_become_rare() {
        let (mut pause, mut now) = (Pause::default(), Instant::now());
        for expected in [256, 512, 1_024] {
            assert_eq!(expected, until_it_pauses(&mut pause, now));
            now += PATIENCE;
            assert_eq!(None, pause.until(now));
        }
        for _ in 0..20 {
            until_it_pauses(&mut pause, now);
            assert!(pause.caught_up());
        }
        assert_eq!(MOST_PASSED, until_it_pauses(&mut pause, now));
        assert!(pause.end());
        pause.taken();
        assert!(!pause.end());
        assert_eq!(PASSED, until_it_pauses(&mut pause, now));
    }

    /// Who says something now and then, so that Python is done each time, is never made to pause.
    #[test]
    fn who_pauses_is_not_made_to() {
        let (mut pause, now) = (Pause::default(), Instant::now());
        for _ in 0..1_000 {
            pause.passed(now);
            assert!(!pause.caught_up());
            assert_eq!(None, pause.until(now));
        }
        assert_eq!(PASSED, until_it_pauses(&mut pause, now));
    }
}
