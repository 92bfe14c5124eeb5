//! What a network is trained on or judged by: the data of a task.

use std::fmt::Debug;
use std::ops::Range;

use candle_core::Tensor;
use ss_models::{Network, NetworkSpec, Parameters};
use ss_sampler::Draw;
use ss_seed::Stream;

use crate::augment::Augmentation;
use crate::{Device, ImageExamples, Predictions, Result, Score};

/// A set of instances that a network is trained on or judged by, such as images with labels or windows of text. It says what the
/// network is given, what it is asked, and what its answers are worth; how often each instance is drawn, in which
/// order and by whom is the same for every task.
pub trait Examples: Debug + Send + Sync {
    /// The number of instances, at least 1.
    fn len(&self) -> usize;

    /// Whether there is no instance (never true).
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Builds a network that takes these instances; its values are created in `parameters`.
    ///
    /// # Errors
    /// A network of another task, or one that does not fit their size.
    fn build(&self, network: &NetworkSpec, parameters: &Parameters) -> Result<Box<dyn Network>>;

    /// All batches of the epoch that draws `draws`, to be taken one by one. `stream` is that of the epoch.
    ///
    /// # Errors
    /// An augmentation that the task does not have; errors of the device.
    fn epoch<'a>(
        &'a self,
        draws: &'a [Draw],
        augmentation: Augmentation,
        stream: Stream,
        device: &Device,
    ) -> Result<Box<dyn Batches + 'a>>;

    /// What `network` says of every instance, in evaluation mode and without augmentation.
    ///
    /// # Errors
    /// Those of the network.
    fn predict(&self, network: &dyn Network, device: &Device) -> Result<Predictions>;

    /// The score by which finished models are compared, whatever the score of trials is.
    fn goal(&self) -> Score;

    /// Checks, before anything is trained, that the task has this score.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`](crate::Error::InvalidSetting) with the scores that it has.
    fn check_score(&self, score: Score) -> Result<()>;

    /// The images, where the instances are images in memory: for whoever needs one label an instance.
    fn as_images(&self) -> Option<&ImageExamples> {
        None
    }
}

/// The batches of one epoch.
pub trait Batches {
    /// Draws number `draws` of the epoch, `n` of them: the input of the network, whose first dimension is `n`, and the labels
    /// (`u32`) of its logits, one a row of them.
    ///
    /// # Errors
    /// Those of the device.
    fn batch(&self, draws: Range<usize>) -> Result<(Tensor, Tensor)>;
}
