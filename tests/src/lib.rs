//! What the whole-product tests know of the product: its tree, its templates, its functions and its events.

pub mod catalog;
pub mod events;
pub mod pages;
pub mod tree;
