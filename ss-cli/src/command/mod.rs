//! The subcommands of `swift-sampler`: flags and glue.

pub(crate) mod apply;
pub(crate) mod search;
