//! Connections by their numbers, for those who are not their I/O thread.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::figures::ConnectionFigures;
use crate::pipe::Pipe;
use crate::story::Ended;

/// Virtual connections that have ended and whose last output was never taken.
const ENDED: usize = 1_024;

/// What others may reach of a connection.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Its figures.
    pub figures: Arc<ConnectionFigures>,
    /// Its pipe, if it is virtual.
    pub pipe: Option<Arc<Pipe>>,
}

/// All connections that have not ended, and the ended ones that have output left.
#[derive(Debug, Default)]
pub struct Directory(Mutex<Listed>);

#[derive(Debug, Default)]
struct Listed {
    handles: HashMap<u64, Handle>,
    ended: VecDeque<u64>,
    stories: Ended,
}

impl Directory {
    /// No connections; of those that will have ended at most so many are remembered, for so long.
    pub fn remembering(most: usize, keep: Duration) -> Self {
        Self(Mutex::new(Listed {
            stories: Ended::new(most, keep),
            ..Listed::default()
        }))
    }

    fn listed(&self) -> MutexGuard<'_, Listed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection comes.
    pub fn add(&self, conn: u64, handle: Handle) {
        self.listed().handles.insert(conn, handle);
    }

    /// A connection, if it is there.
    pub fn find(&self, conn: u64) -> Option<Handle> {
        self.listed().handles.get(&conn).cloned()
    }

    /// A connection has ended; a pipe that still holds output stays until it was taken.
    pub fn end(&self, conn: u64) {
        let mut listed = self.listed();
        let handle = listed.handles.get(&conn).cloned();
        if let Some(handle) = &handle {
            let figures = Arc::clone(&handle.figures);
            listed.stories.add(conn, figures, Instant::now());
        }
        let pipe = handle.and_then(|handle| handle.pipe);
        if pipe.is_none_or(|pipe| pipe.end()) {
            listed.handles.remove(&conn);
            return;
        }
        listed.ended.push_back(conn);
        if listed.ended.len() > ENDED
            && let Some(oldest) = listed.ended.pop_front()
        {
            listed.handles.remove(&oldest);
        }
    }

    /// Figures of a connection that is there, or has ended and is remembered.
    pub fn remembered(&self, conn: u64) -> Option<Arc<ConnectionFigures>> {
        let mut listed = self.listed();
        listed.stories.sweep(Instant::now());
        let open = listed.handles.get(&conn);
        let open = open.map(|handle| Arc::clone(&handle.figures));
        open.or_else(|| listed.stories.find(conn))
    }

    /// How many ended connections are remembered, and the bytes of their stories.
    pub fn remembers(&self) -> (usize, usize) {
        let mut listed = self.listed();
        listed.stories.sweep(Instant::now());
        listed.stories.size()
    }

    /// The last output of an ended connection was taken.
    pub fn forget(&self, conn: u64) {
        let mut listed = self.listed();
        listed.handles.remove(&conn);
        listed.ended.retain(|ended| *ended != conn);
    }
}
