//! The Matern 5/2 kernel with one length scale a dimension.

/// `sqrt(5)`.
const ROOT5: f64 = 2.236_067_977_499_79;

/// The Matern 5/2 correlation at scaled squared distance `r2 = sum_i ((x_i - z_i) / l_i)^2`:
/// `(1 + sqrt(5) r + 5/3 r^2) exp(-sqrt(5) r)` (Rasmussen and Williams 2006, eq. 4.17).
#[inline]
pub fn matern52(r2: f64) -> f64 {
    let t = ROOT5 * r2.sqrt();
    (1.0 + t + t * t / 3.0) * (-t).exp()
}

/// The correlation and `-2 d/d(r2)` of it, which is `5/3 (1 + sqrt(5) r) exp(-sqrt(5) r)`: smooth at `r = 0`.
///
/// With the second value `q`: `d corr / d ln l_i = q (delta_i / l_i)^2` and
/// `d corr / d x_i = -q delta_i / l_i^2`, where `delta = x - z`.
#[inline]
pub(super) fn matern52_with_slope(r2: f64) -> (f64, f64) {
    let t = ROOT5 * r2.sqrt();
    let e = (-t).exp();
    ((1.0 + t + t * t / 3.0) * e, 5.0 / 3.0 * (1.0 + t) * e)
}

/// Squared distance of `a` and `b` with each coordinate weighted by `inverse_l2[i] = 1 / l_i^2`.
#[inline]
pub(super) fn scaled_distance2(a: &[f64], b: &[f64], inverse_l2: &[f64]) -> f64 {
    let mut sum = 0.0;
    for i in 0..inverse_l2.len() {
        let delta = a[i] - b[i];
        sum += delta * delta * inverse_l2[i];
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slope_is_the_derivative() {
        for r2 in [1e-4, 0.1, 1.0, 9.0] {
            let h = 1e-6 * r2;
            let numeric = (matern52(r2 + h) - matern52(r2 - h)) / (2.0 * h);
            let (value, slope) = matern52_with_slope(r2);
            assert_eq!(value, matern52(r2));
            assert!((numeric + 0.5 * slope).abs() < 1e-7, "{numeric} {slope}");
        }
    }
}
