//! The subcommands of `swift-sampler`: flags and glue.

pub(crate) mod apply;
pub(crate) mod draw;
pub(crate) mod features;
mod input;
pub(crate) mod inspect;
pub(crate) mod search;
pub(crate) mod sketch;
pub(crate) mod study;
