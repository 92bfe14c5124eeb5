//! A network's values in the safetensors format, under the names that PyTorch users expect.
//!
//! | network | names of |
//! |---|---|
//! | `resnet18`, `34`, `50`, `101`, `mobilenet-v2` | torchvision (`layer1.0.conv1.weight`, `features.1.conv.0.0.weight`) |
//! | `seresnext50-32x4d` | timm (`layer1.0.se.fc1.weight`) |
//! | `resnet8`, `resnet20` | torchvision's for the same layers |
//! | embeddings | those of the trunk, `embedding.weight`, `embedding.bias`, `cosine.weight` |
//!
//! These are the names in [`Parameters`] itself: nothing is renamed on the way. Weights of `-imagenet` networks with 1,000
//! classes go either way between this crate and the checkpoints of those libraries. Files are the caller's business.
//!
//! ```
//! use candle_core::Device;
//! use ss_models::{InputShape, NetworkSpec, Parameters};
//! use ss_seed::Seed;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let input = InputShape { channels: 3, height: 32, width: 32 };
//! let spec: NetworkSpec = "mobilenet-v2-0.25".parse()?;
//! let (a, b) = (Parameters::new(Seed::new(0), Device::Cpu), Parameters::new(Seed::new(1), Device::Cpu));
//! spec.build(input, 10, &a)?;
//! spec.build(input, 10, &b)?;
//! b.load_safetensors(&a.to_safetensors()?)?;
//! # Ok(()) }
//! ```

use std::collections::HashMap;

use candle_core::{DType, Device};
use safetensors::SafeTensors;

use crate::parameters::Snapshot;
use crate::{Error, Parameters, Result};

/// PyTorch's count of batches, which only averages without a momentum use.
const UNUSED: &str = "num_batches_tracked";

impl Parameters {
    /// All values, running statistics included, as the bytes of a safetensors file.
    ///
    /// # Errors
    /// Errors of copying from the device and of the format.
    pub fn to_safetensors(&self) -> Result<Vec<u8>> {
        let snapshot = self.snapshot()?.to_device(&Device::Cpu)?;
        // What PyTorch's loaders look for.
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        Ok(safetensors::serialize(snapshot.tensors(), Some(metadata))?)
    }

    /// Overwrites all values with those of a safetensors file, given as its bytes, in any floating-point type. The values
    /// `num_batches_tracked`, which PyTorch keeps beside running statistics, are passed over.
    ///
    /// # Errors
    /// [`Error::Safetensors`] when the bytes are no such file, [`Error::WeightsMismatch`] with the names of all
    /// tensors that are missing, not in the network, of another shape or not of a floating-point type; nothing is overwritten
    /// then.
    pub fn load_safetensors(&self, bytes: &[u8]) -> Result<()> {
        // Checks offsets and lengths, which candle's own reading relies on.
        SafeTensors::deserialize(bytes)?;
        let mut found = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)?;
        found.retain(|name, _| name.rsplit('.').next() != Some(UNUSED));
        let expected = self.snapshot()?;
        let (mut missing, mut mis_shaped, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (name, value) in expected.tensors() {
            let Some(tensor) = found.remove(name) else {
                missing.push(name.clone());
                continue;
            };
            if tensor.dims() != value.dims() {
                mis_shaped.push(format!("{name} {:?} instead of {:?}", tensor.dims(), value.dims()));
            } else if !matches!(tensor.dtype(), DType::F64 | DType::F32 | DType::F16 | DType::BF16) {
                mis_shaped.push(format!("{name} {:?} instead of F32", tensor.dtype()));
            } else {
                values.push((name.clone(), tensor.to_dtype(DType::F32)?));
            }
        }
        let mut unexpected: Vec<String> = found.into_keys().collect();
        unexpected.sort();
        if !(missing.is_empty() && unexpected.is_empty() && mis_shaped.is_empty()) {
            return Err(Error::WeightsMismatch { missing, unexpected, mis_shaped });
        }
        self.restore(&Snapshot::from_values(values))
    }
}
