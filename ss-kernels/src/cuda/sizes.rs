//! The sizes of a convolution as the kernels take them.

use candle_core::cuda_backend::cudarc::driver::DeviceRepr;

use crate::conv::Geometry;

/// `struct Geometry` of the kernels.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Sizes {
    images: i32,
    c: i32,
    h: i32,
    w: i32,
    o: i32,
    oh: i32,
    ow: i32,
    kh: i32,
    kw: i32,
    stride: i32,
    padding: i32,
}

impl Sizes {
    /// Those of `images` images of a batch.
    pub(super) fn new(g: &Geometry, images: usize) -> Self {
        let of = |size: usize| size as i32;
        Self {
            images: of(images),
            c: of(g.c),
            h: of(g.h),
            w: of(g.w),
            o: of(g.o),
            oh: of(g.oh),
            ow: of(g.ow),
            kh: of(g.kh),
            kw: of(g.kw),
            stride: of(g.stride),
            padding: of(g.padding),
        }
    }
}

// SAFETY: eleven 32-bit integers in the order of the kernels' struct, without padding.
unsafe impl DeviceRepr for Sizes {}
