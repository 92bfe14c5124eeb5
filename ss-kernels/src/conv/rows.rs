//! A product of rows with a matrix as a 1x1 convolution: rows are the pixels of images.

use super::geometry::Geometry;
use super::{forward, input_grad, weight_grad};
use crate::simd::Isa;

/// Pixels of an image at most: enough for the kernels' tiles, few enough that there is work for every thread.
const LINE: usize = 64;

/// `n` rows `[n, inputs]` and a weight `[outputs, inputs]`.
pub(crate) struct Rows {
    isa: Isa,
    geometry: Geometry,
}

impl Rows {
    /// All three are at least 1.
    pub(crate) fn new(rows: usize, inputs: usize, outputs: usize) -> Self {
        let line = (1..=LINE.min(rows)).rev().find(|line| rows.is_multiple_of(*line)).unwrap_or(1);
        let geometry = Geometry {
            n: rows / line,
            c: inputs,
            h: line,
            w: 1,
            o: outputs,
            oh: line,
            ow: 1,
            kh: 1,
            kw: 1,
            stride: 1,
            padding: 0,
            groups: 1,
            cg: inputs,
            og: outputs,
        };
        Self { isa: Isa::current(), geometry }
    }

    /// `[n, outputs]`.
    pub(crate) fn forward(&self, x: &[f32], weight: &[f32]) -> Vec<f32> {
        forward::forward(self.isa, &self.geometry, x, weight, &())
    }

    /// `[n, inputs]`, from the gradient `[n, outputs]` of the result.
    pub(crate) fn input_grad(&self, dy: &[f32], weight: &[f32]) -> Vec<f32> {
        input_grad::input_grad(self.isa, &self.geometry, dy, weight)
    }

    /// `[outputs, inputs]`.
    pub(crate) fn weight_grad(&self, x: &[f32], dy: &[f32]) -> Vec<f32> {
        weight_grad::weight_grad(self.isa, &self.geometry, x, dy)
    }
}
