//! Datasets from disk, label noise, splits, and the table files of Swift Sampler.
//!
//! One of the few crates that touch files. Everything that comes out of it is checked once, here: a loaded
//! [`ImageSet`] has as many labels as images, all within range; a [`NumericTable`] that was read holds finite
//! numbers; a file that was written is whole.
//!
//! | to get | use |
//! |---|---|
//! | digits (embedded), Fashion-MNIST, CIFAR-10, CIFAR-100 | [`load`] with a [`DatasetKind`] |
//! | images in class folders | in memory: [`load_image_folder`]; on disk: [`FileDataset`]; of people, without parts: [`load_class_folders`] |
//! | pairs of faces to verify, Omniglot's characters, faces that are made up | [`load_image_pairs`] and [`check_other_people`], [`load_omniglot`], [`generated_faces`] |
//! | parts of different classes | [`ClassSplit`], [`of_classes`] |
//! | training, validation and test parts | [`split`] |
//! | text: words, vocabularies, windows of tokens, windows spoilt at a known rate | [`text`] |
//! | wrong labels at a known rate | [`LabelNoise::apply`]; from a file: [`read_labels`], [`NoisyLabels::from_labels`] |
//! | features of a user's own examples | [`NumericTable::read_parquet`] |
//! | columns that other programs wrote: Parquet, NPY, NPZ, CSV | [`TableInput`] |
//! | datasets in shards, block by block, by several threads | [`Shards`] |
//! | `weights.parquet` | [`Weights`]; block by block: [`WeightsWriter`] |
//! | the order of an epoch as a file | [`write_indices`] |
//! | any artefact, never half-written | [`write_atomically`] |
//! | lines that several processes append | [`JournalFile`] |
//!
//! ```
//! use ss_data::{DatasetKind, LabelNoise, NoiseKind, load, split};
//! use ss_seed::Seed;
//!
//! let seed = Seed::new(0);
//! let parts = split(&load(DatasetKind::Digits, None)?, DatasetKind::Digits.default_split(), seed)?;
//! let noise = LabelNoise::new(NoiseKind::Symmetric, 0.4)?;
//! let noisy = noise.apply(parts.train.labels(), parts.train.classes(), seed.stream("label-noise"))?;
//! let train = parts.train.with_labels(noisy.labels)?;
//! assert_eq!(noisy.realized_rate, 0.4);
//! assert_eq!(train.len(), 1_000);
//! # Ok::<(), ss_data::Error>(())
//! ```
//!
//! Nothing is downloaded: a dataset that is not there gives an error that says what was looked for, where,
//! and how to get it.

mod atomic;
pub mod cifar;
mod class_folders;
mod class_names;
mod class_split;
mod columns;
mod dataset;
mod decoded_image;
pub mod digits;
mod error;
pub mod fashion_mnist;
mod file_dataset;
mod fnv;
pub mod generated_faces;
mod id_check;
mod idx;
mod image_decode;
mod image_files;
mod image_folder;
mod image_folder_writer;
mod image_pairs;
mod image_parquet;
mod image_set;
mod in_order;
mod index_file;
mod journal_file;
mod lock_file;
mod noise;
mod npy;
mod omniglot;
mod other_people;
mod parquet_file;
mod random_share;
mod split;
mod table;
mod table_format;
mod table_input;
mod table_writer;
pub mod text;
mod weights;
mod weights_writer;

pub use atomic::{remove_unfinished_files, write_atomically};
pub use class_folders::{BadImages, ClassFolders, SkippedImage, load_class_folders};
pub use class_split::{ClassSplit, ClassSplitSizes, of_classes};
pub use dataset::{Dataset, DatasetKind, load};
pub use decoded_image::{DecodedImage, PixelBox};
pub use error::{Error, Result};
pub use file_dataset::{FileDataset, FileSplit, OpenFolder};
pub use id_check::IdCheck;
pub use image_files::ImageFiles;
pub use image_folder::load_image_folder;
pub use image_folder_writer::write_image_folder;
pub use image_pairs::{ImagePair, ImagePairs, load_image_pairs};
pub use image_set::{ChannelStatistics, ImageSet, ImageShape};
pub use index_file::{IndexFormat, write_indices, write_indices_to};
pub use journal_file::{JournalFile, LockedJournal};
pub use noise::{LabelNoise, NoiseKind, NoisyLabels, digest_of_labels, read_labels};
pub use omniglot::{Characters, load_omniglot};
pub use other_people::check_other_people;
pub use split::{Split, SplitSizes, split};
pub use table::{ID_COLUMN, NumericTable};
pub use table_format::TableFormat;
pub use table_input::shards::{BLOCK_ROWS, RowBlock, Shards};
pub use table_input::{Kind, Shape, TableInput, Values};
pub use table_writer::NumericTableWriter;
pub use weights::{PROBABILITY_COLUMN, Weights};
pub use weights_writer::{EncodedWeights, WeightsEncoder, WeightsWriter};
