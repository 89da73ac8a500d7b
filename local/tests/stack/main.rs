//! The stack itself, seen through real functions: the front door, processes, deliveries, time, restarts.

#![allow(clippy::unwrap_used)]

mod ending;
mod front_door;
mod functions;
mod time;
