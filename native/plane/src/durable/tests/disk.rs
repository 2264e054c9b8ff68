//! A disk in memory that fails at a call that the test says, and forgets at a loss of power what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::durable::disk::{Disk, File};

/// Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    synced_names: BTreeMap<PathBuf, usize>,
    /// Directories that were renamed since the one above them was synced.
    moves: Vec<(PathBuf, PathBuf)>,
    /// Directories that were made and not synced with the one above them.
    fresh_dirs: BTreeSet<PathBuf>,
    calls: usize,
    /// From this call on nothing works any more; a write that is under way leaves so many of its bytes.
    dies_at: Option<(usize, usize)>,
    holds: bool,
    fails_syncs: bool,
    /// Bytes that there is room for.
    room: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Debug)]
struct Handle {
    disk: Memory,
    inode: usize,
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Work for so many more calls; the next write leaves `part` of its bytes, and everything after it fails.
    pub fn die_after(&self, calls: usize, part: usize) {
        let mut state = self.state();
        state.dies_at = Some((state.calls + calls, part));
    }

    /// Room for so many more bytes.
    pub fn fill(&self, room: Option<usize>) {
        self.state().room = room;
    }

    /// The process is killed: what was written stays.
    pub fn after_kill(&self) -> Self {
        let mut state = self.state().clone();
        (state.dies_at, state.room) = (None, None);
        (state.holds, state.fails_syncs) = (false, false);
        Self(Arc::new(Mutex::new(state)))
    }

    /// The power goes: of names, what was synced or (`keeps_names`) all; of each file, what was synced and `part`/4 of what was
    /// written behind that, or `torn` zeros in the place of it.
    pub fn after_power_loss(&self, keeps_names: bool, part: usize, zeros: bool) -> Self {
        let mut state = self.state().clone();
        (state.dies_at, state.room) = (None, None);
        (state.holds, state.fails_syncs) = (false, false);
        if !keeps_names {
            state.names = state.synced_names.clone();
            let lost = std::mem::take(&mut state.fresh_dirs);
            let is_lost = |path: &PathBuf| path.parent().is_some_and(|dir| lost.contains(dir));
            state.names.retain(|path, _| !is_lost(path));
        }
        for inode in &mut state.inodes {
            let Some(behind) = inode.bytes.strip_prefix(&inode.synced[..]) else {
                // Overwritten in place: the kernel may have written it by itself.
                if part < 3 || inode.bytes.len() != inode.synced.len() {
                    inode.bytes = inode.synced.clone();
                }
                continue;
            };
            let left = behind.len() * part / 4;
            let mut kept = behind[..left].to_vec();
            if zeros {
                kept.resize(behind.len(), 0);
            }
            inode.bytes = [&inode.synced[..], &kept].concat();
        }
        for inode in &mut state.inodes {
            inode.synced = inode.bytes.clone();
        }
        state.synced_names = state.names.clone();
        state.moves.clear();
        Self(Arc::new(Mutex::new(state)))
    }

    /// The kernel writes one of the files back by itself: what is in it survives a loss of power, if its name does.
    pub fn write_back(&self, number: usize) {
        let mut state = self.state();
        let count = state.inodes.len().max(1);
        if let Some(inode) = state.inodes.get_mut(number % count) {
            inode.synced = inode.bytes.clone();
        }
    }

    /// From now on files cannot be removed, or can be again.
    pub fn hold(&self, holds: bool) {
        self.state().holds = holds;
    }

    /// From now on nothing can be synced, or can be again.
    pub fn fail_syncs(&self, fails: bool) {
        self.state().fails_syncs = fails;
    }

    /// Put a copy of a file in its place.
    pub fn copy(&self, path: &Path) {
        let mut state = self.state();
        let copy = state.inodes[state.names[path]].clone();
        state.inodes.push(copy);
        let inode = state.inodes.len() - 1;
        state.names.insert(path.to_owned(), inode);
    }

    /// Change the bytes of a file behind everybody's back.
    pub fn change(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let inode = state.names[path];
        change(&mut state.inodes[inode].bytes);
    }
}

/// A directory is renamed.
fn move_names(names: &mut BTreeMap<PathBuf, usize>, from: &Path, to: &Path) {
    let is_there = |path: &PathBuf| path.parent() == Some(from);
    let moved: Vec<PathBuf> = names
        .keys()
        .filter(|path| is_there(path))
        .cloned()
        .collect();
    for path in moved {
        let inode = names.remove(&path).unwrap();
        names.insert(to.join(path.file_name().unwrap()), inode);
    }
}

impl State {
    /// One call; how many bytes of `len` it may write before it fails, if it does.
    fn call(&mut self, len: usize) -> Result<(), (usize, io::Error)> {
        self.calls += 1;
        if let Some((at, part)) = self.dies_at
            && self.calls > at
        {
            let left = if self.calls == at + 1 {
                part.min(len)
            } else {
                0
            };
            return Err((left, io::Error::other("the process is dead")));
        }
        if let Some(room) = &mut self.room {
            if *room < len {
                let left = std::mem::take(room);
                return Err((left, io::ErrorKind::StorageFull.into()));
            }
            *room -= len;
        }
        Ok(())
    }

    fn step(&mut self) -> io::Result<()> {
        self.call(0).map_err(|(_, error)| error)
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        let found = self.names.get(path).copied();
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl File for Handle {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let (written, outcome) = match state.call(bytes.len()) {
            Ok(()) => (bytes.len(), Ok(())),
            Err((left, error)) => (left, Err(error)),
        };
        state.inodes[self.inode]
            .bytes
            .extend_from_slice(&bytes[..written]);
        outcome
    }

    fn overwrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        // What is there has its room, and one call within a page is not cut short by a kill.
        state.step()?;
        state.inodes[self.inode].bytes[..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step()?;
        let len = usize::try_from(len).unwrap();
        state.inodes[self.inode].bytes.truncate(len);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step()?;
        if state.fails_syncs {
            return Err(io::Error::other("nothing can be synced"));
        }
        let inode = &mut state.inodes[self.inode];
        inode.synced = inode.bytes.clone();
        Ok(())
    }
}

impl Disk for Memory {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        if !state.names.keys().any(|path| path.parent() == Some(dir)) {
            state.fresh_dirs.insert(dir.to_owned());
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let here = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(here
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        Ok(state.inodes[state.inode(path)?].bytes.clone())
    }

    fn born(&self, path: &Path) -> io::Result<u64> {
        Ok(self.state().inode(path)? as u64 + 1)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut state = self.state();
        state.step()?;
        state.inodes.push(Inode::default());
        let inode = state.inodes.len() - 1;
        state.names.insert(path.to_owned(), inode);
        Ok(Box::new(Handle {
            disk: self.clone(),
            inode,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let inode = self.state().inode(path)?;
        Ok(Box::new(Handle {
            disk: self.clone(),
            inode,
        }))
    }

    fn open_fixed(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        if !state.names.contains_key(from) {
            assert!(!state.names.keys().any(|path| path.parent() == Some(to)));
            move_names(&mut state.names, from, to);
            if state.fresh_dirs.remove(from) {
                state.fresh_dirs.insert(to.to_owned());
            }
            state.moves.push((from.to_owned(), to.to_owned()));
            return Ok(());
        }
        let inode = state.inode(from)?;
        state.names.remove(from);
        state.names.insert(to.to_owned(), inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.inode(path)?;
        if state.holds {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        state.names.remove(path);
        Ok(())
    }

    fn remove_tree(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        if state.holds {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        state.names.retain(|path, _| path.parent() != Some(dir));
        Ok(())
    }

    fn remove_dir(&self, _dir: &Path) -> io::Result<()> {
        self.state().step()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.fresh_dirs.retain(|path| path.parent() != Some(dir));
        for (from, to) in std::mem::take(&mut state.moves) {
            if to.parent() == Some(dir) {
                state
                    .synced_names
                    .retain(|path, _| path.parent() != Some(&to));
                move_names(&mut state.synced_names, &from, &to);
            } else {
                state.moves.push((from, to));
            }
        }
        let is_here = |path: &PathBuf| path.parent() == Some(dir);
        let now = state
            .names
            .clone()
            .into_iter()
            .filter(|(path, _)| is_here(path));
        let now: BTreeMap<_, _> = now.collect();
        state.synced_names.retain(|path, _| !is_here(path));
        state.synced_names.extend(now);
        Ok(())
    }
}
