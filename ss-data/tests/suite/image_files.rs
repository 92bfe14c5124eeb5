//! Images in class folders that stay on disk.

use std::fs;
use std::path::Path;

use image::{ExtendedColorType, ImageFormat};
use ss_data::{
    DatasetKind, FileDataset, OpenFolder, PixelBox, SplitSizes, load, load_image_folder, split,
    write_image_folder,
};
use ss_seed::Seed;
use tempfile::tempdir;

use crate::fixtures::{assert_says, pattern, png};

fn write(root: &Path, file: &str, bytes: &[u8]) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn open(root: &Path) -> ss_data::Result<FileDataset> {
    FileDataset::open(root, OpenFolder::default())
}

fn skipping(root: &Path) -> ss_data::Result<FileDataset> {
    FileDataset::open(root, OpenFolder { skip_bad: true, ..OpenFolder::default() })
}

/// Two classes of three images each, of different sizes, two of them to test on.
fn small(root: &Path) {
    for (i, file) in [
        "train/ant/a.png",
        "train/ant/b.png",
        "train/ant/c.png",
        "train/cat/a.png",
        "train/cat/b.png",
        "train/cat/c.png",
        "val/ant/a.png",
        "val/cat/a.png",
    ]
    .iter()
    .enumerate()
    {
        write(root, file, &png(5 + i as u32, 9, i as u8));
    }
}

#[test]
fn files_keep_their_order_their_sizes_and_their_labels() {
    let folder = tempdir().unwrap();
    small(folder.path());
    let data = open(folder.path()).unwrap();
    assert_eq!(data.train.labels(), [0, 0, 0, 1, 1, 1]);
    assert_eq!(data.train.class_names(), ["ant", "cat"]);
    assert_eq!(data.test.as_ref().unwrap().labels(), [0, 1]);
    assert!(data.skipped.is_empty());
    for i in 0..6 {
        let image = data.train.decode(i).unwrap();
        assert_eq!((image.width(), image.height()), data.train.size(i));
        assert_eq!(data.train.size(i), (9, 5 + i as u32));
        // Red is the row, green the column, blue the file.
        assert_eq!(image.rgb()[3 * (9 * 2 + 4)..][..3], [2, 4, i as u8]);
    }
    let some = data.train.select(&[4, 1]).with_labels(vec![0, 0]).unwrap();
    assert_eq!((some.labels(), some.path(0)), (&[0, 0][..], folder.path().join("train/cat/b.png").as_path()));
    assert_says(data.train.clone().with_labels(vec![0; 5]), &["expected 6 values, found 5"]);
    assert_says(data.train.clone().with_labels(vec![2; 6]), &["label 2 in row 0"]);
}

#[test]
fn a_limit_on_memory_changes_no_pixel() {
    let folder = tempdir().unwrap();
    small(folder.path());
    let limited =
        |memory| FileDataset::open(folder.path(), OpenFolder { memory, ..OpenFolder::default() }).unwrap();
    // Room for everything, for two or three of the images, for nothing.
    let sets = [u64::MAX, 3 * 9 * 13, 0].map(|memory| limited(memory).train);
    for i in [0, 5, 3, 0, 1, 5, 2, 4, 0] {
        let [all, some, none] = &sets;
        assert_eq!(all.decode(i).unwrap(), none.decode(i).unwrap());
        assert_eq!(some.decode(i).unwrap(), none.decode(i).unwrap());
    }
    // What is kept is kept: the file may go. What is not, is read again.
    fs::remove_file(folder.path().join("train/ant/a.png")).unwrap();
    assert!(sets[0].decode(0).is_ok());
    assert!(sets[0].select(&[0]).decode(0).is_ok(), "a selection shares what is kept");
    assert!(sets[1].decode(0).is_ok(), "it came first");
    assert_says(sets[2].decode(0), &["cannot read", "train/ant/a.png"]);
}

#[test]
fn files_that_are_no_images_are_found_when_the_folder_is_opened() {
    let folder = tempdir().unwrap();
    assert_says(open(folder.path()), &["train/<class>"]);
    small(folder.path());
    write(folder.path(), "train/ant/bb.jpg", b"not an image");
    write(folder.path(), "train/cat/0.png", b"neither");
    assert_says(open(folder.path()), &["train/ant/bb.jpg", "cannot be decoded"]);
    let data = skipping(folder.path()).unwrap();
    let skipped: Vec<_> = data.skipped.iter().map(|(path, _)| path.file_name().unwrap()).collect();
    assert_eq!(skipped, ["bb.jpg", "0.png"]);
    assert_eq!(data.train.labels(), [0, 0, 0, 1, 1, 1]);
    for name in ["a", "b", "c"] {
        write(folder.path(), &format!("train/cat/{name}.png"), b"nothing");
    }
    assert_says(skipping(folder.path()), &["train/cat", "what is left of the class folder", "is empty"]);
}

#[test]
fn an_image_whose_pixels_are_bad_is_found_at_once_or_when_it_is_needed() {
    let folder = tempdir().unwrap();
    small(folder.path());
    // A good header, and no more.
    let whole = png(40, 40, 1);
    write(folder.path(), "train/ant/b.png", &whole[..60]);
    let data = open(folder.path()).unwrap();
    assert_eq!(data.train.size(1), (40, 40));
    assert_says(data.train.decode(1), &["train/ant/b.png", "cannot be decoded", "replace the image"]);
    assert!(data.train.decode(2).is_ok());
    let data = skipping(folder.path()).unwrap();
    assert_eq!((data.train.len(), data.skipped.len()), (5, 1));
    // An image that has changed since is not taken for what it was.
    write(folder.path(), "train/cat/a.png", &png(3, 3, 0));
    assert_says(data.train.decode(2), &["train/cat/a.png", "when it was listed, now (3, 3)"]);
}

#[test]
fn sizes_are_read_from_headers_of_any_length() {
    let folder = tempdir().unwrap();
    small(folder.path());
    // A JPEG file with 100 KB of comments before its size.
    let mut jpeg = std::io::Cursor::new(Vec::new());
    let pixels = pattern(3 * 20 * 30);
    image::write_buffer_with_format(&mut jpeg, &pixels, 20, 30, ExtendedColorType::Rgb8, ImageFormat::Jpeg)
        .unwrap();
    let jpeg = jpeg.into_inner();
    let comment: Vec<u8> = [&[0xff, 0xfe, 0xc3, 0x50][..], &[b'x'; 0xc350 - 2]].concat();
    let long = [&jpeg[..2], &comment, &comment, &jpeg[2..]].concat();
    write(folder.path(), "train/ant/d.jpeg", &jpeg);
    write(folder.path(), "train/ant/e.jpg", &long);
    let data = open(folder.path()).unwrap();
    assert_eq!((data.train.size(3), data.train.size(4)), ((20, 30), (20, 30)));
    assert_eq!(data.train.decode(3).unwrap(), data.train.decode(4).unwrap());
}

#[test]
fn parts_are_those_of_the_same_images_in_memory() {
    let folder = tempdir().unwrap();
    let root = folder.path().join("digits");
    let digits = load(DatasetKind::Digits, None).unwrap();
    let names = DatasetKind::Digits.class_names();
    write_image_folder(&root, &digits, names, 300, 0).unwrap();
    // Once is enough.
    write_image_folder(&root, &digits, names, 3, 0).unwrap();
    let (memory, files) = (load_image_folder(&root, 8).unwrap(), open(&root).unwrap());
    assert_eq!(files.train.len(), 300);
    let sizes = SplitSizes { train: Some(150), validation: 50, test: Some(40) };
    let (expected, found) =
        (split(&memory, sizes, Seed::new(7)).unwrap(), files.split(sizes, Seed::new(7)).unwrap());
    assert_eq!((&found.train_ids, &found.validation_ids), (&expected.train_ids, &expected.validation_ids));
    for (found, expected) in [
        (&found.train, &expected.train),
        (&found.validation, &expected.validation),
        (&found.test, &expected.test),
    ] {
        assert_eq!(found.labels(), expected.labels());
        for i in 0..found.len() {
            let image = found.decode(i).unwrap();
            let red: Vec<u8> = image.rgb().iter().step_by(3).copied().collect();
            assert_eq!(red, expected.image(i)[..64]);
        }
    }
    assert_says(files.split(SplitSizes { test: None, ..sizes }, Seed::new(0)), &["test size", "digits"]);
    let names: Vec<&str> = names.iter().rev().copied().collect();
    assert_says(write_image_folder(&folder.path().join("x"), &digits, &names, 9, 0), &["alphabetical"]);
    let names = DatasetKind::Digits.class_names();
    assert_says(write_image_folder(&folder.path().join("x"), &digits, names, 9999, 0), &["at most the 1797"]);
    assert!(!folder.path().join("x").exists(), "all or nothing");
}

#[test]
fn the_digest_tells_folders_apart() {
    let folder = tempdir().unwrap();
    small(folder.path());
    let digest = || open(folder.path()).unwrap().digest();
    let before = digest();
    assert_eq!(before, digest());
    fs::rename(folder.path().join("train/ant/c.png"), folder.path().join("train/ant/d.png")).unwrap();
    assert_ne!(before, digest());
    fs::rename(folder.path().join("train/ant/d.png"), folder.path().join("train/ant/c.png")).unwrap();
    assert_eq!(before, digest());
    write(folder.path(), "val/cat/a.png", &png(12, 10, 7));
    assert_ne!(before, digest());
}

#[test]
fn scaling_agrees_with_pillow() {
    // ss-approx/tests/oracle/random_resized_crop.py (Pillow 13.0, BILINEAR): this picture, two parts of it at other sizes.
    let folder = tempdir().unwrap();
    let pixels: Vec<u8> =
        (0..20_usize).flat_map(|i| (0..3).map(move |c| ((37 * i + 11 * c) % 251) as u8)).collect();
    for file in ["train/a/1.png", "train/b/1.png"] {
        write(folder.path(), file, b"");
        image::save_buffer(folder.path().join(file), &pixels, 5, 4, ExtendedColorType::Rgb8).unwrap();
    }
    let image = open(folder.path()).unwrap().train.decode(0).unwrap();
    assert_eq!(image.rgb(), pixels);
    #[rustfmt::skip]
    let cases: [([u32; 6], &[u8]); 2] = [
        ([1, 0, 3, 4, 2, 3], &[
            78, 89, 100, 77, 88, 99, 156, 167, 178, 124, 135, 67, 124, 135, 146, 170, 181, 145,
        ]),
        ([0, 1, 5, 2, 7, 5], &[
            185, 196, 207, 206, 217, 228, 161, 172, 183, 8, 19, 30, 34, 45, 56, 61, 72, 83, 82, 93, 104,
            178, 189, 200, 199, 210, 221, 162, 173, 184, 26, 37, 48, 52, 63, 57, 69, 80, 76, 75, 86, 97,
            152, 163, 174, 173, 184, 195, 164, 175, 186, 101, 112, 123, 127, 138, 59, 100, 111, 50, 49, 60, 71,
            126, 137, 148, 147, 158, 169, 166, 177, 188, 175, 186, 197, 201, 212, 61, 130, 141, 24, 23, 34, 45,
            119, 130, 141, 140, 151, 162, 167, 178, 189, 193, 204, 215, 219, 230, 62, 138, 149, 17, 16, 27, 38,
        ]),
    ];
    for ([left, top, width, height, columns, rows], expected) in cases {
        let found = image.resized(PixelBox { left, top, width, height }, columns, rows);
        assert_eq!((found.width(), found.height()), (columns, rows));
        for (a, b) in found.rgb().iter().zip(expected) {
            // Both round between their two passes, not in the same order.
            assert!(a.abs_diff(*b) <= 1, "{:?} {expected:?}", found.rgb());
        }
    }
}
