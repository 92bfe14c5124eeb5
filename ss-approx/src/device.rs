//! Where networks are trained, and on which operations.

use std::fmt;
use std::str::FromStr;

use candle_core::{DType, Tensor, Var};
use serde::{Deserialize, Serialize};
use ss_kernels::{Backend, running_average};

use crate::resident::ResidentImages;
use crate::{Error, Result};

/// A device that has been opened.
#[derive(Clone, Debug, Default)]
pub enum Device {
    /// The CPU, on the kernels of [`ss_kernels`], with batches that its threads assemble.
    #[default]
    Cpu,
    /// A device of candle, on candle's own operations, with the images on it.
    Candle(CandleDevice),
}

/// A device of candle and what lies on it. Clones share the images, which are uploaded once.
#[derive(Clone, Debug)]
pub struct CandleDevice {
    device: candle_core::Device,
    precision: Precision,
    pub(crate) images: ResidentImages,
}

/// The type that convolutions compute in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats throughout.
    #[default]
    F32,
    /// Convolutions and the activations between them in `bf16`; weights, gradients, statistics, classifier and loss
    /// in `f32` ([`Backend::CandleBf16`]).
    Bf16,
}

impl Device {
    /// The GPU number `ordinal`, counted from 0, after a small computation there has given the right result.
    ///
    /// # Errors
    /// [`Error::NoDevice`] for a program built without CUDA, a machine without a driver, and a number that no GPU has.
    pub fn cuda(ordinal: usize) -> Result<Self> {
        let failed = |error: candle_core::Error| cuda_trouble(ordinal, &error.to_string());
        // The driver counts in 32 bits.
        if i32::try_from(ordinal).is_err() {
            return Err(failed(candle_core::Error::Msg("INVALID_DEVICE: numbers end at 2147483647".into())));
        }
        if !candle_core::utils::cuda_is_available() {
            return Err(Error::NoDevice {
                device: format!("cuda:{ordinal}"),
                reason: "this program was built without CUDA".to_owned(),
                remedy: "build it with `--features cuda` (docs/cuda.md says how), or use --device cpu",
                absent: true,
            });
        }
        let device = open_gpu(ordinal).map_err(failed)?;
        // An operation of candle's, and one of ours, whose kernels are compiled for the GPU that is there.
        let six = Tensor::new(&[1f32, 2., 3.], &device).and_then(|t| {
            let sum = Var::from_tensor(&t.sum(0)?.reshape(1)?)?;
            running_average(&sum, &sum.as_detached_tensor().copy()?, 0.5, 1.0)?;
            sum.get(0)?.to_scalar::<f32>()
        });
        match six.map_err(failed)? {
            6.0 => Ok(Self::candle(device)),
            sum => Err(Error::NoDevice {
                device: format!("cuda:{ordinal}"),
                reason: format!("1 + 2 + 3 gave {sum}"),
                remedy: "check the driver, or use --device cpu",
                absent: false,
            }),
        }
    }

    /// The first GPU, for tests and benchmarks that need one and are skipped elsewhere: the reason to skip where there is none, or
    /// none that this program was built for. With `SS_REQUIRE_GPU=1` in the environment that is an error too.
    ///
    /// # Errors
    /// Those of [`cuda`](Self::cuda): a GPU that is there and does not work is a failure, and no reason to skip.
    pub fn first_gpu() -> Result<std::result::Result<Self, Error>> {
        Self::or_skip(Self::cuda(0))
    }

    /// The same for what has been opened otherwise: the reason to skip where there is no GPU, or what `opened` is.
    ///
    /// # Errors
    /// As [`first_gpu`](Self::first_gpu).
    pub fn or_skip<T>(opened: Result<T>) -> Result<std::result::Result<T, Error>> {
        let required = std::env::var_os("SS_REQUIRE_GPU").is_some_and(|value| value == "1");
        skippable(opened, required)
    }

    /// The CPU, trained on as a GPU is: candle's own operations, images resident, batches made by tensor operations.
    /// Slower than [`Device::Cpu`]; it shows that the path of other devices is right.
    pub fn candle_on_cpu() -> Self {
        Self::candle(candle_core::Device::Cpu)
    }

    fn candle(device: candle_core::Device) -> Self {
        let images = ResidentImages::default();
        Self::Candle(CandleDevice { device, precision: Precision::F32, images })
    }

    /// The same device in another precision.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] for `bf16` on [`Device::Cpu`], whose kernels compute in `f32`, and where candle's
    /// backend for this device has no convolution in `bf16`.
    pub fn with_precision(self, precision: Precision) -> Result<Self> {
        let refused = |expected| {
            Err(Error::InvalidSetting { setting: "precision", found: precision.to_string(), expected })
        };
        match self {
            Self::Cpu if precision == Precision::F32 => Ok(Self::Cpu),
            Self::Cpu => refused("f32 on the CPU; bf16 is for GPUs (--device cuda:0)"),
            Self::Candle(on) => {
                if precision == Precision::Bf16 && !has_bf16(&on.device) {
                    return refused("f32: candle has no bf16 convolution on this device");
                }
                Ok(Self::Candle(CandleDevice { precision, ..on }))
            }
        }
    }

    /// Where tensors lie.
    pub fn tensors(&self) -> &candle_core::Device {
        match self {
            Self::Cpu => &candle_core::Device::Cpu,
            Self::Candle(on) => &on.device,
        }
    }

    /// What networks and losses run on.
    pub fn backend(&self) -> Backend {
        match self {
            Self::Cpu => Backend::Kernels,
            // With the kernels for it where there are some.
            Self::Candle(CandleDevice { device, precision: Precision::F32, .. }) if device.is_cuda() => {
                Backend::Kernels
            }
            Self::Candle(CandleDevice { precision: Precision::F32, .. }) => Backend::Candle,
            Self::Candle(CandleDevice { precision: Precision::Bf16, .. }) => Backend::CandleBf16,
        }
    }

    /// What results depend on, for records that must not mix them: the kind of device and its precision, not which of
    /// several GPUs. `None` for [`Device::Cpu`], whose results are the same bits everywhere. cuDNN is named where the program has
    /// it: its convolutions may round their operands to TF32.
    pub fn arithmetic(&self) -> Option<String> {
        let Self::Candle(on) = self else { return None };
        let kind = match (on.device.is_cuda(), cfg!(feature = "cudnn")) {
            (true, false) => "cuda",
            (true, true) => "cuda cudnn",
            (false, _) => "cpu-candle",
        };
        Some(format!("{kind} {}", on.precision))
    }
}

fn has_bf16(device: &candle_core::Device) -> bool {
    let convolved = || -> candle_core::Result<f32> {
        let x = Tensor::ones((1, 1, 3, 3), DType::BF16, device)?;
        x.conv2d(&x, 0, 1, 1, 1)?.to_dtype(DType::F32)?.flatten_all()?.max_all()?.to_scalar()
    };
    convolved().is_ok_and(|sum| sum == 9.0)
}

#[cfg(feature = "cuda")]
use ss_kernels::open_gpu;

/// Never called: `cuda_is_available` has said that candle was built without.
#[cfg(not(feature = "cuda"))]
fn open_gpu(ordinal: usize) -> candle_core::Result<candle_core::Device> {
    candle_core::Device::new_cuda_with_stream(ordinal)
}

/// A GPU that is not there is a reason to skip, unless one is required.
fn skippable<T>(opened: Result<T>, required: bool) -> Result<std::result::Result<T, Error>> {
    match opened {
        Err(reason @ Error::NoDevice { absent: true, .. }) if !required => Ok(Err(reason)),
        opened => opened.map(Ok),
    }
}

/// What the driver, or candle, has said, and the remedy.
fn cuda_trouble(ordinal: usize, said: &str) -> Error {
    let first = said.lines().next().unwrap_or_default();
    let names = |names: &[&str]| names.iter().any(|name| said.contains(name));
    let (reason, remedy, absent) = if names(&["INVALID_DEVICE"]) {
        let remedy = "`nvidia-smi` lists the GPUs, counted from 0";
        (format!("there is no GPU of this number ({first})"), remedy, false)
    } else if names(&["UNSUPPORTED_PTX_VERSION", "NO_BINARY_FOR_GPU", "INVALID_PTX"]) {
        let reason = "the driver is older than the CUDA compiler that the program was built with, or the GPU is below the \
                      compute capability that it was built for";
        let remedy = "update the driver, or build with an older CUDA or a lower CUDA_COMPUTE_CAP (docs/cuda.md says how)";
        (format!("{reason} ({first})"), remedy, false)
    } else if names(&["NO_DEVICE", "STUB_LIBRARY"]) {
        let remedy = "install NVIDIA's driver and check that `nvidia-smi` shows a GPU, or use --device cpu";
        (format!("no driver or no GPU ({first})"), remedy, true)
    } else {
        let remedy = "check that `nvidia-smi` shows the GPU and what else runs there, or use --device cpu";
        (first.to_owned(), remedy, false)
    };
    Error::NoDevice { device: format!("cuda:{ordinal}"), reason, remedy, absent }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Candle(on) = self else { return f.write_str("cpu") };
        match on.device.location() {
            candle_core::DeviceLocation::Cuda { gpu_id } => write!(f, "cuda:{gpu_id}, {}", on.precision),
            candle_core::DeviceLocation::Metal { gpu_id } => write!(f, "metal:{gpu_id}, {}", on.precision),
            candle_core::DeviceLocation::Cpu => write!(f, "cpu-candle, {}", on.precision),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "f32" => Ok(Self::F32),
            "bf16" => Ok(Self::Bf16),
            _ => Err(Error::InvalidSetting {
                setting: "precision",
                found: name.to_owned(),
                expected: "f32 or bf16",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_one_arithmetic_are_told_from_those_of_another() {
        let candle = Device::candle_on_cpu();
        assert_eq!(Device::Cpu.arithmetic(), None);
        assert_eq!(candle.arithmetic().as_deref(), Some("cpu-candle f32"));
        assert_eq!((Device::Cpu.backend(), candle.backend()), (Backend::Kernels, Backend::Candle));
        assert_eq!((Device::Cpu.to_string(), candle.to_string()), ("cpu".into(), "cpu-candle, f32".into()));
        assert!(Device::Cpu.with_precision(Precision::Bf16).is_err());
    }

    #[test]
    fn troubles_have_their_remedies() {
        let message = |said: &str| cuda_trouble(0, said).to_string();
        assert!(message("DriverError(CUDA_ERROR_INVALID_DEVICE, \"x\")").contains("no GPU of this number"));
        assert!(message("DriverError(CUDA_ERROR_NO_DEVICE, \"x\")").contains("install NVIDIA's driver"));
        assert!(message("DriverError(CUDA_ERROR_STUB_LIBRARY, \"x\")").starts_with("cuda:0: no driver"));
        for name in ["UNSUPPORTED_PTX_VERSION", "NO_BINARY_FOR_GPU", "INVALID_PTX"] {
            let message = message(&format!("DriverError(CUDA_ERROR_{name}, \"x\")"));
            assert!(message.contains("the driver is older than the CUDA compiler"), "{message}");
            assert!(message.contains("compute capability") && message.contains(name), "{message}");
        }
        assert!(message("out of memory\nbacktrace").starts_with("cuda:0: out of memory;"));
    }

    #[test]
    fn only_a_gpu_that_is_not_there_is_a_reason_to_skip() {
        let absent = || -> Result<Device> { Err(cuda_trouble(0, "CUDA_ERROR_NO_DEVICE")) };
        assert!(skippable(absent(), false).unwrap().is_err());
        assert!(skippable(absent(), true).is_err());
        assert!(
            skippable::<Device>(Err(cuda_trouble(0, "CUDA_ERROR_STUB_LIBRARY")), false).unwrap().is_err()
        );
        for broken in ["CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "CUDA_ERROR_NOT_INITIALIZED", "out of memory"] {
            assert!(skippable::<Device>(Err(cuda_trouble(0, broken)), false).is_err(), "{broken}");
        }
        assert!(skippable(Ok(Device::Cpu), true).unwrap().is_ok());
    }

    #[test]
    fn numbers_that_the_driver_cannot_count_to_are_refused() {
        let message = Device::cuda(1 << 31).unwrap_err().to_string();
        assert!(message.starts_with("cuda:2147483648: there is no GPU of this number"), "{message}");
    }
}
