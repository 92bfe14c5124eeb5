//! Whose centroid is nearest, when an image does not count for its own.

use crate::Result;
use crate::embeddings::{Embeddings, dot};
use crate::verification::check_sizes;

/// For every image, how many classes come before its own when classes are ordered by the cosine between the image and their
/// centroids, the largest first. The centroid of a class is the mean of the unit embeddings of its images, the image itself left out; of
/// equally near ones the lower class comes first. An image of rank 0 is recognised.
///
/// `labels` are the classes of the rows of `embeddings`.
///
/// # Errors
/// [`Error::TooFewImages`](crate::Error::TooFewImages) for a class with one image, which has no other to be compared with,
/// [`Error::TooFewClasses`](crate::Error::TooFewClasses) for a single class.
pub fn leave_one_out_ranks(embeddings: &Embeddings, labels: &[u32]) -> Result<Vec<usize>> {
    check_sizes(labels, 2, 2, "a centroid of the other images of each class")?;
    let mut classes = labels.to_vec();
    classes.sort_unstable();
    classes.dedup();
    let place_of = |label: u32| classes.partition_point(|&class| class < label);
    let mut sums = vec![vec![0.0; embeddings.dim()]; classes.len()];
    for (i, &label) in labels.iter().enumerate() {
        for (sum, value) in sums[place_of(label)].iter_mut().zip(embeddings.row(i)) {
            *sum += value;
        }
    }
    let lengths: Vec<f64> = sums.iter().map(|sum| dot(sum, sum).sqrt()).collect();
    Ok(labels
        .iter()
        .enumerate()
        .map(|(i, &label)| {
            let (row, own) = (embeddings.row(i), place_of(label));
            let others: Vec<f64> = sums[own].iter().zip(row).map(|(sum, value)| sum - value).collect();
            let nearness = cosine(row, &others, dot(&others, &others).sqrt());
            let ahead = |class: usize| {
                let other = cosine(row, &sums[class], lengths[class]);
                other > nearness || (other == nearness && class < own)
            };
            (0..classes.len()).filter(|&class| class != own && ahead(class)).count()
        })
        .collect())
}

/// Of a unit vector and a vector of this length; 0 for one of no length.
fn cosine(unit: &[f64], vector: &[f64], length: f64) -> f64 {
    if length > 0.0 { dot(unit, vector) / length } else { 0.0 }
}
