//! Operations from outside: what anybody may ask, and the relay, with the real functions.

#![allow(clippy::unwrap_used)]

mod health;
mod relay;
