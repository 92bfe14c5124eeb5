//! The rivals of Table 1: other ways to train on data of which some labels are wrong.
//!
//! Each method follows its own publication, with the published settings as defaults, and trains the network of a
//! [`Trainer`](ss_approx::Trainer) for as many steps, from the same initial weights and on the same batches as the
//! baseline does. What a method must be told beyond the noisy training set (true labels of a subset, the noise rate)
//! is part of its description, so that a table can show it.

pub mod alignment;
pub mod error;
pub mod mentornet;

pub use error::{Error, Result};
