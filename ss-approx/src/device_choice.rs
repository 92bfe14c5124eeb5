//! The device that a user asks for.

use std::fmt;
use std::str::FromStr;

use crate::{Device, Error, Precision, Result};

/// What `--device` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU if one works, otherwise the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this number, counted from 0.
    Cuda(usize),
    /// The CPU on the path of a GPU, to compare ([`Device::candle_on_cpu`]).
    CpuCandle,
}

/// An opened device, and why it is not the one preferred.
#[derive(Debug)]
pub struct Opened {
    /// The device.
    pub device: Device,
    /// Why [`DeviceChoice::Auto`] did not take a GPU.
    pub fallback: Option<Error>,
}

impl DeviceChoice {
    /// Opens the device.
    ///
    /// # Errors
    /// Those of [`Device::cuda`] and [`Device::with_precision`]; [`DeviceChoice::Auto`] falls back to the CPU where no GPU
    /// works, and says why none does where the CPU will not do.
    ///
    /// ```
    /// use ss_approx::{DeviceChoice, Precision};
    /// let opened = "cpu".parse::<DeviceChoice>()?.open(Precision::F32)?;
    /// assert_eq!(opened.device.to_string(), "cpu");
    /// # Ok::<(), ss_approx::Error>(())
    /// ```
    pub fn open(self, precision: Precision) -> Result<Opened> {
        let (device, fallback) = match self {
            Self::Auto => match Device::cuda(0) {
                Ok(device) => (device, None),
                Err(error) => (Device::Cpu, Some(error)),
            },
            Self::Cpu => (Device::Cpu, None),
            Self::Cuda(ordinal) => (Device::cuda(ordinal)?, None),
            Self::CpuCandle => (Device::candle_on_cpu(), None),
        };
        match (device.with_precision(precision), fallback) {
            (Err(_), Some(Error::NoDevice { reason, remedy, absent, .. })) => Err(Error::NoDevice {
                device: format!("auto in {precision}"),
                reason: format!(
                    "only GPUs compute in it, the CPU needs --precision f32, and no GPU was taken: {reason}"
                ),
                remedy,
                absent,
            }),
            (device, fallback) => Ok(Opened { device: device?, fallback }),
        }
    }
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "device: {}", self.device)?;
        match &self.fallback {
            Some(Error::NoDevice { reason, .. }) => write!(f, " ({reason})"),
            Some(error) => write!(f, " ({error})"),
            None => Ok(()),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let number =
            |digits: &str| digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
        match (name, name.strip_prefix("cuda:").and_then(number)) {
            (_, Some(ordinal)) => Ok(Self::Cuda(ordinal)),
            ("auto", _) => Ok(Self::Auto),
            ("cpu", _) => Ok(Self::Cpu),
            ("cpu-candle", _) => Ok(Self::CpuCandle),
            _ => Err(Error::InvalidSetting {
                setting: "device",
                found: name.to_owned(),
                expected: "auto, cpu or cuda:N with N counted from 0 (cpu-candle runs the path of GPUs on the CPU)",
            }),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
            Self::CpuCandle => f.write_str("cpu-candle"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for choice in [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Cuda(12), DeviceChoice::CpuCandle]
        {
            assert_eq!(choice.to_string().parse::<DeviceChoice>().unwrap(), choice);
        }
        for bad in ["", "gpu", "cuda", "cuda:", "cuda:-1", "cuda:+1", "cuda:1x", "CPU"] {
            let message = bad.parse::<DeviceChoice>().unwrap_err().to_string();
            assert!(message.contains("cuda:N"), "{message}");
        }
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_build_without_cuda_says_so_and_auto_takes_the_cpu() {
        let error = DeviceChoice::Cuda(0).open(Precision::F32).unwrap_err().to_string();
        assert!(error.contains("cuda:0") && error.contains("--features cuda"), "{error}");
        let opened = DeviceChoice::Auto.open(Precision::F32).unwrap();
        assert!(matches!(opened.device, Device::Cpu));
        assert_eq!(opened.to_string(), "device: cpu (this program was built without CUDA)");
        let error = DeviceChoice::Auto.open(Precision::Bf16).unwrap_err().to_string();
        for part in ["auto in bf16", "--precision f32", "built without CUDA", "--features cuda"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
