//! Images that lie on a device, and batches that are made there.
//!
//! The host decides what is drawn and how it is augmented, by the same streams as for the CPU; an epoch's decisions
//! are uploaded in one piece, 16 bytes a draw. The device gathers, normalises, crops and mirrors.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use candle_core::{DType, Device, Tensor};
use ss_data::{ImageSet, ImageShape};
use ss_sampler::Draw;
use ss_seed::Stream;

use crate::Result;
use crate::augment::Augmentation;

/// The pixels of every set of images in use on one device: each is uploaded once, and forgotten when its set is.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResidentImages(Arc<Mutex<Vec<Upload>>>);

/// Pixels of the host and their copy on the device.
type Upload = (Weak<Vec<u8>>, Tensor);

impl ResidentImages {
    /// The bytes of `images` on `device`, `[n, channels, height, width]`, `u8`.
    pub(crate) fn pixels(&self, images: &ImageSet, device: &Device) -> Result<Tensor> {
        // A panic elsewhere leaves at worst an entry out.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(pixels, _)| pixels.strong_count() > 0);
        let pixels = images.shared_pixels();
        // While a weak reference exists its address is not used again.
        if let Some((_, tensor)) = known.iter().find(|(held, _)| held.as_ptr() == Arc::as_ptr(pixels)) {
            return Ok(tensor.clone());
        }
        let ImageShape { channels, height, width } = images.shape();
        let tensor = Tensor::from_slice(pixels, (images.len(), channels, height, width), device)?;
        known.push((Arc::downgrade(pixels), tensor.clone()));
        Ok(tensor)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// `(pixel - mean) / std` of each channel as a multiplication and an addition.
#[derive(Clone, Debug)]
pub(crate) struct Affine {
    scale: Tensor,
    offset: Tensor,
}

impl Affine {
    pub(crate) fn new(mean: &[f32], inv_std: &[f32], device: &Device) -> Result<Self> {
        let offsets: Vec<f32> = mean.iter().zip(inv_std).map(|(mean, inv_std)| -mean * inv_std).collect();
        let column = (1, mean.len(), 1, 1);
        Ok(Self {
            scale: Tensor::new(inv_std, device)?.reshape(column)?,
            offset: Tensor::new(offsets, device)?.reshape(column)?,
        })
    }

    /// Bytes `[n, c, h, w]` as normalised `f32`.
    pub(crate) fn apply(&self, pixels: &Tensor) -> Result<Tensor> {
        let pixels = pixels.to_dtype(DType::F32)?;
        Ok(pixels.broadcast_mul(&self.scale)?.broadcast_add(&self.offset)?)
    }
}

/// One epoch's draws on a device.
#[derive(Debug)]
pub(crate) struct ResidentEpoch {
    pixels: Tensor,
    affine: Affine,
    /// Which image each draw takes, and its label: `[m]`, `u32`.
    examples: Tensor,
    labels: Tensor,
    /// `None` where nothing is augmented.
    placed: Option<Placed>,
}

impl ResidentEpoch {
    pub(crate) fn new(
        pixels: Tensor,
        affine: Affine,
        images: &ImageSet,
        draws: &[Draw],
        augmentation: Augmentation,
        stream: Stream,
    ) -> Result<Self> {
        let device = pixels.device();
        let examples: Vec<u32> = draws.iter().map(|draw| draw.example() as u32).collect();
        let labels: Vec<u32> = draws.iter().map(|draw| images.labels()[draw.example()]).collect();
        let placed = (augmentation != Augmentation::default())
            .then(|| Placed::new(images.shape(), draws, augmentation, stream, device))
            .transpose()?;
        Ok(Self {
            examples: Tensor::new(examples, device)?,
            labels: Tensor::new(labels, device)?,
            placed,
            pixels,
            affine,
        })
    }

    /// The images of these draws, normalised and augmented, and their labels.
    pub(crate) fn batch(&self, draws: Range<usize>) -> Result<(Tensor, Tensor)> {
        let take = |all: &Tensor| all.narrow(0, draws.start, draws.len());
        let x = self.affine.apply(&self.pixels.index_select(&take(&self.examples)?, 0)?)?;
        let x = match &self.placed {
            Some(placed) => placed.apply(&x, draws.clone())?,
            None => x,
        };
        Ok((x, take(&self.labels)?))
    }
}

/// Where the window of each draw lies in the padded image: a row and a column of two small tables of source
/// coordinates.
#[derive(Debug)]
struct Placed {
    padding: usize,
    /// `[2 padding + 1, height]`: the source rows of each vertical shift.
    rows: Tensor,
    /// `[2 (2 padding + 1), width]`: the source columns of each horizontal shift, then those of the mirrored ones.
    columns: Tensor,
    /// `[m]`: which line of `rows` and of `columns` a draw takes.
    vertical: Tensor,
    horizontal: Tensor,
}

impl Placed {
    fn new(
        shape: ImageShape,
        draws: &[Draw],
        augmentation: Augmentation,
        stream: Stream,
        device: &Device,
    ) -> Result<Self> {
        let ImageShape { height, width, .. } = shape;
        let padding = augmentation.crop_padding;
        let shifts = 2 * padding + 1;
        let line = |shift: usize, size: usize| (0..size).map(move |at| (shift + at) as u32);
        let rows: Vec<u32> = (0..shifts).flat_map(|shift| line(shift, height)).collect();
        let straight = (0..shifts).flat_map(|shift| line(shift, width));
        let columns: Vec<u32> =
            straight.chain((0..shifts).flat_map(|shift| line(shift, width).rev())).collect();
        let (vertical, horizontal): (Vec<u32>, Vec<u32>) = draws
            .iter()
            .map(|draw| {
                let at = augmentation.place(stream, draw.example() as u64, u64::from(draw.copy()));
                let shift = |by: isize| (by + padding as isize) as u32;
                (shift(at.down), shift(at.right) + if at.flip { shifts as u32 } else { 0 })
            })
            .unzip();
        Ok(Self {
            padding,
            rows: Tensor::from_vec(rows, (shifts, height), device)?,
            columns: Tensor::from_vec(columns, (2 * shifts, width), device)?,
            vertical: Tensor::new(vertical, device)?,
            horizontal: Tensor::new(horizontal, device)?,
        })
    }

    fn apply(&self, x: &Tensor, draws: Range<usize>) -> Result<Tensor> {
        let (n, channels, height, width) = x.dims4()?;
        let lines = |table: &Tensor, choice: &Tensor| {
            table.index_select(&choice.narrow(0, draws.start, draws.len())?, 0)
        };
        let x = if self.padding == 0 {
            x.clone()
        } else {
            let p = self.padding;
            let x = x.pad_with_zeros(2, p, p)?.pad_with_zeros(3, p, p)?;
            let padded = width + 2 * p;
            let rows = lines(&self.rows, &self.vertical)?.reshape((n, 1, height, 1))?;
            x.gather(&rows.broadcast_as((n, channels, height, padded))?.contiguous()?, 2)?
        };
        let columns = lines(&self.columns, &self.horizontal)?.reshape((n, 1, 1, width))?;
        Ok(x.gather(&columns.broadcast_as((n, channels, height, width))?.contiguous()?, 3)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_is_uploaded_once_and_forgotten_with_its_last_owner() {
        let set = |first: u8| {
            let pixels = (0..4).map(|i| first + i).collect();
            ImageSet::new(ImageShape::new(1, 2, 2), 2, pixels, vec![1]).unwrap()
        };
        let resident = ResidentImages::default();
        let (a, b) = (set(0), set(10));
        let first = resident.pixels(&a, &Device::Cpu).unwrap();
        assert_eq!(first.id(), resident.pixels(&a, &Device::Cpu).unwrap().id());
        assert_ne!(first.id(), resident.pixels(&b, &Device::Cpu).unwrap().id());
        // Other labels, the same pixels.
        let relabelled = a.clone().with_labels(vec![0]).unwrap();
        drop(a);
        assert_eq!(first.id(), resident.pixels(&relabelled, &Device::Cpu).unwrap().id());
        drop(relabelled);
        resident.pixels(&b, &Device::Cpu).unwrap();
        assert_eq!(resident.len(), 1);
    }
}
