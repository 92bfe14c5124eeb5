//! Folders of people, lists of pairs, generated faces, and parts of different classes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ss_data::{
    BadImages, ClassSplit, ClassSplitSizes, Error, ImagePair, ImageSet, ImageShape, check_other_people,
    generated_faces, load_class_folders, load_image_pairs, of_classes,
};
use ss_seed::Seed;
use tempfile::tempdir;

use crate::fixtures::{assert_says, png};

const GREY: ImageShape = ImageShape::new(1, 8, 8);

fn write(root: &Path, file: &str, bytes: &[u8]) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A binary PGM of one grey.
fn pgm(width: usize, height: usize, grey: u8) -> Vec<u8> {
    let mut bytes = format!("P5\n{width} {height}\n255\n").into_bytes();
    bytes.extend(vec![grey; width * height]);
    bytes
}

#[test]
fn a_folder_is_a_person() {
    let folder = tempdir().unwrap();
    for (file, grey) in [("s2/1.pgm", 20), ("s1/2.pgm", 12), ("s1/1.pgm", 11), ("s10/1.pgm", 30)] {
        write(folder.path(), file, &pgm(12, 16, grey));
    }
    write(folder.path(), "s1/.DS_Store", b"hidden");
    write(folder.path(), "s1/notes.txt", b"no image");
    write(folder.path(), "README", b"no folder");
    let people = load_class_folders(folder.path(), GREY, BadImages::Refuse).unwrap();
    assert_eq!(people.classes, ["s1", "s10", "s2"]);
    assert_eq!(people.images.labels(), [0, 0, 1, 2]);
    let greys: Vec<u8> = (0..4).map(|i| people.images.image(i)[0]).collect();
    assert_eq!(greys, [11, 12, 30, 20]);
    assert!(people.skipped.is_empty());
    let colour = load_class_folders(folder.path(), ImageShape::new(3, 4, 3), BadImages::Refuse).unwrap();
    assert_eq!((colour.images.shape(), colour.images.image(2)), (ImageShape::new(3, 4, 3), &[30; 36][..]));
}

#[test]
fn bad_images_are_refused_or_left_out_and_named() {
    let folder = tempdir().unwrap();
    let load = |bad| load_class_folders(folder.path(), GREY, bad);
    let missing = load_class_folders(&folder.path().join("nowhere"), GREY, BadImages::Refuse);
    assert_says(missing, &["nowhere", "folder of its own"]);
    write(folder.path(), "a/1.pgm", &pgm(8, 8, 1));
    assert_says(load(BadImages::Refuse), &["number of class folders = 1"]);
    write(folder.path(), "b/1.png", b"not an image");
    assert_says(load(BadImages::Refuse), &["b/1.png", "cannot be decoded"]);
    // With nothing else in its folder there is no person left.
    assert_says(load(BadImages::Skip), &["/b", "is empty"]);
    write(folder.path(), "b/2.png", &png(8, 8, 0));
    let left = load(BadImages::Skip).unwrap();
    assert_eq!(left.images.labels(), [0, 1]);
    assert_eq!(left.skipped.len(), 1);
    assert!(left.skipped[0].path.ends_with("b/1.png") && left.skipped[0].reason.contains("decoded"));
    assert_says(load_class_folders(folder.path(), ImageShape::new(2, 8, 8), BadImages::Skip), &["2x8x8"]);
}

#[test]
fn lists_of_pairs_are_read() {
    let folder = tempdir().unwrap();
    for (file, grey) in [("x/1.pgm", 1), ("x/2.pgm", 2), ("y/1.pgm", 3)] {
        write(folder.path(), file, &pgm(8, 8, grey));
    }
    let list = folder.path().join("pairs.txt");
    let load = |text: &str, bad| {
        fs::write(&list, text).unwrap();
        load_image_pairs(&list, folder.path(), GREY, bad)
    };
    let good = "# people\n\nx/2.pgm x/1.pgm 1 1\nx/2.pgm\ty/1.pgm 0 1\n x/1.pgm y/1.pgm 0 2\n";
    let pairs = load(good, BadImages::Refuse).unwrap();
    let pair = |first, second, same, fold| ImagePair { first, second, same, fold };
    assert_eq!(pairs.pairs, [pair(0, 1, true, 0), pair(0, 2, false, 0), pair(1, 2, false, 1)]);
    // Python 3.11: h = 0xcbf29ce484222325; for n in [0, 1, 1, 0, 0, 2, 0, 0, 1, 2, 0, 1]: h = (h ^ n) * 0x100000001b3 % 2**64
    assert_eq!(pairs.digest(), 0x3850_b1f1_d678_2d01);
    let greys: Vec<u8> = (0..3).map(|i| pairs.images.image(i)[0]).collect();
    assert_eq!(greys, [2, 1, 3]);
    for (bad, line) in [
        ("x/1.pgm x/2.pgm 1", "line 1"),
        ("x/1.pgm x/2.pgm 1 1\nx/1.pgm x/2.pgm yes 1", "line 2"),
        ("# \nx/1.pgm x/2.pgm 1 -1", "line 2"),
        ("x/1.pgm x/2.pgm 1 1000", "line 1"),
    ] {
        assert_says(load(bad, BadImages::Refuse), &["pairs.txt", line, "PATH PATH SAME FOLD"]);
    }
    assert_says(load("", BadImages::Refuse), &["0 pairs", "two folds"]);
    assert_says(load("x/1.pgm x/2.pgm 1 0\nx/1.pgm x/2.pgm 1 2", BadImages::Refuse), &["[0, 2]", "gap"]);
    assert_says(load("x/1.pgm z.pgm 1 0\nx/1.pgm x/2.pgm 1 1", BadImages::Refuse), &["z.pgm", "read"]);
    // A bad image takes its pairs with it.
    write(folder.path(), "x/2.pgm", b"P5");
    assert_says(load(good, BadImages::Refuse), &["x/2.pgm"]);
    let left = load(good, BadImages::Skip).unwrap();
    assert_eq!((left.pairs.as_slice(), left.images.len()), (&[pair(0, 1, false, 1)][..], 2));
    assert_eq!(left.skipped.len(), 1);
    assert_says(
        load_image_pairs(&folder.path().join("none"), folder.path(), GREY, BadImages::Skip),
        &["none"],
    );
}

#[test]
fn people_of_a_list_who_are_in_the_folders_are_named() {
    let folder = tempdir().unwrap();
    let root = folder.path();
    for person in ["ann", "bob", "cid", "dan", "eve", "0"] {
        write(root, &format!("people/{person}/1.pgm"), &pgm(8, 8, 1));
    }
    let people = root.join("people");
    let list = root.join("list.txt");
    let check = |text: &str, below: &Path| {
        fs::write(&list, text).unwrap();
        check_other_people(&list, below, &people)
    };
    let elsewhere = root.join("elsewhere");
    // Folders of videos and names of files are not people; the outer folder that all share is not one.
    check("pat/1.pgm tim/1.pgm 0 0\ntim/0/eve.pgm tim/1.pgm 1 1\n", &elsewhere).unwrap();
    check("eve/pat/1.pgm eve/tim/1.pgm 0 0\neve/tim/2.pgm eve/tim/1.pgm 1 1\n", &elsewhere).unwrap();
    check("1.pgm 2.pgm 0 0\n2.pgm 3.pgm 1 1\n", &elsewhere).unwrap();
    check("", &elsewhere).unwrap();
    // By name, also below a folder that all share.
    for outer in ["", "./", "lfw/"] {
        let text = format!(
            "# faces\n{outer}pat/1.pgm {outer}tim/1.pgm 0 0\n{outer}tim/1.pgm {outer}eve/1.pgm 0 1\n"
        );
        let known = check(&text, &elsewhere);
        assert_says(
            known,
            &["list.txt: ", "/people, found 1 who is there too: eve (line 3); ", "rename a folder"],
        );
    }
    let all = "eve/1.pgm dan/1.pgm 0 0\n\ncid/1.pgm cid/2.pgm 1 1\nbob/1.pgm eve/2.pgm 0 1\n";
    let four = "4 who are there too: dan (line 1), eve (line 1), cid (line 3), ...; ";
    assert_says(check(all, &elsewhere), &[four]);
    // By place, whatever the list calls it.
    write(root, "people/ann/deep/2.pgm", &pgm(8, 8, 2));
    let text = "people/ann/1.pgm people/bob/1.pgm 0 0\npeople/ann/deep/2.pgm list.txt 1 1\n";
    assert_says(check(text, root), &["2 who are there too: ann (line 1), bob (line 1); "]);
    assert_says(check("pat/1.pgm tim/1.pgm\n", root), &["line 1", "PATH PATH SAME FOLD"]);
    assert_says(check_other_people(&root.join("none"), root, &people), &["none"]);
    assert_says(check_other_people(&list, root, &root.join("nowhere")), &["nowhere", "folder of its own"]);
}

#[test]
fn generated_people_repeat_themselves_and_differ() {
    let faces = generated_faces::generate(20, 6, Seed::new(0)).unwrap();
    assert_eq!(faces, generated_faces::generate(20, 6, Seed::new(0)).unwrap());
    assert_ne!(faces, generated_faces::generate(20, 6, Seed::new(1)).unwrap());
    // The first images of the first people do not depend on how many there are.
    assert_eq!(generated_faces::generate(3, 2, Seed::new(0)).unwrap().image(3), faces.image(7));
    let distance = |a: usize, b: usize| -> f64 {
        faces.image(a).iter().zip(faces.image(b)).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum()
    };
    // Images of one person are closer than those of two, on the whole and not always.
    let (mut within, mut between) = (Vec::new(), Vec::new());
    for a in 0..120 {
        for b in a + 1..120 {
            if faces.labels()[a] == faces.labels()[b] { &mut within } else { &mut between }
                .push(distance(a, b));
        }
    }
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    assert!(mean(&within) < 0.7 * mean(&between), "{} {}", mean(&within), mean(&between));
    let nearest = between.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(within.iter().any(|distance| *distance > nearest), "too easy");
    assert!(generated_faces::generate(1, 6, Seed::new(0)).is_err());
    assert!(matches!(generated_faces::generate(3, 0, Seed::new(0)), Err(Error::Empty { .. })));
}

#[test]
fn parts_have_no_class_in_common() {
    let sizes = ClassSplitSizes { validation: 5, test: 10 };
    let mut seen = BTreeSet::new();
    for seed in 0..20 {
        let split = ClassSplit::draw(40, sizes, Seed::new(seed)).unwrap();
        let all: BTreeSet<u32> =
            split.train.iter().chain(&split.validation).chain(&split.test).copied().collect();
        assert_eq!(all, (0..40).collect(), "each class once");
        assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (25, 5, 10));
        assert!(split.train.is_sorted() && split.validation.is_sorted() && split.test.is_sorted());
        seen.insert(split.test);
    }
    assert!(seen.len() > 15, "seeds draw other parts");
    // A part alone may be absent.
    assert!(
        ClassSplit::draw(4, ClassSplitSizes { validation: 2, test: 0 }, Seed::new(0))
            .unwrap()
            .test
            .is_empty()
    );
    let too_few = |classes, validation, test| {
        assert_says(
            ClassSplit::draw(classes, ClassSplitSizes { validation, test }, Seed::new(0)),
            &[&format!("validation {validation} + test {test} of {classes}")],
        );
    };
    too_few(40, 1, 10);
    too_few(40, 5, 1);
    too_few(16, 5, 10);
    too_few(40, usize::MAX, 3);
}

#[test]
fn a_part_numbers_its_classes_anew() {
    let shape = ImageShape::new(1, 1, 1);
    let images = ImageSet::new(shape, 5, vec![10, 11, 12, 13, 14, 15], vec![3, 0, 3, 1, 4, 1]).unwrap();
    let part = of_classes(&images, &[4, 1]).unwrap();
    assert_eq!((part.classes(), part.labels(), part.pixels()), (2, &[1, 0, 1][..], &[13, 14, 15][..]));
    assert_says(of_classes(&images, &[4]), &["[4]", "at least two"]);
    assert_says(of_classes(&images, &[4, 4]), &["[4, 4]", "different"]);
    assert_says(of_classes(&images, &[4, 5]), &["below 5"]);
    assert_says(of_classes(&images, &[4, 2]), &["class 2 is empty"]);
}

#[test]
fn the_faces_of_att_are_read_where_they_are() {
    let folder = PathBuf::from("/work/shared/data/att-faces");
    if !folder.is_dir() {
        println!("skipped: no {}", folder.display());
        return;
    }
    let people = load_class_folders(&folder, ImageShape::new(1, 56, 46), BadImages::Refuse).unwrap();
    assert_eq!((people.images.len(), people.classes.len()), (400, 40));
    assert_eq!(people.images.class_counts(), [10; 40]);
}
