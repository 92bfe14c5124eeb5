//! Pooling against definitions written with candle's operations in `f64`.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::Tensor;
use proptest::prelude::*;
use ss_kernels::{avg_pool2d, global_avg_pool2d, max_pool2d};
use support::*;

const TOLERANCE: f64 = 1e-5;

fn check(dims: [usize; 4], pool: impl Fn(&Tensor) -> candle_core::Result<Tensor>, what: &str) {
    let x = var(&dims, 1);
    let xd = double(&x);
    let (y, expected) = (pool(&x).unwrap(), pool(&xd).unwrap());
    assert_close(&y, &expected, TOLERANCE, what);
    let g = probe(&y, 2).unwrap().backward().unwrap();
    let e = probe(&expected, 2).unwrap().backward().unwrap();
    assert_close(g.get(&x).unwrap(), e.get(&xd).unwrap(), TOLERANCE, what);
}

proptest! {
    #[test]
    fn agrees_with_stock(
        (n, c, h, w) in (1usize..4, 1usize..20, 1usize..9, 1usize..9),
        (kernel, stride, padding) in (1usize..4, 1usize..4, 0usize..2),
    ) {
        let dims = [n, c, h, w];
        check(dims, global_avg_pool2d, "global");
        if h >= kernel && w >= kernel {
            check(dims, |x| avg_pool2d(x, kernel, stride), "avg");
        }
        if 2 * padding <= kernel && h + 2 * padding >= kernel && w + 2 * padding >= kernel {
            check(dims, |x| max_pool2d(x, kernel, stride, padding), "max");
        }
    }
}

// Values only: candle 0.11's own gradient of max pooling is a quarter of the right one.
#[test]
fn agrees_with_candle_where_windows_do_not_overlap() {
    let x = var(&[2, 5, 6, 8], 1);
    assert_close(&max_pool2d(&x, 2, 2, 0).unwrap(), &x.max_pool2d(2).unwrap(), 0.0, "max");
    assert_close(&avg_pool2d(&x, 2, 2).unwrap(), &x.avg_pool2d(2).unwrap(), 1e-6, "avg");
}

#[test]
fn bad_windows_are_refused() {
    let x = var(&[1, 1, 4, 4], 1);
    assert!(max_pool2d(&x, 0, 1, 0).is_err());
    assert!(max_pool2d(&x, 2, 0, 0).is_err());
    assert!(max_pool2d(&x, 2, 1, 2).is_err());
    assert!(avg_pool2d(&x, 5, 1).is_err());
}
