//! A feature of one's own: rows whose neighbours carry another label.

use crate::table::Rows;

/// Share of the `k` nearest other rows (Euclidean distance) that carry another label, `[n]`.
pub(crate) fn other_labels_near(rows: &Rows, k: usize) -> Vec<f32> {
    let distance = |i: usize, j: usize| -> f32 {
        rows.row(i).iter().zip(rows.row(j)).map(|(a, b)| (a - b).powi(2)).sum()
    };
    let of_row = |i: usize| {
        let mut others: Vec<usize> = (0..rows.len()).filter(|&j| j != i).collect();
        others.sort_by(|&a, &b| distance(i, a).total_cmp(&distance(i, b)));
        let near = &others[..k];
        near.iter().filter(|&&j| rows.labels[j] != rows.labels[i]).count() as f32 / k as f32
    };
    (0..rows.len()).map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::WIDTH;

    #[test]
    fn the_odd_one_of_a_cluster_stands_out() {
        let inputs = (0..6).flat_map(|i| [if i < 3 { 0.0 } else { 9.0 } + 0.1 * i as f32; WIDTH]).collect();
        let rows = Rows { inputs, labels: vec![0, 0, 1, 1, 1, 1] };
        assert_eq!(other_labels_near(&rows, 2), [0.5, 0.5, 1.0, 0.0, 0.0, 0.0]);
    }
}
