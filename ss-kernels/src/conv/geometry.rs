//! The shape of a convolution, checked once.

use candle_core::{Result, Tensor, bail};

/// Stride, zero padding (both the same in height and width) and channel groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dSpec {
    /// Step between output pixels, at least 1. Default 1.
    pub stride: usize,
    /// Zeros added at each border. Default 0.
    pub padding: usize,
    /// Channel groups; divides both input and output channels. Equal to both: depthwise. Default 1.
    pub groups: usize,
}

impl Default for Conv2dSpec {
    fn default() -> Self {
        Self { stride: 1, padding: 0, groups: 1 }
    }
}

/// All sizes of one convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(crate) n: usize,
    /// Input: channels, height, width.
    pub(crate) c: usize,
    pub(crate) h: usize,
    pub(crate) w: usize,
    /// Output: channels, height, width.
    pub(crate) o: usize,
    pub(crate) oh: usize,
    pub(crate) ow: usize,
    /// Kernel.
    pub(crate) kh: usize,
    pub(crate) kw: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
    pub(crate) groups: usize,
    /// Channels of one group: input and output.
    pub(crate) cg: usize,
    pub(crate) og: usize,
}

impl Geometry {
    /// From the input `[n, c, h, w]` and weight `[o, c / groups, kh, kw]`.
    pub(crate) fn new(x: &Tensor, weight: &Tensor, spec: Conv2dSpec) -> Result<Self> {
        let (n, c, h, w) = x.dims4()?;
        let (o, cg, kh, kw) = weight.dims4()?;
        let Conv2dSpec { stride, padding, groups } = spec;
        if stride == 0 || groups == 0 {
            bail!("conv2d: stride and groups must be at least 1, found {spec:?}");
        }
        if n * c * h * w * o * kh * kw == 0 {
            bail!(
                "conv2d: all dimensions must be at least 1, found input {:?}, weight {:?}",
                x.dims(),
                weight.dims()
            );
        }
        if c != cg * groups || !o.is_multiple_of(groups) {
            bail!(
                "conv2d: input {:?} and weight {:?} do not fit {groups} groups: the weight must be \
                 [o, {c} / groups, kh, kw] with groups dividing o",
                x.dims(),
                weight.dims()
            );
        }
        if h + 2 * padding < kh || w + 2 * padding < kw {
            bail!(
                "conv2d: kernel {kh}x{kw} is larger than the padded input {}x{}",
                h + 2 * padding,
                w + 2 * padding
            );
        }
        let oh = (h + 2 * padding - kh) / stride + 1;
        let ow = (w + 2 * padding - kw) / stride + 1;
        let og = o / groups;
        Ok(Self { n, c, h, w, o, oh, ow, kh, kw, stride, padding, groups, cg, og })
    }

    /// Values of one input image.
    pub(crate) fn image(&self) -> usize {
        self.h * self.w * self.c
    }

    /// Values of one output image.
    pub(crate) fn out_image(&self) -> usize {
        self.oh * self.ow * self.o
    }

    /// Floating-point operations of one pass, counted as direct convolution.
    pub(crate) fn flops(&self) -> usize {
        2 * self.n * self.out_image() * self.cg * self.kh * self.kw
    }

    pub(crate) fn is_depthwise(&self) -> bool {
        self.cg == 1 && self.og == 1 && self.groups > 1
    }

    /// Images of one task: enough pixels to hide the task's cost, the same for any thread count.
    pub(crate) fn images_per_task(&self) -> usize {
        const FLOPS: usize = 2_000_000;
        (FLOPS * self.n).div_ceil(self.flops()).clamp(1, self.n.div_ceil(4))
    }
}

/// An image with borders, as the kernels read it: rows of `width` pixels of `channels` values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    /// Zero rows above and zero columns to the left of the image.
    pub(crate) top: usize,
    pub(crate) left: usize,
}

impl Frame {
    /// The padded input that the forward pass and the weight gradient read.
    pub(crate) fn of_input(g: &Geometry) -> Self {
        Self {
            height: (g.oh - 1) * g.stride + g.kh,
            width: (g.ow - 1) * g.stride + g.kw,
            channels: g.c,
            top: g.padding,
            left: g.padding,
        }
    }

    pub(crate) fn row(&self) -> usize {
        self.width * self.channels
    }

    pub(crate) fn len(&self) -> usize {
        self.height * self.row()
    }

    /// Copies an image of `h` by `w` pixels into `frame`, cropping what lies outside.
    pub(crate) fn fill(&self, frame: &mut [f32], image: &[f32], h: usize, w: usize) {
        let rows = h.min(self.height.saturating_sub(self.top));
        let columns = w.min(self.width.saturating_sub(self.left));
        let (row, c) = (self.row(), self.channels);
        frame[..self.top.min(self.height) * row].fill(0.0);
        for i in 0..rows {
            let to = &mut frame[(self.top + i) * row..][..row];
            let (before, rest) = to.split_at_mut(self.left.min(self.width) * c);
            let (inside, after) = rest.split_at_mut(columns * c);
            before.fill(0.0);
            inside.copy_from_slice(&image[i * w * c..][..columns * c]);
            after.fill(0.0);
        }
        frame[((self.top + rows) * row).min(self.len())..self.len()].fill(0.0);
    }

    /// Whether an image of `h` by `w` pixels can be read in place.
    pub(crate) fn is_image(&self, w: usize) -> bool {
        self.top == 0 && self.left == 0 && self.width == w
    }
}
