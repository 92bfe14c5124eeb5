//! The Swift Sampler pipeline: everything between a dataset on disk and a learned sampler.
//!
//! The other crates are pure; this one composes them, reads and writes files and measures time. The binary
//! `swift-sampler` and the reproduction tasks of `xtask` are thin layers over it.
//!
//! | module | content |
//! |---|---|
//! | [`recipe`] | networks, schedules and search budgets for each known dataset |
//! | [`experiment`] | a dataset, split, with its label noise; text with spoilt windows; images tested on classes of their own |
//! | [`folder_experiment`] | images that stay on disk, or crops of them |
//! | [`noise_source`] | wrong labels, made at a rate or read from a file |
//! | [`from_logits`] | features from the logits of a network that was trained elsewhere |
//! | [`search`] | the outer loop: propose a rule, try it from the shared start, learn |
//! | [`study`] | one process's part in a study that is recorded in a journal |
//! | [`external_study`] | a study whose trials other programs run: ask, tell, and the choice at the end |
//! | [`interruption`] | what is left to do when a signal ends the program |
//! | [`inspect`] | what a sampler, a study or weights say, in words and drawings of characters |
//! | [`selection`] | which tried rule is worth using, uniform sampling included |
//! | [`method`] | baseline, oracle and Swift Sampler as complete training methods |
//! | [`scoring`] | weights for datasets of any size, by the passes of a sketch |
//! | [`picture`] | a learned sampler, its search and a table as SVG drawings |
//! | [`report`] | one self-contained page a run |
//! | [`provenance`] | command, source, packages and machine |
//! | [`artifact`] | `sampler.json`, `weights.parquet`, `features.parquet` and the summary in words |
//! | [`progress`] | bars on a terminal, lines elsewhere |

pub mod artifact;
mod candidates;
pub mod device_flags;
pub mod error;
pub mod experiment;
pub mod external_study;
pub mod folder_experiment;
pub mod from_logits;
pub mod inspect;
pub mod interruption;
pub mod method;
pub mod noise_source;
pub mod picture;
pub mod progress;
pub mod provenance;
pub mod recipe;
pub mod report;
mod rule_space;
pub mod scoring;
pub mod search;
pub mod selection;
pub mod study;

pub use device_flags::DeviceFlags;
pub use error::{Error, Result};
pub use experiment::{
    EmbeddingExperiment, Experiment, ExperimentConfig, TestImages, TextExperiment, ValidationLabels,
};
pub use folder_experiment::{FolderExperiment, FolderParts};
pub use method::{EmbeddingProtocol, Method, MethodResult, Perplexity, Setup};
pub use noise_source::{AnnotatedLabels, NoiseSource};
pub use recipe::Recipe;
pub use search::{Pruning, SearchConfig, SearchJournal, SearchOutcome, TrialRecord};

/// The example of the README compiles and holds.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
