//! What is true of the product as a whole: its tree, its access rules, its stories and its published description.
#![allow(clippy::unwrap_used)]

mod access;
mod billing_story;
mod cast;
mod contract;
mod description;
mod hosting_story;
mod journeys;
mod licences;
mod tidy;
