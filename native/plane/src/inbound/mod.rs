//! Publishes on their way in: those that are plainly as the protocol says are read where they are checked, and stay together
//! from there to the log and to their answers. Whatever else comes is a message like any other.

#![forbid(unsafe_code)]

mod direct;
mod gathering;
mod grants;
mod parts;
mod pause;
mod publish;
mod run;

pub use direct::Direct;
pub use gathering::Gathering;
pub use grants::{Grant, Grants};
pub use parts::{Answers, Part, Parts};
pub use run::{Item, OwnRun, Run};
