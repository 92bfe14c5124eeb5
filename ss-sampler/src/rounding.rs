//! The nearest integer.

/// `f64::round` of a number in `[0, 2^53]`: halves upwards.
///
/// That of the library is a function call where the instruction set is not known to have it.
#[inline]
pub(crate) fn rounded(x: f64) -> i64 {
    let whole = x as i64;
    // Exact: a number below 2^53 and its whole part share the grid of its last bit.
    whole + i64::from(x - whole as f64 >= 0.5)
}

/// From here to twice this the distance of f64 is one. Sums with it round by arithmetic alone, of several numbers at once on
/// any processor.
const GRID: f64 = (1_u64 << 52) as f64;

/// The nearest integer to `x` in `[0, 2^51]`, halves to the even one.
#[inline]
fn nearest_even(x: f64) -> f64 {
    (x + GRID) - GRID
}

/// As [`rounded`], of a number in `[0, 2^51]`, without leaving f64.
#[inline]
pub(crate) fn rounded_f64(x: f64) -> f64 {
    let nearest = nearest_even(x);
    // The difference is exact.
    if x - nearest >= 0.5 { nearest + 1.0 } else { nearest }
}

/// The largest integer that is at most `x`, in `[0, 2^51]`, without leaving f64.
#[inline]
pub(crate) fn floor_f64(x: f64) -> f64 {
    let nearest = nearest_even(x);
    if nearest > x { nearest - 1.0 } else { nearest }
}

/// An f64 that is an integer in `[0, 2^51]` as one.
#[inline]
pub(crate) fn integer_of(x: f64) -> u64 {
    (x + GRID).to_bits() - GRID.to_bits()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_are_rounded_as_the_library_rounds_them() {
        let below_half = 0.5_f64.next_down();
        let large = (1_u64 << 51) as f64 + 0.5;
        for x in [0.0, below_half, 0.5, 1.5, 2.5, 1e9 + 0.5, large, large.next_down(), (1_u64 << 53) as f64] {
            assert_eq!(rounded(x), x.round() as i64, "{x}");
            if x <= (1_u64 << 51) as f64 {
                assert_eq!(rounded_f64(x), x.round(), "{x}");
                assert_eq!((floor_f64(x), integer_of(floor_f64(x))), (x.floor(), x as u64), "{x}");
            }
        }
    }

    proptest! {
        #[test]
        fn rounding_is_that_of_f64(
            x in prop_oneof![0.0_f64..4.0, 0.0_f64..((1_u64 << 52) as f64), (0_u64..1 << 51).prop_map(|k| k as f64 + 0.5)],
            nudge in -1_i64..=1,
        ) {
            let neighbour: f64 = f64::from_bits(x.to_bits().saturating_add_signed(nudge));
            for x in [x, neighbour.min((1_u64 << 52) as f64)] {
                if x >= 0.0 {
                    prop_assert_eq!(rounded(x), x.round() as i64, "{}", x);
                    if x <= (1_u64 << 51) as f64 {
                        prop_assert_eq!(rounded_f64(x), x.round(), "{}", x);
                        prop_assert_eq!((floor_f64(x), integer_of(floor_f64(x))), (x.floor(), x as u64), "{}", x);
                    }
                }
            }
        }
    }
}
