//! A learned sampler, alone or on examples.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use ss_sampler::{Sampler, Weights, describe_weights, mid_ranks};

use super::plane::Plane;
use super::profile::Profile;
use super::rule::Rule;
use super::terminal::Style;
use crate::Result;
use crate::picture::{self, SamplerView};

/// Of features that say much the same, so many are put in words.
const IN_WORDS: usize = 2;

/// What a `sampler.json` says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SamplerFacts {
    /// How many examples it was fitted on.
    pub fitted_examples: u64,
    /// Its numbers.
    pub rule: Rule,
    /// What they mean along each feature that it looks at.
    pub profiles: Vec<Profile>,
    /// Its weight over the first two features.
    pub plane: Option<Plane>,
    /// What it does to examples, where there are some.
    pub on: Option<OnExamples>,
    /// Where it comes from.
    pub provenance: BTreeMap<String, String>,
}

/// What weights do along features of examples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OnExamples {
    /// How many.
    pub examples: usize,
    /// Kish's effective sample size, in `[1, examples]`.
    pub effective_sample_size: f64,
    /// How many are never drawn.
    pub never_drawn: usize,
    /// Where the probability goes along the first two features, as `summary.md` of a search says it.
    pub words: String,
    /// Mean draws over the first two features.
    pub plane: Option<Plane>,
}

impl OnExamples {
    /// What `weights`, `[n]`, do along these columns, each a name with its values, `[n]`.
    ///
    /// # Errors
    /// Columns of another length than the weights; NaN or infinite values.
    pub fn new(columns: &[(&str, &[f32])], weights: &Weights) -> Result<Self> {
        let plane = match columns {
            [(x, first), (y, second), ..] => {
                let (first, second) = (mid_ranks(first)?, mid_ranks(second)?);
                Some(Plane::of_weights([x, y], [&first, &second], weights))
            }
            _ => None,
        };
        let summary = describe_weights(&columns[..columns.len().min(IN_WORDS)], weights)?;
        Ok(Self {
            examples: weights.len(),
            effective_sample_size: summary.effective_sample_size,
            never_drawn: weights.len() - weights.positive(),
            words: summary.to_string(),
            plane,
        })
    }
}

impl SamplerFacts {
    /// What the sampler says, and what it does to examples with these columns, one for each of its features, `[n]`.
    ///
    /// # Errors
    /// Columns that the sampler cannot score.
    pub fn new(sampler: &Sampler, columns: Option<&[&[f32]]>) -> Result<Self> {
        let names = sampler.spec().features().iter().map(String::as_str);
        let on = |columns: &[&[f32]]| {
            let named: Vec<(&str, &[f32])> = names.zip(columns.iter().copied()).collect();
            OnExamples::new(&named, &sampler.score(columns)?)
        };
        Ok(Self {
            fitted_examples: sampler.fitted_examples(),
            rule: Rule::new(sampler.spec(), sampler.params()),
            profiles: Profile::all(sampler)?,
            plane: Plane::of_rule(sampler)?,
            on: columns.map(on).transpose()?,
            provenance: sampler.provenance().clone(),
        })
    }

    /// The facts as text.
    pub fn in_words(&self, style: Style) -> String {
        let Self { fitted_examples, rule, profiles, plane, on, provenance } = self;
        let mut out = format!(
            "A sampler of {}, fitted on {fitted_examples} examples ({}, {} segments).\n\n{}",
            rule.features.join(" and "),
            rule.transform,
            rule.values.len() - 1,
            rule.in_words()
        );
        if !rule.is_uniform() {
            let _ = write!(out, "\n{}", Profile::all_in_words(profiles, rule.features.len()));
            let _ = write!(out, "\n{}", rule.curve(style));
        }
        if let Some(on) = on {
            let _ = write!(out, "\nOn these {} examples: {}\n", on.examples, on.words);
        }
        // A rule of one feature is all in its curve.
        let alone = plane.as_ref().filter(|_| rule.coefficients.iter().take(2).all(|&c| c != 0.0));
        let map = on.as_ref().and_then(|on| on.plane.as_ref()).or(alone);
        if let Some(plane) = map.filter(|_| !rule.is_uniform()) {
            let _ = write!(out, "\n{}", style.plane(plane));
        }
        let numbers = |values: &[f64]| values.iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(" ");
        let _ = write!(
            out,
            "\ncoefficients  {}\nknots         {}\nweights       {}\n",
            numbers(&rule.coefficients),
            numbers(&rule.knots),
            numbers(&rule.values)
        );
        if !provenance.is_empty() {
            let of = provenance.iter().map(|(key, value)| format!("{key} {value}"));
            let _ = writeln!(out, "made with     {}", of.collect::<Vec<_>>().join(", "));
        }
        out
    }
}

/// The picture of a sampler: on examples with these columns the one that a search writes, else the rule and its weight
/// over the plane of features.
///
/// # Errors
/// Columns that the sampler cannot score.
pub fn picture(sampler: &Sampler, columns: Option<&[&[f32]]>) -> Result<String> {
    let Some(columns) = columns else {
        return picture::rule_alone(sampler.spec(), sampler.params(), Plane::of_rule(sampler)?.as_ref());
    };
    let weights = sampler.score(columns)?;
    let ranks =
        columns.iter().take(2).map(|column| mid_ranks(column)).collect::<ss_sampler::Result<Vec<_>>>()?;
    picture::of_view(&SamplerView::of_ranks(sampler.spec(), sampler.params(), &ranks, &weights, None)?)
}
