//! What the classes of the known datasets are called.

use crate::dataset::DatasetKind;

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Xiao, Rasul and Vollgraf, "Fashion-MNIST" (2017), table 2.
const FASHION_MNIST: [&str; 10] =
    ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

/// `batches.meta.txt` of CIFAR-10.
const CIFAR10: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// `fine_label_names.txt` of CIFAR-100.
#[rustfmt::skip]
const CIFAR100: [&str; 100] = [
    "apple", "aquarium fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
    "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
    "lamp", "lawn mower", "leopard", "lion", "lizard", "lobster", "man", "maple tree", "motorcycle", "mountain",
    "mouse", "mushroom", "oak tree", "orange", "orchid", "otter", "palm tree", "pear", "pickup truck", "pine tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
    "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
    "squirrel", "streetcar", "sunflower", "sweet pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow tree", "wolf", "woman", "worm",
];

impl DatasetKind {
    /// The names of the classes, in the order of the labels.
    ///
    /// ```
    /// use ss_data::DatasetKind;
    ///
    /// assert_eq!(DatasetKind::Cifar10.class_names()[3], "cat");
    /// ```
    pub const fn class_names(self) -> &'static [&'static str] {
        match self {
            Self::Digits => &DIGITS,
            Self::FashionMnist => &FASHION_MNIST,
            Self::Cifar10 => &CIFAR10,
            Self::Cifar100 => &CIFAR100,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_those_of_cifar_are_in_alphabetical_order() {
        for kind in DatasetKind::ALL {
            let mut names = kind.class_names().to_vec();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), kind.class_names().len(), "{kind}");
        }
        for kind in [DatasetKind::Cifar10, DatasetKind::Cifar100] {
            assert!(kind.class_names().is_sorted(), "{kind}");
        }
    }
}
