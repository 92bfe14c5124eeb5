//! `bench cuda`: images per second of whole training epochs on a GPU, augmentation and batches included.

use std::time::Instant;

use anyhow::{Result, bail};
use ss_approx::trainer::Run;
use ss_approx::{
    Augmentation, Device, DeviceChoice, Error, Examples, ImageExamples, Precision, Sampling, TrainSettings,
    Trainer,
};
use ss_data::{ImageSet, ImageShape};
use ss_models::{InputShape, NetworkSpec};
use ss_seed::Seed;

const CLASSES: usize = 10;

/// Flags of `bench cuda`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// cuda:N, or cpu-candle and cpu to see the bench run without a GPU
    #[arg(long, default_value = "cuda:0")]
    device: DeviceChoice,
    /// Networks, on images of 3x32x32
    #[arg(long, value_delimiter = ',', default_value = "resnet18,wrn-28-10,resnet20")]
    networks: Vec<NetworkSpec>,
    /// Types to compute in: f32, bf16
    #[arg(long, value_delimiter = ',', default_value = "f32,bf16")]
    precisions: Vec<Precision>,
    /// Images a step
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Images an epoch
    #[arg(long, default_value_t = 12_800)]
    images: usize,
}

/// Prints a table; where the device is not there, the reason for skipping, and succeeds, unless `SS_REQUIRE_GPU=1` is set. A device
/// that is there and does not work is an error.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.images == 0 {
        bail!("--images 0: expected at least 1");
    }
    // Opened once before the table: without it there is nothing to measure.
    match Device::or_skip(args.device.open(Precision::F32))? {
        Ok(opened) => drop(opened),
        Err(reason) => {
            println!("skipped: {reason}");
            return Ok(());
        }
    }
    let data = ImageExamples::new(noise(args.images)?);
    println!("network        precision   batch   images/s   TFLOP/s   mean loss");
    for network in &args.networks {
        for &precision in &args.precisions {
            match args.device.open(precision) {
                Ok(opened) => measure(network, precision, opened.device, args.batch, &data)?,
                // The device has no such type, say.
                Err(reason @ Error::InvalidSetting { .. }) => {
                    println!("{:<14} {precision:<9} skipped: {reason}", network.to_string());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// The second of two epochs: the first one uploads the images and compiles kernels.
fn measure(
    network: &NetworkSpec,
    precision: Precision,
    device: Device,
    batch_size: usize,
    data: &ImageExamples,
) -> Result<()> {
    let augmentation = Augmentation { crop_padding: 4, flip: true };
    let settings = TrainSettings { batch_size, augmentation, ..TrainSettings::default() };
    let trainer = Trainer { network: network.clone(), data, config: settings.check()?, device };
    let run = Run { seed: Seed::new(0), epochs: 2.0, learning_rate: 0.01, sampling: Sampling::Uniform };
    let (mut clock, mut seconds, mut loss) = (Instant::now(), 0.0, f64::NAN);
    trainer.session(Seed::new(0))?.train(&run, |report, _| {
        // Reading the mean loss has waited for the device.
        (seconds, loss) = (clock.elapsed().as_secs_f64(), report.train_loss);
        clock = Instant::now();
        Ok(())
    })?;
    let input = InputShape { channels: 3, height: 32, width: 32 };
    let images_per_second = data.len() as f64 / seconds;
    let flops = 6.0 * network.multiply_adds(input, CLASSES) as f64 * images_per_second;
    println!(
        "{:<14} {precision:<9} {batch_size:>7} {images_per_second:>10.0} {:>9.2} {loss:>11.3}",
        network.to_string(),
        flops / 1e12
    );
    Ok(())
}

fn noise(images: usize) -> Result<ImageSet> {
    let shape = ImageShape::new(3, 32, 32);
    let stream = Seed::new(1).stream("bench-images");
    let pixels = (0..images * shape.bytes()).map(|i| (stream.index(i as u64).hash() >> 56) as u8).collect();
    let labels = (0..images).map(|i| (i % CLASSES) as u32).collect();
    Ok(ImageSet::new(shape, CLASSES, pixels, labels)?)
}
