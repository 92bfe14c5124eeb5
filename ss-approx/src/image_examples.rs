//! Labelled images with the normalisation that they are seen through, and the assembling of batches.

use std::ops::Range;

use candle_core::Tensor;
use rayon::prelude::*;
use ss_data::{DecodedImage, ImageSet, ImageShape};
use ss_models::{InputShape, Network, NetworkSpec, Parameters};
use ss_sampler::Draw;
use ss_seed::Stream;

use crate::augment::{Augmentation, Placement, write_image};
use crate::examples::{Batches, Examples};
use crate::resident::{Affine, ResidentEpoch};
use crate::{ClassPredictions, Device, Predictions, Result, Score};

/// Mean and deviation of each channel over a set of images, in units of pixels (0 to 255).
#[derive(Clone, Debug, PartialEq)]
pub struct Normalisation {
    mean: Vec<f32>,
    inv_std: Vec<f32>,
}

impl Normalisation {
    /// The statistics of `images`. A constant channel gets deviation 1.
    pub fn of(images: &ImageSet) -> Self {
        let channels = images.channel_statistics();
        let inverse = |std: f64| if std > 0.0 { (1.0 / (255.0 * std)) as f32 } else { 1.0 };
        Self {
            mean: channels.iter().map(|channel| (255.0 * channel.mean) as f32).collect(),
            inv_std: channels.iter().map(|channel| inverse(channel.std)).collect(),
        }
    }

    /// Images number `first..last` as a normalised tensor `[last - first, channels, height, width]`.
    pub fn range(&self, images: &ImageSet, first: usize, last: usize, device: &Device) -> Result<Tensor> {
        if let Device::Candle(on) = device {
            let pixels = on.images.pixels(images, device.tensors())?.narrow(0, first, last - first)?;
            return self.affine(device)?.apply(&pixels);
        }
        let still = Placement { down: 0, right: 0, flip: false };
        self.assemble(images, last - first, |slot| (first + slot, still))
    }

    /// The drawn images, augmented, and their labels `[n]` (u32). `stream` is that of the epoch.
    pub fn batch(
        &self,
        images: &ImageSet,
        draws: &[Draw],
        augmentation: Augmentation,
        stream: Stream,
        device: &Device,
    ) -> Result<(Tensor, Tensor)> {
        self.epoch(images, draws, augmentation, stream, device)?.batch(0..draws.len())
    }

    /// All batches of the epoch that draws `draws`, to be taken one by one. `stream` is that of the epoch. On a
    /// [`Device::Candle`] the decisions of the whole epoch are uploaded here.
    pub fn epoch<'a>(
        &'a self,
        images: &'a ImageSet,
        draws: &'a [Draw],
        augmentation: Augmentation,
        stream: Stream,
        device: &Device,
    ) -> Result<EpochBatches<'a>> {
        let place = match device {
            Device::Cpu => Place::Host { normalisation: self, images, draws, augmentation, stream },
            Device::Candle(on) => {
                let pixels = on.images.pixels(images, device.tensors())?;
                let affine = self.affine(device)?;
                Place::Device(ResidentEpoch::new(pixels, affine, images, draws, augmentation, stream)?)
            }
        };
        Ok(EpochBatches(place))
    }

    /// Writes a colour image as normalised planes to `out`, `[3, height, width]`, mirrored where `flip` says so.
    pub(crate) fn write_decoded(&self, image: &DecodedImage, flip: bool, out: &mut [f32]) {
        let width = image.width() as usize;
        let plane = width * image.height() as usize;
        for (c, out) in out.chunks_exact_mut(plane).enumerate() {
            let (scale, offset) = (self.inv_std[c], -self.mean[c] * self.inv_std[c]);
            for (row, pixels) in out.chunks_exact_mut(width).zip(image.rgb().chunks_exact(3 * width)) {
                for (value, pixel) in row.iter_mut().zip(pixels.chunks_exact(3)) {
                    *value = f32::from(pixel[c]) * scale + offset;
                }
                if flip {
                    row.reverse();
                }
            }
        }
    }

    fn affine(&self, device: &Device) -> Result<Affine> {
        Affine::new(&self.mean, &self.inv_std, device.tensors())
    }

    fn assemble(
        &self,
        images: &ImageSet,
        count: usize,
        pick: impl Fn(usize) -> (usize, Placement) + Sync,
    ) -> Result<Tensor> {
        let shape = images.shape();
        let size = shape.channels * shape.height * shape.width;
        let mut values = vec![0_f32; count * size];
        let write = |(slot, out): (usize, &mut [f32])| {
            let (i, placement) = pick(slot);
            write_image(images.image(i), shape, &self.mean, &self.inv_std, placement, out);
        };
        if count * size < 1 << 16 {
            values.chunks_exact_mut(size).enumerate().for_each(write);
        } else {
            values.par_chunks_exact_mut(size).enumerate().for_each(write);
        }
        let dims = (count, shape.channels, shape.height, shape.width);
        Ok(Tensor::from_vec(values, dims, &candle_core::Device::Cpu)?)
    }
}

/// The batches of one epoch.
#[derive(Debug)]
pub struct EpochBatches<'a>(Place<'a>);

#[derive(Debug)]
enum Place<'a> {
    Host {
        normalisation: &'a Normalisation,
        images: &'a ImageSet,
        draws: &'a [Draw],
        augmentation: Augmentation,
        stream: Stream,
    },
    Device(ResidentEpoch),
}

impl EpochBatches<'_> {
    /// The images of draws number `draws` of the epoch, normalised and augmented, `[n, channels, height, width]`, and
    /// their labels `[n]` (u32).
    pub fn batch(&self, draws: Range<usize>) -> Result<(Tensor, Tensor)> {
        match &self.0 {
            Place::Host { normalisation, images, draws: all, augmentation, stream } => {
                let drawn = &all[draws];
                let x = normalisation.assemble(images, drawn.len(), |slot| {
                    let (example, copy) = (drawn[slot].example(), u64::from(drawn[slot].copy()));
                    (example, augmentation.place(*stream, example as u64, copy))
                })?;
                let labels: Vec<u32> = drawn.iter().map(|draw| images.labels()[draw.example()]).collect();
                Ok((x, Tensor::from_vec(labels, drawn.len(), &candle_core::Device::Cpu)?))
            }
            Place::Device(epoch) => epoch.batch(draws),
        }
    }
}

impl Batches for EpochBatches<'_> {
    fn batch(&self, draws: Range<usize>) -> Result<(Tensor, Tensor)> {
        Self::batch(self, draws)
    }
}

/// Images with labels, and the normalisation that they are seen through: that of the training images.
#[derive(Clone, Debug)]
pub struct ImageExamples {
    images: ImageSet,
    normalisation: Normalisation,
}

impl ImageExamples {
    /// Takes training images with the labels to train on (noisy ones included); the normalisation is computed from them.
    pub fn new(images: ImageSet) -> Self {
        Self { normalisation: Normalisation::of(&images), images }
    }

    /// Other images, to validate or to test on, through the same normalisation.
    #[must_use]
    pub fn with_images(&self, images: ImageSet) -> Self {
        Self { images, normalisation: self.normalisation.clone() }
    }

    /// The images.
    pub fn images(&self) -> &ImageSet {
        &self.images
    }

    /// Their labels, one an image.
    pub fn labels(&self) -> &[u32] {
        self.images.labels()
    }

    /// What every image is normalised with.
    pub fn normalisation(&self) -> &Normalisation {
        &self.normalisation
    }
}

impl Examples for ImageExamples {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn build(&self, network: &NetworkSpec, parameters: &Parameters) -> Result<Box<dyn Network>> {
        let ImageShape { channels, height, width } = self.images.shape();
        let input = InputShape { channels, height, width };
        Ok(network.build(input, self.images.classes(), parameters)?)
    }

    fn epoch<'a>(
        &'a self,
        draws: &'a [Draw],
        augmentation: Augmentation,
        stream: Stream,
        device: &Device,
    ) -> Result<Box<dyn Batches + 'a>> {
        Ok(Box::new(self.normalisation.epoch(&self.images, draws, augmentation, stream, device)?))
    }

    fn predict(&self, network: &dyn Network, device: &Device) -> Result<Predictions> {
        let seen = ClassPredictions::of(network, &self.images, &self.normalisation, device)?;
        Ok(Predictions::Classes { seen, labels: self.labels().to_vec() })
    }

    fn goal(&self) -> Score {
        Score::Accuracy
    }

    fn check_score(&self, score: Score) -> Result<()> {
        score.check_of_labels()
    }

    fn as_images(&self) -> Option<&ImageExamples> {
        Some(self)
    }
}
