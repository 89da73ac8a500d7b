//! Conformance of the embedded AWS endpoint, through the real SDK clients over HTTP.
//!
//! These are the checks by which the emulators were chosen (docs/local-aws.md): they fail when an upgrade of one of
//! them changes what we rely on. No test waits: the clock is moved.

#![allow(clippy::unwrap_used)]

mod durability;
mod dynamodb;
mod dynamodb_items;
mod dynamodb_limits;
mod dynamodb_streams;
mod ec2;
mod events;
mod faults;
mod figures;
mod rights;
mod route53;
mod s3;
mod secrets;
mod served;
mod ses;
mod sqs;
mod sqs_fifo;
mod sts;
