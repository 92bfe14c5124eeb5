//! Examples counted in the cells of a plane of two features.

use serde::Serialize;

/// Share of the examples whose values lie within an axis; the rest fall into its last cell.
const WITHIN: f64 = 0.995;

/// Equal cells from the smallest value of a feature to its 99.5% quantile.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) cells: usize,
}

impl Axis {
    /// The axis of finite `values`, at least one, in `cells` cells.
    pub(super) fn of(values: &[f32], cells: usize) -> Self {
        let mut sorted: Vec<f32> = values.to_vec();
        sorted.sort_by(f32::total_cmp);
        let last = sorted.len() - 1;
        let low = f64::from(sorted[0]);
        let high = f64::from(sorted[(WITHIN * last as f64).ceil() as usize]);
        // A constant feature still needs a width.
        Self { low, high: if high > low { high } else { low + 1.0 }, cells }
    }

    fn cell(&self, value: f32) -> usize {
        let share = (f64::from(value) - self.low) / (self.high - self.low);
        ((share * self.cells as f64) as usize).min(self.cells - 1)
    }

    /// The lower end of cell `i`; the upper end of the last one is that of `cells`.
    pub(super) fn edge(&self, i: usize) -> f64 {
        self.low + (self.high - self.low) * i as f64 / self.cells as f64
    }
}

/// The examples of each cell, `[x][y]` row by row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Grid {
    pub(super) axes: [Axis; 2],
    /// Examples with a right label.
    pub(super) right: Vec<u32>,
    /// Examples with a wrong label.
    pub(super) wrong: Vec<u32>,
    /// Mean sampling probability over that of uniform sampling; absent in an empty cell.
    pub(super) probability: Vec<Option<f64>>,
}

impl Grid {
    /// Counts examples by `x` and `y`; all slices have one value an example.
    pub(super) fn of(axes: [Axis; 2], x: &[f32], y: &[f32], wrong: &[bool], relative: &[f64]) -> Self {
        let cells = axes[0].cells * axes[1].cells;
        let mut grid = Self { right: vec![0; cells], wrong: vec![0; cells], probability: Vec::new(), axes };
        let mut mass = vec![0.0; cells];
        for i in 0..x.len() {
            let cell = grid.axes[0].cell(x[i]) * grid.axes[1].cells + grid.axes[1].cell(y[i]);
            if wrong[i] {
                grid.wrong[cell] += 1;
            } else {
                grid.right[cell] += 1;
            }
            mass[cell] += relative[i];
        }
        let counts = grid.right.iter().zip(&grid.wrong).map(|(a, b)| a + b);
        grid.probability = counts.zip(mass).map(|(n, mass)| (n > 0).then(|| mass / f64::from(n))).collect();
        grid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_hand_made_examples() {
        let (x, y) = ([0.0, 1.0, 1.9, 2.0], [0.0, 0.0, 1.0, 1.0]);
        let axes = [Axis { low: 0.0, high: 2.0, cells: 2 }, Axis { low: 0.0, high: 1.0, cells: 2 }];
        let grid = Grid::of(axes, &x, &y, &[false, true, true, false], &[1.5, 0.5, 0.0, 1.0]);
        assert_eq!((grid.right, grid.wrong), (vec![1, 0, 0, 1], vec![0, 0, 1, 1]));
        assert_eq!(grid.probability, [Some(1.5), None, Some(0.5), Some(0.5)]);
    }

    #[test]
    fn axes_cover_the_values() {
        let values: Vec<f32> = (0..1001).map(|i| i as f32).collect();
        let axis = Axis::of(&values, 10);
        assert_eq!((axis.low, axis.high), (0.0, 995.0));
        assert_eq!((axis.cell(0.0), axis.cell(100.0), axis.cell(1000.0)), (0, 1, 9));
        assert_eq!((axis.edge(0), axis.edge(10)), (0.0, 995.0));
        // numpy 2.3: numpy.quantile(numpy.arange(1001), 0.995) == 995.0
        let constant = Axis::of(&[2.0; 3], 4);
        assert_eq!((constant.cell(2.0), constant.high), (0, 3.0));
    }
}
