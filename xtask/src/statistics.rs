//! Means, deviations and intervals over seeds.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The mean (NaN for none) and the sample standard deviation (for at least two).
pub(crate) fn mean_and_std(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()))
}

/// A mean with its deviation, if there is one, for a table.
pub(crate) fn spread(mean: f64, std: Option<f64>) -> String {
    format!("{mean:.2}{}", std.map_or_else(String::new, |std| format!(" +- {std:.2}")))
}

/// Student's 95% interval for the mean of paired differences.
///
/// Not a bootstrap: with three seeds a percentile bootstrap cannot leave the range of the three
/// differences and covers far less than it says.
pub(crate) fn paired_interval(differences: &[f64]) -> Option<(f64, f64)> {
    let (mean, std) = mean_and_std(differences);
    let n = differences.len() as f64;
    let quantile = StudentsT::new(0.0, 1.0, n - 1.0).ok()?.inverse_cdf(0.975);
    let half = quantile * std? / n.sqrt();
    Some((mean - half, mean + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_agree_with_scipy() {
        // scipy 1.16: stats.t.interval(0.95, 2, loc=10, scale=stats.sem([8, 10, 12]))
        let (low, high) = paired_interval(&[8.0, 10.0, 12.0]).unwrap();
        assert!((low - 5.031_724_575_089_62).abs() < 1e-6 && (high - 14.968_275_424_910_38).abs() < 1e-6);
        assert_eq!(paired_interval(&[1.0]), None);
        assert_eq!(paired_interval(&[]), None);
    }
}
