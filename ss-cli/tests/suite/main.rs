//! The binary `swift-sampler` from outside: files in, files out, and what it says about bad input.

// clippy.toml allows unwrap in functions marked #[test]; the fixtures around them are tests too.
#![allow(clippy::unwrap_used)]

mod apply;
mod bad_datasets;
mod bad_features;
mod bad_flags;
mod bad_samplers;
mod command;
mod devices;
mod draw;
mod embeddings;
mod external_study;
mod features;
mod finalists;
mod fixtures;
mod image_files;
mod inspect;
mod optuna;
mod out_of_core;
mod pytorch;
mod resume;
mod search;
mod stopping;
mod study;
mod study_folder;
mod text;
