//! Labelled images on disk as the instances of a task: whole images, or crops of them that stay the same.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Tensor;
use rayon::prelude::*;
use ss_data::{DecodedImage, ImageFiles, ImageSet, ImageShape, PixelBox};
use ss_models::{InputShape, Network, NetworkSpec, Parameters};
use ss_sampler::Draw;
use ss_seed::{Seed, Stream};

use crate::ahead::{Ahead, Make};
use crate::examples::{Batches, Examples};
use crate::image_examples::Normalisation;
use crate::random_resized_crop::central_view;
use crate::{Augmentation, ClassPredictions, Device, Error, Predictions, RandomResizedCrop, Result, Score};

/// Images that the normalisation is computed from, at most.
const SAMPLE: usize = 512;
/// How much longer than wide an image may be, or wider than long, for all of it to be scaled in evaluation, of which the centre is
/// kept. Of a strip of 1 x 60,000 pixels that would be gigabytes.
const STRIP: u32 = 16;
/// Values of a batch of evaluation, 64 MiB of them.
const VALUES: usize = 1 << 24;

/// What an instance is, and what a network is shown of it in training. In evaluation, and where features are read, it is shown
/// whole images scaled so that the shorter side is 256/224 of the input, without their edges; of a crop, all of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View {
    /// An instance is an image; training sees another part of it in each epoch.
    Whole(RandomResizedCrop),
    /// Each image is as many instances as this says, at least one: fixed parts of it, which training sees as they are.
    Crops(usize, RandomResizedCrop),
}

/// Images in files, seen at one size through one normalisation, that of the training images. Clones share them.
#[derive(Clone, Debug)]
pub struct FileExamples(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    images: ImageFiles,
    side: u32,
    normalisation: Normalisation,
    /// `None`: whole images that are not trained on.
    parts: Option<Parts>,
    /// One an instance.
    labels: Vec<u32>,
}

#[derive(Debug)]
enum Parts {
    Random(RandomResizedCrop),
    /// Box number `i` is crop `i % each` of image `i / each`.
    Fixed {
        each: usize,
        boxes: Vec<PixelBox>,
    },
}

impl FileExamples {
    /// Takes training images with the labels to train on. Fixed crops follow from `seed`, `ids` (one an image: what stays the
    /// same when others are left out) and their number. The normalisation is computed from up to 512 images at even steps, which
    /// are decoded.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for a side of zero or no crops, [`Error::Mismatch`] for another number of `ids`; images that
    /// cannot be decoded.
    pub fn new(images: ImageFiles, ids: &[u64], side: usize, view: View, seed: Seed) -> Result<Self> {
        let side = u32::try_from(side).ok().filter(|side| (1..=1 << 14).contains(side)).ok_or_else(|| {
            let expected = "1 to 16384 pixels";
            Error::InvalidSetting { setting: "image side", found: side.to_string(), expected }
        })?;
        if ids.len() != images.len() {
            return Err(Error::Mismatch {
                what: "identifiers of images",
                expected: images.len().to_string(),
                found: ids.len().to_string(),
            });
        }
        let parts = match view {
            View::Whole(crop) => Parts::Random(crop),
            View::Crops(0, _) => {
                let expected = "at least 1 crop an image";
                return Err(Error::InvalidSetting { setting: "crops", found: "0".into(), expected });
            }
            View::Crops(each, crop) => {
                let stream = seed.stream("fixed-crops");
                let place = |(i, r): (usize, usize)| {
                    let (width, height) = images.size(i);
                    crop.place(stream.index(ids[i]).index(r as u64), width, height)
                };
                let boxes = (0..images.len()).flat_map(|i| (0..each).map(move |r| (i, r))).map(place);
                Parts::Fixed { each, boxes: boxes.collect() }
            }
        };
        let each = match &parts {
            Parts::Random(_) => 1,
            Parts::Fixed { each, .. } => *each,
        };
        let labels = images.labels().iter().flat_map(|&label| std::iter::repeat_n(label, each)).collect();
        let normalisation = normalisation(&images, side)?;
        Ok(Self(Arc::new(Shared { images, side, normalisation, parts: Some(parts), labels })))
    }

    /// Other images, whole ones, to validate or to test on, through the same normalisation.
    #[must_use]
    pub fn with_images(&self, images: ImageFiles) -> Self {
        let labels = images.labels().to_vec();
        let (side, normalisation) = (self.0.side, self.0.normalisation.clone());
        Self(Arc::new(Shared { images, side, normalisation, parts: None, labels }))
    }

    /// The images.
    pub fn images(&self) -> &ImageFiles {
        &self.0.images
    }

    /// One label an instance.
    pub fn labels(&self) -> &[u32] {
        &self.0.labels
    }

    /// Which image instance `i` is, and which part of it; `None` for whole images.
    ///
    /// # Panics
    /// When `i >= self.len()`.
    pub fn part(&self, i: usize) -> (usize, Option<PixelBox>) {
        match &self.0.parts {
            Some(Parts::Fixed { each, boxes }) => (i / each, Some(boxes[i])),
            _ => (i, None),
        }
    }
}

/// The statistics of what evaluation sees of up to [`SAMPLE`] images.
fn normalisation(images: &ImageFiles, side: u32) -> Result<Normalisation> {
    let count = images.len().min(SAMPLE);
    let views: Vec<Result<DecodedImage>> =
        (0..count).into_par_iter().map(|k| central(images, side, k * images.len() / count)).collect();
    let mut pixels = Vec::with_capacity(count * 3 * (side * side) as usize);
    for view in views {
        let view = view?;
        pixels.extend((0..3).flat_map(|c| view.rgb().iter().skip(c).step_by(3)));
    }
    let side = side as usize;
    // The labels play no part.
    let set = ImageSet::new(ImageShape::new(3, side, side), images.classes(), pixels, vec![0; count])?;
    Ok(Normalisation::of(&set))
}

/// What evaluation sees of image `i`.
fn central(images: &ImageFiles, side: u32, i: usize) -> Result<DecodedImage> {
    let image = images.decode(i)?;
    let ((width, height), view) = central_view(side, image.width(), image.height());
    if width.max(height) / width.min(height) >= STRIP {
        return Ok(image.resized_part(width, height, view));
    }
    Ok(image.resized(image.whole(), width, height).cropped(view))
}

impl Shared {
    /// What evaluation sees of instance `i`.
    fn still(&self, i: usize) -> Result<DecodedImage> {
        match &self.parts {
            Some(Parts::Fixed { each, boxes }) => {
                Ok(self.images.decode(i / each)?.resized(boxes[i], self.side, self.side))
            }
            _ => central(&self.images, self.side, i),
        }
    }

    /// What training sees of instance `i` where `stream` decides.
    fn random(&self, i: usize, stream: Stream) -> Result<DecodedImage> {
        let Some(Parts::Random(crop)) = &self.parts else { return self.still(i) };
        let image = self.images.decode(i)?;
        let area = crop.place(stream, image.width(), image.height());
        Ok(image.resized(area, self.side, self.side))
    }

    fn values(&self) -> usize {
        3 * (self.side as usize).pow(2)
    }

    /// Normalised images, `[count, 3, side, side]`; `image` gives each of them, and whether it is mirrored. Of several errors
    /// the first counts.
    fn assemble(
        &self,
        count: usize,
        abandoned: &AtomicBool,
        image: impl Fn(usize) -> Result<(DecodedImage, bool)> + Sync,
    ) -> Result<Vec<f32>> {
        let mut values = vec![0.0; count * self.values()];
        let write = |(slot, out): (usize, &mut [f32])| {
            if !abandoned.load(Ordering::Relaxed) {
                let (image, flip) = image(slot)?;
                self.normalisation.write_decoded(&image, flip, out);
            }
            Ok(())
        };
        let written: Vec<Result<()>> =
            values.par_chunks_exact_mut(self.values()).enumerate().map(write).collect();
        written.into_iter().collect::<Result<()>>()?;
        Ok(values)
    }

    fn tensor(&self, values: Vec<f32>, device: &Device) -> Result<Tensor> {
        let (count, side) = (values.len() / self.values(), self.side as usize);
        Ok(Tensor::from_vec(values, (count, 3, side, side), device.tensors())?)
    }
}

/// Makes the batches of evaluation.
struct Still(Arc<Shared>);

impl Make for Still {
    type Made = Result<Vec<f32>>;

    fn make(&self, which: Range<usize>, abandoned: &AtomicBool) -> Self::Made {
        let image = |slot| Ok((self.0.still(which.start + slot)?, false));
        self.0.assemble(which.len(), abandoned, image)
    }
}

/// Makes the batches of an epoch.
struct Drawn {
    shared: Arc<Shared>,
    draws: Vec<Draw>,
    flip: bool,
    stream: Stream,
}

impl Make for Drawn {
    type Made = Result<Vec<f32>>;

    fn make(&self, which: Range<usize>, abandoned: &AtomicBool) -> Self::Made {
        let draws = &self.draws[which];
        self.shared.assemble(draws.len(), abandoned, |slot| {
            let (example, copy) = (draws[slot].example(), u64::from(draws[slot].copy()));
            let stream = self.stream.index(example as u64).index(copy);
            let flip = self.flip && stream.hash() >> 63 == 1;
            Ok((self.shared.random(example, stream)?, flip))
        })
    }
}

/// The batches of one epoch.
struct Epoch {
    batches: Ahead<Drawn>,
    shared: Arc<Shared>,
    labels: Vec<u32>,
    device: Device,
}

impl Batches for Epoch {
    fn batch(&self, draws: Range<usize>) -> Result<(Tensor, Tensor)> {
        let labels = &self.labels[draws.clone()];
        let x = self.shared.tensor(self.batches.take(draws)?, &self.device)?;
        Ok((x, Tensor::from_slice(labels, labels.len(), self.device.tensors())?))
    }
}

impl Examples for FileExamples {
    fn len(&self) -> usize {
        self.0.labels.len()
    }

    fn build(&self, network: &NetworkSpec, parameters: &Parameters) -> Result<Box<dyn Network>> {
        let side = self.0.side as usize;
        let input = InputShape { channels: 3, height: side, width: side };
        Ok(network.build(input, self.0.images.classes(), parameters)?)
    }

    fn epoch<'a>(
        &'a self,
        draws: &'a [Draw],
        augmentation: Augmentation,
        stream: Stream,
        device: &Device,
    ) -> Result<Box<dyn Batches + 'a>> {
        if augmentation.crop_padding != 0 {
            return Err(Error::InvalidSetting {
                setting: "crop_padding",
                found: augmentation.crop_padding.to_string(),
                expected: "0: images in files are seen in crops of any size",
            });
        }
        let shared = self.0.clone();
        let labels = draws.iter().map(|draw| shared.labels[draw.example()]).collect();
        let maker = Drawn { shared: shared.clone(), draws: draws.to_vec(), flip: augmentation.flip, stream };
        let batches = Ahead::new(maker, draws.len());
        Ok(Box::new(Epoch { batches, shared, labels, device: device.clone() }))
    }

    fn predict(&self, network: &dyn Network, device: &Device) -> Result<Predictions> {
        let shared = &self.0;
        let batch = (VALUES / shared.values()).clamp(1, 256);
        let batches = Ahead::new(Still(shared.clone()), self.len());
        let inputs = (0..self.len()).step_by(batch).map(|first| {
            let values = batches.take(first..(first + batch).min(self.len()))?;
            shared.tensor(values, device)
        });
        let seen = ClassPredictions::of_inputs(network, inputs, shared.images.classes(), device)?;
        Ok(Predictions::Classes { seen, labels: shared.labels.clone() })
    }

    fn goal(&self) -> Score {
        Score::Accuracy
    }

    fn check_score(&self, score: Score) -> Result<()> {
        score.check_of_labels()
    }
}

#[cfg(test)]
mod tests {
    use ss_data::{Dataset, FileDataset, OpenFolder, write_image_folder};
    use tempfile::tempdir;

    use super::*;

    /// Images of these sizes in files, no two rows or columns of them alike.
    fn images(height: usize, width: usize) -> ImageFiles {
        let folder = tempdir().unwrap();
        let shape = ImageShape::new(3, height, width);
        let pixels = (0..4 * shape.bytes()).map(|at| (at * 37 % 251) as u8).collect();
        let set = ImageSet::new(shape, 2, pixels, vec![0, 1, 0, 1]).unwrap();
        let dataset = Dataset { name: "stripes".into(), train: set.clone(), test: Some(set) };
        write_image_folder(&folder.path().join("data"), &dataset, &["a", "b"], 4, 4).unwrap();
        // Held in memory: the files go with the folder.
        let options = OpenFolder { memory: u64::MAX, ..OpenFolder::default() };
        let data = FileDataset::open(&folder.path().join("data"), options).unwrap();
        (0..4).for_each(|i| drop(data.train.decode(i).unwrap()));
        data.train
    }

    #[test]
    fn the_centre_of_an_ordinary_image_is_cut_from_the_scaled_whole() {
        for (height, width) in [(12, 10), (9, 140), (150, 10)] {
            let images = images(height, width);
            let image = images.decode(1).unwrap();
            let ((w, h), view) = central_view(8, image.width(), image.height());
            let expected = image.resized(image.whole(), w, h).cropped(view);
            assert_eq!(central(&images, 8, 1).unwrap(), expected, "{height} x {width}");
        }
    }

    #[test]
    fn of_a_strip_only_the_centre_is_scaled() {
        let tall = images(60_000, 1);
        let seen = central(&tall, 224, 0).unwrap();
        // The four rows in the middle, 256 scaled rows each, hold all that the view depends on.
        let middle = PixelBox { left: 0, top: 29_998, width: 1, height: 4 };
        let view = PixelBox { left: 16, top: 400, width: 224, height: 224 };
        let expected = tall.decode(0).unwrap().resized(middle, 256, 1024).cropped(view);
        let farthest = |a: &DecodedImage, b: &DecodedImage| {
            a.rgb().iter().zip(b.rgb()).map(|(a, b)| a.abs_diff(*b)).max()
        };
        assert_eq!((seen.width(), seen.height()), (224, 224));
        assert!(farthest(&seen, &expected) <= Some(1));
        assert!(seen.rgb()[0].abs_diff(seen.rgb()[3 * 224 * 223]) > 10, "two rows of the file");
        let wide = images(2, 40_000);
        let seen = central(&wide, 224, 3).unwrap();
        let middle = PixelBox { left: 19_996, top: 0, width: 8, height: 2 };
        let view = PixelBox { left: 400, top: 16, width: 224, height: 224 };
        let expected = wide.decode(3).unwrap().resized(middle, 1024, 256).cropped(view);
        assert!(farthest(&seen, &expected) <= Some(1));
    }
}
