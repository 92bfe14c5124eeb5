//! The mean loss of an epoch, without waiting for the device at every step.

use candle_core::{DType, Tensor};

use crate::{Device, Result};

/// The sum of an epoch's losses, each times the size of its batch, in `f64` where the losses lie. The CPU adds them up as they
/// come; another device is read once, at the end.
pub(crate) struct EpochLoss {
    place: Place,
    count: usize,
}

enum Place {
    Host(f64),
    Device(Option<Tensor>),
}

impl EpochLoss {
    pub(crate) fn new(device: &Device) -> Self {
        let place = match device {
            Device::Cpu => Place::Host(0.0),
            Device::Candle(_) => Place::Device(None),
        };
        Self { place, count: 0 }
    }

    /// Adds the mean loss of `count` examples.
    pub(crate) fn add(&mut self, loss: &Tensor, count: usize) -> Result<()> {
        self.count += count;
        match &mut self.place {
            Place::Host(total) => *total += f64::from(loss.to_scalar::<f32>()?) * count as f64,
            Place::Device(total) => {
                let loss = (loss.detach().to_dtype(DType::F64)? * count as f64)?;
                *total = Some(match total.take() {
                    Some(total) => (total + loss)?,
                    None => loss,
                });
            }
        }
        Ok(())
    }

    /// The mean over all examples.
    pub(crate) fn mean(self) -> Result<f64> {
        let total = match self.place {
            Place::Host(total) => total,
            Place::Device(Some(total)) => total.to_scalar::<f64>()?,
            Place::Device(None) => 0.0,
        };
        Ok(total / self.count as f64)
    }
}
