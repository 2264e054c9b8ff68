//! What a store does to the log of a node.

use serde_json::Value;

use crate::entry::NewEntry;
use crate::shard::rig::keyed;
use crate::shard::world::World;

impl World {
    /// The log stands elsewhere; the store has `missing` entries before there that were never in the log.
    pub fn begin(&mut self, log: u64, elsewhere: bool, missing: usize, restore: Option<bool>) {
        if elsewhere {
            let name = format!("epoch{}", self.history.len());
            self.epochs.get_mut(&log).unwrap().push(name.clone());
            self.history.insert((log, name), Vec::new());
        }
        self.make(log, &vec![60 + missing; missing], 0);
        let epoch = self.epochs[&log].last().unwrap().clone();
        let head = self.history[&(log, epoch.clone())].len() as u64;
        self.rig.begin(log, &epoch, head);
        self.began.insert((log, epoch));
        if restore == Some(true) {
            self.restore(log);
        }
        self.unrestored = Some(log).filter(|_| restore == Some(false));
        self.unheard = Some(log);
    }

    /// The log takes up the newest entry of each key that its store has.
    pub fn restore(&mut self, log: u64) {
        let history = &self.history[&(log, self.rig.epoch(log))];
        let placed = (1_u64..).zip(history);
        let newest = |offset: u64, key: &str| {
            let newer = &history[usize::try_from(offset).unwrap()..];
            newer.iter().all(|(other, _)| other != key)
        };
        let newest: Vec<(u64, NewEntry)> = placed
            .filter(|(offset, (key, _))| newest(*offset, key))
            .map(|(offset, (key, data))| (offset, keyed(key, &Value::to_string(data))))
            .collect();
        self.rig.restore(log, &newest);
        self.rig.tell(log);
    }
}
