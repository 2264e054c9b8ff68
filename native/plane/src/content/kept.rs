//! Decoded payloads that are held a while: filters look into one just before views are sent it (F10, B9).

use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes that are held at most.
const MOST: usize = 1 << 20;

/// The newest that were decoded.
#[derive(Debug, Default)]
pub struct Kept {
    all: VecDeque<Arc<Vec<u8>>>,
    bytes: usize,
}

impl Kept {
    /// Hold one more, instead of the oldest.
    pub fn keep(&mut self, decoded: Arc<Vec<u8>>) {
        let newest = self.all.back();
        if newest.is_some_and(|newest| Arc::ptr_eq(newest, &decoded)) || decoded.len() > MOST {
            return;
        }
        self.bytes += decoded.len();
        self.all.push_back(decoded);
        while self.bytes > MOST {
            let oldest = self.all.pop_front();
            self.bytes -= oldest.map_or(self.bytes, |oldest| oldest.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The newest are held, within the bound, each once; what is larger than all of it is not.
    #[test]
    fn the_newest_are_held() {
        let mut kept = Kept::default();
        let all: Vec<_> = (0..5).map(|_| Arc::new(vec![0; MOST / 4])).collect();
        for one in &all {
            kept.keep(Arc::clone(one));
            kept.keep(Arc::clone(one));
            assert!(kept.bytes <= MOST);
        }
        kept.keep(Arc::new(vec![0; MOST + 1]));
        let held: Vec<_> = all.iter().map(Arc::strong_count).collect();
        assert_eq!(vec![1, 2, 2, 2, 2], held);
    }
}
