//! The public behaviour of ss-data: real files in temporary folders, good and broken.

// clippy.toml allows unwrap in functions marked #[test]; the fixtures around them are tests too.
#![allow(clippy::unwrap_used)]

mod artefacts;
mod cifar;
mod faces;
mod fashion_mnist;
mod fixtures;
mod image_files;
mod image_folder;
mod image_sets;
mod journal_file;
mod noise;
mod omniglot;
mod published;
mod shards;
mod split;
mod table_input;
mod tables;
mod text;
