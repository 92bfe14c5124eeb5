//! Few-shot recognition: N-way K-shot episodes with nearest centroids.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use ss_seed::Stream;

use crate::embeddings::{Embeddings, dot, make_unit};
use crate::verification::{check_sizes, class_counts};
use crate::{Error, Result};

/// What an episode asks: `way` classes are drawn, and of each `shots` images to learn from and `queries` to recognise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episodes {
    /// Classes an episode, at least 2.
    pub way: usize,
    /// Images of each class whose classes are told, at least 1.
    pub shots: usize,
    /// Images of each class to be recognised, at least 1.
    pub queries: usize,
    /// Episodes, at least 2.
    pub episodes: usize,
}

impl Default for Episodes {
    /// 600 episodes of 5 ways, 1 shot and 15 queries, as is usual since Vinyals et al. (2016) and Snell et al. (2017).
    fn default() -> Self {
        Self { way: 5, shots: 1, queries: 15, episodes: 600 }
    }
}

/// What episodes have shown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeAccuracy {
    /// The episodes.
    pub of: Episodes,
    /// Mean share of the queries that are recognised, in `[0, 1]`.
    pub mean: f64,
    /// Half the width of a 95% interval for the mean over episodes, `1.96 std / sqrt(episodes)`: it says how well these
    /// classes were measured, and nothing of other classes or trainings.
    pub half_width: f64,
}

impl Episodes {
    /// As many queries as this asks for, or as many as the smallest class has beside the shots.
    #[must_use]
    pub fn within(self, labels: &[u32]) -> Self {
        let smallest = class_counts(labels).into_iter().map(|(_, count)| count).min().unwrap_or(0);
        Self { queries: self.queries.min(smallest.saturating_sub(self.shots)).max(1), ..self }
    }

    /// The accuracy of naming each query after the class whose centroid of unit embeddings has the largest cosine with it; of equally
    /// near ones the class that was drawn first. `labels` are the classes of the rows of `embeddings`. One `stream` draws the same
    /// episodes for every network.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for numbers below their least; [`Error::TooFewClasses`] and [`Error::TooFewImages`] where the data
    /// cannot fill an episode.
    pub fn accuracy(
        &self,
        embeddings: &Embeddings,
        labels: &[u32],
        stream: Stream,
    ) -> Result<EpisodeAccuracy> {
        let least = |setting, found: usize, least: usize, expected| {
            if found >= least {
                return Ok(());
            }
            Err(Error::InvalidSetting { setting, found: found.to_string(), expected })
        };
        least("way", self.way, 2, "at least 2 classes an episode")?;
        least("shots", self.shots, 1, "at least 1 image a class to learn from")?;
        least("queries", self.queries, 1, "at least 1 image a class to recognise")?;
        least("episodes", self.episodes, 2, "at least 2 episodes")?;
        check_sizes(
            labels,
            self.way,
            self.shots.saturating_add(self.queries),
            "the shots and queries of an episode",
        )?;
        let mut members: Vec<Vec<usize>> = Vec::new();
        for (class, _) in class_counts(labels) {
            members.push((0..labels.len()).filter(|&i| labels[i] == class).collect());
        }
        let one = |episode: u64| self.episode(embeddings, &members, stream.index(episode));
        let shares: Vec<f64> = (0..self.episodes as u64).into_par_iter().map(one).collect();
        let n = shares.len() as f64;
        let mean = shares.iter().sum::<f64>() / n;
        let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Ok(EpisodeAccuracy { of: *self, mean, half_width: 1.96 * (variance / n).sqrt() })
    }

    /// The share of the queries of one episode that are recognised.
    fn episode(&self, embeddings: &Embeddings, members: &[Vec<usize>], stream: Stream) -> f64 {
        let classes = first_by_key(0..members.len(), self.way, stream.index(0));
        let images = stream.index(1);
        let drawn: Vec<Vec<usize>> = classes
            .iter()
            .map(|&class| first_by_key(members[class].iter().copied(), self.shots + self.queries, images))
            .collect();
        let centroids: Vec<Vec<f64>> = drawn
            .iter()
            .map(|images| {
                let mut sum = vec![0.0; embeddings.dim()];
                for &image in &images[..self.shots] {
                    sum.iter_mut().zip(embeddings.row(image)).for_each(|(sum, value)| *sum += value);
                }
                make_unit(&mut sum);
                sum
            })
            .collect();
        let mut right = 0;
        for (class, images) in drawn.iter().enumerate() {
            for &query in &images[self.shots..] {
                let row = embeddings.row(query);
                let mut best = (0, f64::NEG_INFINITY);
                for (candidate, centroid) in centroids.iter().enumerate() {
                    let cosine = dot(row, centroid);
                    if cosine > best.1 {
                        best = (candidate, cosine);
                    }
                }
                right += usize::from(best.0 == class);
            }
        }
        right as f64 / (self.way * self.queries) as f64
    }
}

/// `count` of these numbers at random, those with the smallest keys, in the order of the keys.
fn first_by_key(of: impl Iterator<Item = usize>, count: usize, keys: Stream) -> Vec<usize> {
    let mut all: Vec<usize> = of.collect();
    all.sort_by_cached_key(|&i| (keys.index(i as u64).hash(), i));
    all.truncate(count);
    all
}
