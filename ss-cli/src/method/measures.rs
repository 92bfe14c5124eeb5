//! What a task measures of finished models beside its scores.

use serde::{Deserialize, Serialize};
use ss_approx::full_run::EpochRecord;
use ss_approx::verification::{FoldAccuracy, Roc, deal_folds, fold_accuracy};
use ss_approx::{EmbeddingPredictions, EpisodeAccuracy, Episodes, Predictions, Truth};
use ss_seed::Seed;

use super::MethodResult;
use crate::Result;

/// The measures of a task, each under a name of its own in journals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measures {
    /// Of a language model.
    Perplexity(Perplexity),
    /// Of embeddings of test classes: are two images of one class?
    Verification(Verification),
    /// Of embeddings of test classes: recognition from few images, an entry a number of shots.
    FewShot(Vec<EpisodeAccuracy>),
}

/// Perplexities of a language model: `exp` of the mean negative log-likelihood a token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Perplexity {
    /// On test text, of the finished model.
    pub last: f64,
    /// On test text, of the epoch with the best validation perplexity.
    pub best: f64,
    /// On validation text, of the finished model.
    pub validation: f64,
}

/// How well a finished model verifies pairs of test images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// Accuracy by folds.
    pub accuracy: FoldAccuracy,
    /// Pairs of one class.
    pub positives: usize,
    /// Pairs of two classes.
    pub negatives: usize,
    /// The area under the curve of true against false acceptance.
    pub area: f64,
    /// True acceptance at the rates of false acceptance that were asked for.
    pub tar: Vec<TarAtFar>,
    /// The same at rates from the smallest that the pairs can tell up to 1, ten a decade: a curve to draw.
    pub curve: Vec<TarAtFar>,
}

/// The share of pairs of one class that is accepted where a share of pairs of two classes is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TarAtFar {
    /// False acceptance rate, in (0, 1].
    pub far: f64,
    /// True acceptance rate at the largest threshold at which no more are falsely accepted; absent where there are fewer than `1 / far`
    /// pairs of two classes to tell.
    pub tar: Option<f64>,
}

/// What is measured of embeddings of test images.
#[derive(Clone, Debug, PartialEq)]
pub enum EmbeddingProtocol {
    /// Accuracy over folds of pairs, and true acceptance at rates of false acceptance.
    Verification {
        /// Folds that all pairs of the images are dealt to; a list of pairs has folds of its own.
        folds: usize,
        /// The rates of false acceptance, in (0, 1].
        fars: Vec<f64>,
        /// Deals the pairs to folds.
        seed: Seed,
    },
    /// Recognition from few images, for each of these.
    FewShot {
        /// What the episodes ask.
        episodes: Vec<Episodes>,
        /// Draws the episodes, the same for all models.
        seed: Seed,
    },
}

/// Ten points a decade over so many decades: a curve goes down to the smallest rate that the pairs can tell, and no lower than this.
const DECADES: i32 = 4;

impl Measures {
    /// What the task measures of the finished model and of that of the best epoch, from their predictions on test data.
    ///
    /// # Errors
    /// Those of the protocol.
    pub(super) fn of(
        last: &Predictions,
        best: &Predictions,
        history: &[EpochRecord],
        protocol: Option<&EmbeddingProtocol>,
    ) -> Result<Option<Self>> {
        match (last, best, protocol) {
            (Predictions::Windows(last), Predictions::Windows(best), _) => {
                Ok(Some(Self::Perplexity(Perplexity {
                    last: last.perplexity(),
                    best: best.perplexity(),
                    validation: history.last().map_or(f64::NAN, |epoch| (-epoch.goal).exp()),
                })))
            }
            (Predictions::Embeddings(last), _, Some(protocol)) => Ok(Some(protocol.measure(last)?)),
            _ => Ok(None),
        }
    }
}

impl MethodResult {
    /// Perplexities, where the task is text.
    pub fn perplexity(&self) -> Option<Perplexity> {
        match self.measures {
            Some(Measures::Perplexity(perplexity)) => Some(perplexity),
            _ => None,
        }
    }

    /// How pairs of images of test classes are verified, where that is measured.
    pub fn verification(&self) -> Option<&Verification> {
        match &self.measures {
            Some(Measures::Verification(verification)) => Some(verification),
            _ => None,
        }
    }

    /// How test classes are recognised from few images, where that is measured; one entry a number of shots.
    pub fn few_shot(&self) -> &[EpisodeAccuracy] {
        match &self.measures {
            Some(Measures::FewShot(accuracies)) => accuracies,
            _ => &[],
        }
    }
}

impl EmbeddingProtocol {
    /// Measures a model by its embeddings.
    ///
    /// # Errors
    /// Classes and pairs that the protocol cannot be followed on.
    pub fn measure(&self, seen: &EmbeddingPredictions) -> Result<Measures> {
        match self {
            Self::Verification { folds, fars, seed } => {
                Ok(Measures::Verification(verify(seen, *folds, fars, *seed)?))
            }
            Self::FewShot { episodes, seed } => {
                let classes = seen.classes()?;
                let stream = seed.stream("episodes");
                let accuracies = episodes
                    .iter()
                    .map(|episodes| Ok(episodes.accuracy(seen.embeddings(), classes, stream)?))
                    .collect::<Result<_>>()?;
                Ok(Measures::FewShot(accuracies))
            }
        }
    }

    /// Checks, before anything is trained, that the protocol can be followed where `truth` is known, by following it on embeddings that
    /// say nothing.
    ///
    /// # Errors
    /// As [`measure`](Self::measure).
    pub fn check(&self, truth: &Truth) -> Result<()> {
        let (images, goal) = match truth {
            Truth::Classes(classes) => (classes.len(), ss_approx::Score::NearestCentroid),
            Truth::Pairs(pairs) => {
                let last = pairs.iter().map(|pair| pair.first.max(pair.second)).max();
                (last.map_or(0, |last| last + 1), ss_approx::Score::Verification)
            }
        };
        let embeddings = ss_approx::Embeddings::new(&vec![1.0; images], 1)?;
        let nothing = EmbeddingPredictions::new(embeddings, truth.clone(), goal)?;
        self.measure(&nothing).map(|_| ())
    }
}

fn verify(seen: &EmbeddingPredictions, folds: usize, fars: &[f64], seed: Seed) -> Result<Verification> {
    let mut pairs = seen.truth().pairs()?;
    if let Truth::Classes(_) = seen.truth() {
        deal_folds(&mut pairs, folds, seed.stream("verification-folds"))?;
    }
    let cosines = seen.cosines(&pairs);
    let same: Vec<bool> = pairs.iter().map(|pair| pair.same).collect();
    let roc = Roc::of(&cosines, &same)?;
    let at = |far: f64| TarAtFar { far, tar: roc.tar_at(far) };
    let grid = (-10 * DECADES..=0).map(|tenth| 10_f64.powf(f64::from(tenth) / 10.0));
    Ok(Verification {
        accuracy: fold_accuracy(&cosines, &pairs)?,
        positives: pairs.len() - roc.negatives(),
        negatives: roc.negatives(),
        area: roc.area(),
        tar: fars.iter().map(|&far| at(far)).collect(),
        curve: grid.map(at).filter(|point| point.tar.is_some()).collect(),
    })
}
