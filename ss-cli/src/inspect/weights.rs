//! Weights of examples: how unequal they are, and who is drawn most and least.

use std::cmp::Ordering;
use std::fmt::Write;

use serde::Serialize;
use ss_sampler::Weights;

use super::distribution::Distribution;
use super::extremes::first_by;
use super::sampler::OnExamples;
use super::terminal::Style;
use crate::Result;
use crate::external_study::short;

/// What a table of weights says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WeightsFacts {
    /// How often the examples are drawn.
    #[serde(flatten)]
    pub distribution: Distribution,
    /// Whether examples are known by identifiers, and not by row numbers.
    pub has_ids: bool,
    /// Names of the features of the lists below.
    pub features: Vec<String>,
    /// The examples that are drawn most, the most drawn first.
    pub most: Vec<Drawn>,
    /// Of those that are drawn at all, the examples that are drawn least, the least drawn first.
    pub least: Vec<Drawn>,
    /// The first ones by identifier of those that are never drawn.
    pub never: Vec<Drawn>,
    /// Where the probability goes along the features.
    pub on: Option<OnExamples>,
}

/// One example.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drawn {
    /// Its identifier, or its row.
    pub id: u64,
    /// Expected draws of an epoch of as many draws as examples.
    pub draws: f64,
    /// Values of the features.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<f32>,
}

impl WeightsFacts {
    /// What these weights say, with lists of `top` examples each. `ids`, `[n]`, name the examples, else their row
    /// numbers do; `columns` are features of the same rows, each a name with its values, `[n]`.
    ///
    /// # Errors
    /// Columns of another length than the weights; NaN or infinite values.
    pub fn new(
        weights: &Weights,
        ids: Option<&[u64]>,
        columns: &[(&str, &[f32])],
        top: usize,
    ) -> Result<Self> {
        let on = (!columns.is_empty()).then(|| OnExamples::new(columns, weights)).transpose()?;
        let (n, total) = (weights.len() as f64, weights.total());
        let id = |row: usize| ids.map_or(row as u64, |ids| ids[row]);
        // Weight, identifier, row: of equal weights the smallest identifier first.
        type Entry = (f64, u64, usize);
        let list = |kept: &dyn Fn(f64) -> bool, order: &dyn Fn(&Entry, &Entry) -> Ordering| {
            let rows = weights.tau().iter().enumerate().filter(|(_, tau)| kept(**tau));
            let found = first_by(rows.map(|(row, &tau)| (tau, id(row), row)), top, order);
            let drawn = |(tau, id, row): Entry| Drawn {
                id,
                draws: tau / total * n,
                features: columns.iter().map(|(_, values)| values[row]).collect(),
            };
            found.into_iter().map(drawn).collect::<Vec<_>>()
        };
        let by_id = |a: &Entry, b: &Entry| (a.1, a.2).cmp(&(b.1, b.2));
        Ok(Self {
            distribution: Distribution::of(weights),
            has_ids: ids.is_some(),
            features: columns.iter().map(|(name, _)| (*name).to_owned()).collect(),
            most: list(&|tau| tau > 0.0, &|a, b| b.0.total_cmp(&a.0).then_with(|| by_id(a, b))),
            least: list(&|tau| tau > 0.0, &|a, b| a.0.total_cmp(&b.0).then_with(|| by_id(a, b))),
            never: list(&|tau| tau == 0.0, &by_id),
            on,
        })
    }

    /// The facts as text.
    pub fn in_words(&self, style: Style) -> String {
        let d = &self.distribution;
        let percent = |part: f64| format!("{:.1}%", 100.0 * part);
        let mut out = format!(
            "Weights of {} examples: effective sample size {:.0} ({}), {} never drawn ({}).\n",
            d.examples,
            d.effective_sample_size,
            percent(d.effective_sample_size / d.examples as f64),
            d.never_drawn,
            percent(d.never_drawn as f64 / d.examples as f64)
        );
        let tops = d.top_shares.iter();
        let tops = tops.map(|top| format!("{:.0}% have {}", 100.0 * top.examples, percent(top.probability)));
        out += &format!(
            "Shares of the probability: the most drawn {}.\n",
            tops.collect::<Vec<_>>().join(", the most drawn ")
        );
        out += "\nExpected draws an epoch (1 under uniform sampling)\n  share of the examples ";
        out.extend(d.quantiles.iter().map(|q| format!(" {:>7}", format!("{:.0}%", 100.0 * q.examples))));
        out += "\n  draws at most         ";
        out.extend(d.quantiles.iter().map(|q| format!(" {:>7.3}", q.draws)));
        out += "\n\n";
        out += &style.bars(&d.histogram.iter().map(|bin| (bin.label(), bin.examples)).collect::<Vec<_>>());
        let uniform = d.quantiles.first().zip(d.quantiles.last());
        if !uniform.is_some_and(|(least, most)| least.draws == most.draws) {
            self.list(&mut out, "Drawn most", &self.most, usize::MAX);
            self.list(&mut out, "Drawn least, but drawn", &self.least, usize::MAX);
            self.list(&mut out, "Never drawn", &self.never, d.never_drawn);
        }
        if let Some(on) = &self.on {
            let _ = write!(out, "\n{}\n", on.words);
            if let Some(plane) = &on.plane {
                let _ = write!(out, "\n{}", style.plane(plane));
            }
        }
        out
    }

    /// A list of examples out of `all`.
    fn list(&self, out: &mut String, title: &str, examples: &[Drawn], all: usize) {
        if examples.is_empty() {
            return;
        }
        let more = if all != usize::MAX && all > examples.len() {
            format!(" (the first {} of {all} by id)", examples.len())
        } else {
            String::new()
        };
        let _ = write!(out, "\n{title}{more}\n");
        let wide = |name: &String| name.chars().count().max(9);
        let _ = write!(out, "  {:>12} {:>8}", if self.has_ids { "id" } else { "row" }, "draws");
        out.extend(self.features.iter().map(|name| format!("  {name:>width$}", width = wide(name))));
        out.push('\n');
        for Drawn { id, draws, features } in examples {
            let _ = write!(out, "  {id:>12} {draws:>8.3}");
            for (value, name) in features.iter().zip(&self.features) {
                let _ = write!(out, "  {:>width$}", short(f64::from(*value)), width = wide(name));
            }
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_follow_weight_then_identifier() {
        let weights = Weights::new(vec![1.0, 0.0, 2.0, 2.0, 1.0, 0.0, 0.0]).unwrap();
        let ids = [70, 60, 50, 40, 30, 20, 10];
        let facts = WeightsFacts::new(&weights, Some(&ids), &[], 2).unwrap();
        let found = |list: &[Drawn]| list.iter().map(|drawn| drawn.id).collect::<Vec<_>>();
        assert_eq!(found(&facts.most), [40, 50]);
        assert_eq!(found(&facts.least), [30, 70]);
        assert_eq!(found(&facts.never), [10, 20]);
        assert!((facts.most[0].draws - 7.0 / 3.0).abs() < 1e-12);
        let words = facts.in_words(Style { ascii: true, colour: false });
        assert!(words.contains("Never drawn (the first 2 of 3 by id)\n"), "{words}");
        let rows = WeightsFacts::new(&weights, None, &[], 9).unwrap();
        assert_eq!((found(&rows.most), found(&rows.never)), (vec![2, 3, 0, 4], vec![1, 5, 6]));
    }
}
