//! The flags that say where networks are trained.

use std::io::Write;

use ss_approx::{Device, DeviceChoice, Precision};

use crate::{Error, Result};

/// `--device` and `--precision`.
#[derive(Clone, Debug, clap::Args)]
pub struct DeviceFlags {
    /// Where networks are trained: auto (a GPU if one works, else the CPU), cpu, cuda:N, or several, such as
    /// cuda:0,cuda:1; cpu-candle runs the path of GPUs on the CPU, to compare
    #[arg(long, visible_alias = "devices", value_delimiter = ',', default_value = "auto")]
    device: Vec<DeviceChoice>,
    /// The type that convolutions compute in on a GPU: f32 or bf16
    #[arg(long, default_value = "f32")]
    precision: Precision,
}

impl DeviceFlags {
    /// Opens the devices, at least one, and says on standard error which they are, unless `quiet` or nothing but the CPU
    /// was asked for.
    ///
    /// # Errors
    /// Those of [`DeviceChoice::open`]; [`Error::InvalidSetting`] for devices whose results differ.
    pub fn open(&self, quiet: bool) -> Result<Vec<Device>> {
        let mut devices = Vec::with_capacity(self.device.len());
        for choice in &self.device {
            let opened = choice.open(self.precision)?;
            if !quiet && *choice != DeviceChoice::Cpu {
                // A closed standard error is no reason to fail.
                drop(writeln!(std::io::stderr(), "{opened}"));
            }
            devices.push(opened.device);
        }
        check_alike(&devices)?;
        Ok(devices)
    }
}

/// Checks that the devices compute alike: results of a GPU and of the CPU differ by rounding, and nothing that is compared
/// may depend on where it happened to run.
///
/// # Errors
/// [`Error::InvalidSetting`] for no device at all, and for devices that differ.
pub(crate) fn check_alike(devices: &[Device]) -> Result<()> {
    let found = || devices.iter().map(Device::to_string).collect::<Vec<_>>().join("; ");
    let alike = devices.windows(2).all(|pair| pair[0].arithmetic() == pair[1].arithmetic());
    if devices.is_empty() || !alike {
        let expected = "at least one device, and all of one kind: their results are compared with each other";
        return Err(Error::InvalidSetting { setting: "--device", found: found(), expected });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        device: DeviceFlags,
    }

    fn open(flags: &[&str]) -> Result<Vec<Device>> {
        let cli = Cli::try_parse_from(std::iter::once("test").chain(flags.iter().copied())).unwrap();
        cli.device.open(true)
    }

    #[test]
    fn devices_are_opened_and_must_be_alike() {
        assert_eq!(open(&["--devices", "cpu,cpu"]).unwrap().len(), 2);
        assert!(open(&["--device", "cpu,cpu-candle"]).unwrap_err().to_string().contains("of one kind"));
        assert!(open(&["--device", "cpu", "--precision", "bf16"]).unwrap_err().to_string().contains("bf16"));
        assert!(Cli::try_parse_from(["test", "--device", "gpu"]).is_err());
        assert!(check_alike(&[]).is_err());
    }
}
