//! Images in class folders.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};
use ss_data::{Dataset, SplitSizes};
use ss_data::{Error, ImageShape, load_image_folder, split};
use ss_seed::Seed;
use tempfile::tempdir;

use crate::fixtures::{assert_says, png};

fn write(root: &Path, file: &str, bytes: &[u8]) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn classes_and_images_come_in_order_of_name() {
    let folder = tempdir().unwrap();
    for (i, file) in
        ["train/cat/b.png", "train/cat/a.PNG", "train/ant/x.png", "val/cat/1.png"].iter().enumerate()
    {
        write(folder.path(), file, &png(8, 8, i as u8));
    }
    write(folder.path(), "train/cat/notes.txt", b"no image");
    write(folder.path(), "train/.cache/z.png", b"hidden");
    let data = load_image_folder(folder.path(), 8).unwrap();
    assert_eq!(data.train.labels(), [0, 1, 1]);
    assert_eq!(data.train.shape(), ImageShape::new(3, 8, 8));
    // The blue plane tells which file it was.
    let blue: Vec<u8> = (0..3).map(|i| data.train.image(i)[2 * 64]).collect();
    assert_eq!(blue, [2, 1, 0]);
    assert_eq!(data.test.unwrap().labels(), [1]);
}

#[test]
fn images_are_scaled_to_cover_and_cropped_about_the_centre() {
    let folder = tempdir().unwrap();
    // Left quarter black, middle half grey, right quarter white: the middle is what a centre crop keeps.
    let wide = GrayImage::from_fn(64, 32, |x, _| {
        Luma([if x < 16 {
            0
        } else if x < 48 {
            100
        } else {
            255
        }])
    });
    for class in ["a", "b"] {
        fs::create_dir_all(folder.path().join("train").join(class)).unwrap();
        wide.save(folder.path().join("train").join(class).join("wide.pgm")).unwrap();
    }
    let data = load_image_folder(folder.path(), 8).unwrap();
    assert!(data.test.is_none());
    for pixels in data.train.image(0).chunks_exact(8) {
        assert!(pixels[1..7].iter().all(|&p| p == 100), "{pixels:?}");
    }
}

#[test]
fn bad_folders_are_located() {
    let folder = tempdir().unwrap();
    let load = || load_image_folder(folder.path(), 8);
    assert_says(load(), &["train/<class>", &folder.path().display().to_string(), "folder of its own"]);
    write(folder.path(), "train/a/1.png", &png(8, 8, 0));
    assert_says(load(), &["number of class folders = 1", "at least two", "train"]);
    fs::create_dir_all(folder.path().join("train/b")).unwrap();
    assert_says(load(), &["train/b", "is empty"]);
    write(folder.path(), "train/b/2.jpg", b"not an image");
    assert_says(load(), &["2.jpg", "cannot be decoded"]);
    write(folder.path(), "train/b/2.jpg", &png(8, 8, 0));
    assert!(load().is_ok(), "the content decides, not the name");
    assert_says(load_image_folder(folder.path(), 0), &["3x0x0", "at least one"]);
    write(folder.path(), "test/c/1.png", &png(8, 8, 0));
    assert_says(load(), &["test/c", "class folder of train", "`c`"]);
}

#[test]
fn one_class_in_the_training_part_is_refused() {
    let folder = tempdir().unwrap();
    for i in 0..30 {
        write(folder.path(), &format!("train/a/{i}.png"), &png(2, 2, i));
    }
    write(folder.path(), "train/b/0.png", &png(2, 2, 0));
    let data: Dataset = load_image_folder(folder.path(), 2).unwrap();
    let sizes = SplitSizes { train: Some(5), validation: 5, test: Some(5) };
    let refused = split(&data, sizes, Seed::new(0)).unwrap_err();
    assert!(matches!(&refused, Error::SingleClass { class: 0, count: 5, .. }), "{refused}");
    assert!(refused.to_string().contains("part has one class only (class 0, 5 examples)"));
}
