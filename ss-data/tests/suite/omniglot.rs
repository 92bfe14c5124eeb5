//! Omniglot: folders and archives.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use image::{GrayImage, ImageFormat, Luma};
use ss_data::load_omniglot;
use tempfile::tempdir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::fixtures::assert_says;

const FILES: [(&str, u8); 6] = [
    ("Latin/character02/0001_02.png", 4),
    ("Latin/character01/0001_01.png", 2),
    ("Latin/character01/0001_02.png", 3),
    ("Greek/character02/0002_01.png", 1),
    ("Greek/character01/0002_01.png", 0),
    ("Tagalog/character01/0003_01.png", 5),
];

/// A drawing of 4x4 pixels: black ink in the first `ink` ones, white elsewhere.
fn drawing(ink: u8) -> Vec<u8> {
    let picture = GrayImage::from_fn(4, 4, |x, y| Luma([if (4 * y + x) < u32::from(ink) { 0 } else { 255 }]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn archive(path: &Path, files: &[(&str, Vec<u8>)]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    zip.add_directory("part/", SimpleFileOptions::default()).unwrap();
    for (name, bytes) in files {
        zip.start_file(format!("part/{name}"), SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn a_folder_and_an_archive_hold_the_same() {
    let folder = tempdir().unwrap();
    let unpacked = folder.path().join("part");
    for (file, ink) in FILES {
        fs::create_dir_all(unpacked.join(file).parent().unwrap()).unwrap();
        fs::write(unpacked.join(file), drawing(ink)).unwrap();
    }
    fs::write(unpacked.join("Latin/strokes.txt"), b"passed over").unwrap();
    let files: Vec<(&str, Vec<u8>)> = FILES.iter().map(|&(name, ink)| (name, drawing(ink))).collect();
    let packed = folder.path().join("part.zip");
    archive(&packed, &[files.as_slice(), &[("Latin/character01/._0001_01.png", vec![0])]].concat());
    let here = load_omniglot(&unpacked, 4).unwrap();
    let there = load_omniglot(&packed, 4).unwrap();
    assert_eq!((&here.images, &here.names), (&there.images, &there.names));
    let names = [
        "Greek/character01",
        "Greek/character02",
        "Latin/character01",
        "Latin/character02",
        "Tagalog/character01",
    ];
    assert_eq!(here.names, names);
    assert_eq!(here.images.labels(), [0, 1, 2, 2, 3, 4]);
    // Ink is bright, and as much of it as was drawn.
    let ink: Vec<usize> =
        (0..6).map(|i| here.images.image(i).iter().filter(|&&pixel| pixel == 255).count()).collect();
    assert_eq!(ink, [0, 1, 2, 3, 4, 5]);
    let others = here.without_alphabets(&BTreeSet::from(["Latin", "Cyrillic"])).unwrap();
    assert_eq!(others.names, [names[0], names[1], names[4]]);
    assert_eq!((others.images.labels(), others.images.classes()), (&[0, 1, 2][..], 3));
    assert_eq!(others.alphabets(), BTreeSet::from(["Greek", "Tagalog"]));
    assert_says(here.without_alphabets(&BTreeSet::from(["Latin", "Greek"])), &["at least two"]);
}

#[test]
fn bad_archives_are_located() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("part.zip");
    assert_says(load_omniglot(&path, 28), &["part.zip", "brendenlake/omniglot"]);
    fs::write(&path, b"no archive").unwrap();
    assert_says(load_omniglot(&path, 28), &["part.zip", "zip archive"]);
    archive(&path, &[("a/b/1.png", b"no image".to_vec()), ("a/c/1.png", drawing(1))]);
    assert_says(load_omniglot(&path, 28), &["a/b/1.png", "cannot be decoded"]);
    archive(&path, &[("a/b/1.png", drawing(1)), ("a/b/2.png", drawing(1))]);
    assert_says(load_omniglot(&path, 28), &["part.zip", "classes = 1"]);
    archive(&path, &[]);
    assert_says(load_omniglot(&path, 28), &["part.zip", "classes = 0"]);
    assert_says(load_omniglot(&path, 0), &["side = 0"]);
}

#[test]
fn the_published_part_is_read_where_it_is() {
    let path = PathBuf::from("/work/shared/data/omniglot/images_background_small1.zip");
    if !path.is_file() {
        println!("skipped: no {}", path.display());
        return;
    }
    let part = load_omniglot(&path, 28).unwrap();
    assert_eq!(part.alphabets(), BTreeSet::from(["Balinese", "Early_Aramaic", "Greek", "Korean", "Latin"]));
    assert!(part.images.class_counts().iter().all(|count| *count == 20));
    // Ink is a small part of a drawing.
    assert!(part.images.channel_statistics()[0].mean < 0.2);
}
