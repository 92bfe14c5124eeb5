//! Embeddings of images whose classes training has not seen, and what they are worth.

use std::sync::{Arc, OnceLock};

use ss_data::ImagePair;

use crate::embeddings::Embeddings;
use crate::nearest_centroid::leave_one_out_ranks;
use crate::verification::{all_pairs, best_threshold, check_sizes};
use crate::{Error, Result, Score};

/// What is known of the images that a network embeds.
#[derive(Clone, Debug, PartialEq)]
pub enum Truth {
    /// The class of each image, in any numbering: all pairs of images are compared.
    Classes(Arc<[u32]>),
    /// Of some pairs of images, whether they show the same: nothing else is known.
    Pairs(Arc<[ImagePair]>),
}

/// What a network says of images of classes that it was not trained on: a vector each.
#[derive(Clone, Debug)]
pub struct EmbeddingPredictions {
    embeddings: Embeddings,
    truth: Truth,
    goal: Score,
    /// The score `goal`, once it is known: it is asked for as accuracy, as the goal and as the score of trials, and pairs are many.
    of_goal: OnceLock<f64>,
}

impl Truth {
    /// Checks that it tells something of `images` images: at least two classes of at least two images each, or pairs of one class and of
    /// two.
    ///
    /// # Errors
    /// [`Error::TooFewImages`], [`Error::TooFewClasses`], [`Error::Mismatch`].
    pub fn check(&self, images: usize) -> Result<()> {
        match self {
            Self::Classes(classes) if classes.len() != images => Err(Error::Mismatch {
                what: "classes of images",
                expected: images.to_string(),
                found: classes.len().to_string(),
            }),
            Self::Classes(classes) => check_sizes(classes, 2, 2, "pairs of one class and of two"),
            Self::Pairs(pairs) => {
                if let Some(pair) = pairs.iter().find(|pair| pair.first.max(pair.second) >= images) {
                    return Err(Error::Mismatch {
                        what: "images of a pair",
                        expected: format!("numbers below {images}"),
                        found: format!("{} and {}", pair.first, pair.second),
                    });
                }
                let same = pairs.iter().filter(|pair| pair.same).count();
                if same == 0 || same == pairs.len() {
                    return Err(Error::Mismatch {
                        what: "pairs to verify",
                        expected: "at least one pair of one class and one of two".into(),
                        found: format!("{same} of one class and {} of two", pairs.len() - same),
                    });
                }
                Ok(())
            }
        }
    }

    /// Refuses the scores that cannot be computed.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] with those that can.
    pub fn check_score(&self, score: Score) -> Result<()> {
        let expected = match (self, score) {
            (_, Score::Verification) | (Self::Classes(_), Score::NearestCentroid) => return Ok(()),
            (Self::Classes(_), _) => {
                "verification or nearest-centroid: the classes are not those that the network was trained on"
            }
            (Self::Pairs(_), _) => "verification: of these images only pairs are known",
        };
        let found = format!("{score} for images of other classes than those of training");
        Err(Error::InvalidSetting { setting: "score", found, expected })
    }

    /// The pairs of images to compare.
    ///
    /// # Errors
    /// As [`all_pairs`].
    pub fn pairs(&self) -> Result<Vec<ImagePair>> {
        match self {
            Self::Classes(classes) => all_pairs(classes),
            Self::Pairs(pairs) => Ok(pairs.to_vec()),
        }
    }
}

impl EmbeddingPredictions {
    /// Embeddings of the images that `truth` is known of; finished models are compared by `goal`.
    ///
    /// # Errors
    /// As [`Truth::check`] and [`Truth::check_score`] with `goal`.
    pub fn new(embeddings: Embeddings, truth: Truth, goal: Score) -> Result<Self> {
        truth.check(embeddings.len())?;
        truth.check_score(goal)?;
        Ok(Self { embeddings, truth, goal, of_goal: OnceLock::new() })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.embeddings.len()
    }

    /// Always `false`.
    pub fn is_empty(&self) -> bool {
        self.embeddings.is_empty()
    }

    /// The embeddings.
    pub fn embeddings(&self) -> &Embeddings {
        &self.embeddings
    }

    /// What is known of the images.
    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    /// The score by which finished models are compared.
    pub fn goal(&self) -> Score {
        self.goal
    }

    /// The class of each image.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where only pairs are known.
    pub fn classes(&self) -> Result<&[u32]> {
        match &self.truth {
            Truth::Classes(classes) => Ok(classes),
            Truth::Pairs(_) => Err(Error::Mismatch {
                what: "what is known of the images",
                expected: "the class of each".into(),
                found: "pairs alone".into(),
            }),
        }
    }

    /// The cosines of `pairs` of images.
    pub fn cosines(&self, pairs: &[ImagePair]) -> Vec<f64> {
        pairs.iter().map(|pair| self.embeddings.cosine(pair.first, pair.second)).collect()
    }

    /// What each image contributes to the score; their mean is the score.
    ///
    /// For [`Score::NearestCentroid`] that is 1 or 0, whether the image is recognised. For [`Score::Verification`] images have no share of
    /// their own: pairs do. With the share `h_i` of right pairs among those of image `i`, weighted as in the score `P`, so that the
    /// mean of `h_i` is `P`, image `i` contributes `2 h_i - P`. The mean is `P` again, and the spread is that which makes the
    /// standard error of a mean the first-order standard error of `P`: `P` is an average over pairs (a U-statistic of two
    /// images), whose variance is `4 Var(h) / n` (Hoeffding 1948) and not the `Var(h) / n` of a mean, since an image that is embedded
    /// badly spoils all pairs that it is in. The same holds of the difference between two networks on the same images.
    /// With the classes given the error is somewhat smaller, since that of classes which are easier than others is in the spread too: it
    /// errs on the safe side.
    ///
    /// # Errors
    /// As [`Truth::check_score`].
    pub fn example_scores(&self, score: Score) -> Result<Vec<f64>> {
        self.truth.check_score(score)?;
        if score == Score::NearestCentroid {
            let ranks = leave_one_out_ranks(&self.embeddings, self.classes()?)?;
            return Ok(ranks.into_iter().map(|rank| f64::from(u8::from(rank == 0))).collect());
        }
        let pairs = self.truth.pairs()?;
        let (cosines, same) = (self.cosines(&pairs), kinds(&pairs));
        let best = best_threshold(&cosines, &same)?;
        let positives = same.iter().filter(|same| **same).count() as f64;
        let weights = [0.5 / (pairs.len() as f64 - positives), 0.5 / positives];
        // Half of each pair's weight goes to either image.
        let mut shares = vec![0.0; self.len()];
        for (pair, cosine) in pairs.iter().zip(cosines) {
            if (cosine > best.at) == pair.same {
                let half = 0.5 * weights[usize::from(pair.same)];
                shares[pair.first] += half;
                shares[pair.second] += half;
            }
        }
        let n = self.len() as f64;
        Ok(shares.into_iter().map(|share| 2.0 * n * share - best.accuracy).collect())
    }

    /// The score: the accuracy over all pairs at the best threshold, those of one class and those of two weighing half each; or the share
    /// of the images that are nearest to the centroid of the other images of their class.
    ///
    /// # Errors
    /// As [`Truth::check_score`].
    pub fn score(&self, score: Score) -> Result<f64> {
        if score != self.goal {
            return self.computed(score);
        }
        if let Some(&known) = self.of_goal.get() {
            return Ok(known);
        }
        let value = self.computed(score)?;
        Ok(*self.of_goal.get_or_init(|| value))
    }

    fn computed(&self, score: Score) -> Result<f64> {
        self.truth.check_score(score)?;
        if score == Score::NearestCentroid {
            return self.top_k_accuracy(1);
        }
        let pairs = self.truth.pairs()?;
        Ok(best_threshold(&self.cosines(&pairs), &kinds(&pairs))?.accuracy)
    }

    /// The share of the images for which the centroid of the other images of their class is among the `k` nearest, in `[0, 1]`.
    ///
    /// # Errors
    /// [`Error::Mismatch`] where only pairs are known.
    pub fn top_k_accuracy(&self, k: usize) -> Result<f64> {
        let ranks = leave_one_out_ranks(&self.embeddings, self.classes()?)?;
        Ok(ranks.iter().filter(|&&rank| rank < k).count() as f64 / ranks.len() as f64)
    }
}

/// Whether each pair is of one class.
pub(crate) fn kinds(pairs: &[ImagePair]) -> Vec<bool> {
    pairs.iter().map(|pair| pair.same).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_of_finished_models_is_computed_once() {
        let values = [1.0, 0.0, 0.9, 0.2, 0.0, 1.0, 0.8, 0.6];
        let seen = |goal| {
            let embeddings = Embeddings::new(&values, 2).unwrap();
            EmbeddingPredictions::new(embeddings, Truth::Classes([0, 0, 1, 1].into()), goal).unwrap()
        };
        let (verified, recognised) = (seen(Score::Verification), seen(Score::NearestCentroid));
        assert!(verified.of_goal.get().is_none());
        // Of the two pairs of one class one is nearer than all four of two, the other farther than two of them: at best 0.5 (0.5 + 1).
        assert_eq!(verified.score(Score::Verification).unwrap(), 0.75);
        assert_eq!(verified.of_goal.get(), Some(&0.75));
        assert_eq!(recognised.score(Score::Verification).unwrap(), 0.75, "whatever the goal is");
        assert!(recognised.of_goal.get().is_none());
        let centroids = recognised.score(Score::NearestCentroid).unwrap();
        assert_eq!(verified.score(Score::NearestCentroid).unwrap(), centroids);
        assert_eq!((verified.of_goal.get(), recognised.of_goal.get()), (Some(&0.75), Some(&centroids)));
        // What is known is not computed again.
        let told = seen(Score::Verification);
        told.of_goal.set(0.125).unwrap();
        assert_eq!(told.score(Score::Verification).unwrap(), 0.125);
    }
}
