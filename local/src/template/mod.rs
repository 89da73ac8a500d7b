//! The deployment templates, read as CloudFormation and SAM read them.

mod fields;
mod function;
pub mod model;
mod read;
mod resources;
mod scope;
#[cfg(test)]
mod tests;
pub mod yaml;

pub use model::Model;
pub use read::read;
pub use scope::Surroundings;
