//! The fast approximation of Swift Sampler: train, share a start, fine-tune, score.
//!
//! Judging a sampler by a full training run is what makes learning one expensive. This crate judges it by a
//! short fine-tuning run instead (`docs/method.md` 4):
//!
//! 1. [`UniformRun`]: one ordinary training run. It yields the *reference*
//!    checkpoint, early, where features are read, and the [`SharedStart`], in the middle, from which every
//!    candidate starts.
//! 2. [`SharedStart::trial`]: restore the start, train a fraction of an epoch or a few under the candidate
//!    weights with the learning rate falling to zero, and score the validation set ([`Score`]). All
//!    candidates see the same random numbers.
//! 3. [`Session::train`]: the final training under the best sampler, with its weights fixed or re-read from
//!    fresh features ([`Sampling`]).
//!
//! | module | content |
//! |---|---|
//! | [`device`], [`device_choice`] | the CPU on kernels of ours, or any device of candle with the images on it |
//! | [`examples`] | [`Examples`]: what a task brings, the instances that are trained on or judged by |
//! | [`image_examples`] | labelled images with their normalisation; assembling augmented batches |
//! | [`file_examples`] | labelled images on disk, decoded by other threads ahead of the trainer |
//! | [`random_resized_crop`] | crops of any size and place |
//! | `token_windows` | windows of text |
//! | [`embedded_images`] | images of classes that training has not seen, to validate and to test on |
//! | [`augment`] | crops and flips keyed by (epoch, example, copy) |
//! | [`schedule`] | the learning rate over a run |
//! | [`sampling`] | where an epoch's weights come from: uniform, fixed, re-read |
//! | [`objective`] | what a step minimises: the mean cross-entropy, or a method's own loss |
//! | [`trainer`] | [`Trainer`], [`Session`]: epochs of SGD on one network |
//! | [`predictions`] | scores and features of a set of instances: of images ([`class_predictions`]), of text ([`window_predictions`]), embeddings ([`embedding_predictions`]) |
//! | [`embeddings`] | unit vectors and their cosines |
//! | [`verification`] | pairs of images: thresholds, accuracy by folds, true against false acceptance |
//! | [`nearest_centroid`], [`episodes`] | recognition by the nearest centroid: leave-one-out, N-way K-shot episodes |
//! | [`score`] | the score P on validation data |
//! | [`full_run`] | one training from scratch, watched on validation data |
//! | [`uniform_run`] | the baseline run and its two checkpoints |
//! | [`shared_start`] | fine-tuning trials |

mod ahead;
pub mod augment;
pub mod class_predictions;
pub mod config;
pub mod device;
pub mod device_choice;
pub mod embedded_images;
pub mod embedding_predictions;
pub mod embeddings;
pub mod episodes;
mod epoch_loss;
pub mod error;
pub mod examples;
pub mod file_examples;
pub mod full_run;
pub mod image_examples;
pub mod nearest_centroid;
pub mod objective;
pub mod optimiser;
pub mod predictions;
pub mod random_resized_crop;
#[cfg(feature = "cuda")]
mod recorded;
mod resident;
pub mod sampling;
pub mod schedule;
pub mod score;
pub mod shared_start;
mod steps;
mod token_windows;
pub mod trainer;
pub mod uniform_run;
pub mod verification;
pub mod window_predictions;

pub use augment::Augmentation;
pub use class_predictions::ClassPredictions;
pub use config::{TrainConfig, TrainSettings};
pub use device::{Device, Precision};
pub use device_choice::{DeviceChoice, Opened};
pub use embedded_images::EmbeddedImages;
pub use embedding_predictions::{EmbeddingPredictions, Truth};
pub use embeddings::Embeddings;
pub use episodes::{EpisodeAccuracy, Episodes};
pub use error::{Error, Result};
pub use examples::{Batches, Examples};
pub use file_examples::{FileExamples, View};
pub use full_run::FullRun;
pub use image_examples::ImageExamples;
pub use objective::{Batch, CrossEntropy, Objective};
pub use optimiser::{Optimiser, OptimiserKind};
pub use predictions::Predictions;
pub use random_resized_crop::RandomResizedCrop;
pub use sampling::{Refresh, Sampling};
pub use schedule::LearningRate;
pub use score::Score;
pub use shared_start::{SharedStart, TrialResult, Watch, WatchedTrial};
pub use trainer::{Checkpoint, EpochReport, Session, Trainer};
pub use uniform_run::{UniformRun, UniformRunConfig};
pub use window_predictions::WindowPredictions;
