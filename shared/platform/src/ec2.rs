//! A thin client of EC2's Query API: the few operations that hosting needs.
//!
//! The SDK's EC2 crate takes minutes and seven gigabytes to compile (`docs/decisions/0003`). The protocol is a signed form and an
//! answer in XML.
