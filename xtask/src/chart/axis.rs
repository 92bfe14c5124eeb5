//! The range of an axis and where it is marked.

/// An axis with its ticks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Places and what is written there.
    pub(crate) ticks: Vec<(f64, String)>,
}

/// Ticks that an axis has at most.
const MOST_TICKS: f64 = 6.0;

impl Axis {
    /// A linear axis that holds all finite `values`, with ticks at round numbers and a margin at both ends.
    pub(crate) fn linear(label: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if low == high {
            (low, high) = (low - 0.5, high + 0.5);
        }
        let margin = 0.04 * (high - low);
        Self::between(label, low - margin, high + margin)
    }

    /// A linear axis from `low` to `high`, with ticks at round numbers.
    pub(crate) fn between(label: impl Into<String>, low: f64, high: f64) -> Self {
        let step = round_step((high - low) / MOST_TICKS);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        let tick = |k: i64| {
            let at = k as f64 * step;
            (at, format!("{at:.decimals$}").replace('-', "−"))
        };
        Self { label: label.into(), low, high, ticks: (first..=last).map(tick).collect() }
    }

    /// A logarithmic axis with a tick at each of `values`, positive; points are given by [`Self::doublings`].
    pub(crate) fn logarithmic(label: impl Into<String>, values: &[(f64, String)]) -> Self {
        let ticks: Vec<(f64, String)> =
            values.iter().map(|(value, text)| (Self::doublings(*value), text.clone())).collect();
        let low = ticks.iter().map(|t| t.0).fold(f64::INFINITY, f64::min);
        let high = ticks.iter().map(|t| t.0).fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = if low <= high { (low - 0.6, high + 0.4) } else { (0.0, 1.0) };
        Self { label: label.into(), low, high, ticks }
    }

    /// The place of a positive value on a logarithmic axis.
    pub(crate) fn doublings(value: f64) -> f64 {
        value.log2()
    }

    /// Where `value` lies between the ends, 0 to 1; values outside are moved to the nearer end.
    pub(crate) fn place(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|m| m * power)
        .into_iter()
        .find(|step| *step >= least * (1.0 - 1e-9))
        .unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let axis = Axis::linear("x", [0.0, 30.0, f64::NEG_INFINITY]);
        let texts: Vec<&str> = axis.ticks.iter().map(|t| t.1.as_str()).collect();
        assert_eq!(texts, ["0", "10", "20", "30"]);
        let axis = Axis::between("x", -0.25, 0.05);
        let texts: Vec<&str> = axis.ticks.iter().map(|t| t.1.as_str()).collect();
        assert_eq!(texts, ["−0.25", "−0.20", "−0.15", "−0.10", "−0.05", "0.00", "0.05"]);
        assert!(axis.place(-0.25) == 0.0 && axis.place(0.05) == 1.0 && axis.place(7.0) == 1.0);
    }

    #[test]
    fn any_values_have_an_axis() {
        for values in [vec![], vec![3.0], vec![f64::INFINITY], vec![1e-9, 2e-9], vec![-1e9, 1e9]] {
            let axis = Axis::linear("x", values.clone());
            assert!(axis.low < axis.high && (1..=9).contains(&axis.ticks.len()), "{values:?}: {axis:?}");
        }
        let axis = Axis::logarithmic("x", &[(0.5, "half".into()), (2.0, "two".into())]);
        assert!((axis.place(Axis::doublings(1.0)) - 1.6 / 3.0).abs() < 1e-12);
    }
}
