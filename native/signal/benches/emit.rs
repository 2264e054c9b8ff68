//! Emits on a full window: `cargo bench -p ng-signal`.

fn main() {}
