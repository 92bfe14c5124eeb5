//! The networks whose steps are timed, with batches for them; `benches/peers/train_torch.py` has the same.

use anyhow::{Result, bail};
use candle_core::{Device, Tensor};
use ss_models::{InputShape, Network, NetworkSpec, Parameters};
use ss_seed::Seed;

/// Classes of the images.
const CLASSES: usize = 10;

/// What a network reads.
#[derive(Clone, Copy, Debug)]
enum Input {
    /// Square images.
    Images { channels: usize, side: usize },
    /// Windows of tokens.
    Windows { context: usize, vocabulary: usize },
}

/// A network under the name that both sides know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    spec: &'static str,
    input: Input,
}

const COLOUR: Input = Input::Images { channels: 3, side: 32 };
const GREY: Input = Input::Images { channels: 1, side: 8 };

pub(super) const WORKLOADS: [Workload; 9] = [
    Workload { name: "six-conv", spec: "six-conv", input: COLOUR },
    Workload { name: "resnet-8", spec: "resnet8", input: COLOUR },
    Workload { name: "resnet-20", spec: "resnet20", input: COLOUR },
    Workload { name: "resnet-18", spec: "resnet18", input: COLOUR },
    Workload { name: "mobilenet-v2", spec: "mobilenet-v2", input: COLOUR },
    Workload { name: "wrn-16-4", spec: "wrn-16-4", input: COLOUR },
    Workload { name: "digits", spec: "resnet8", input: GREY },
    Workload { name: "digits-small", spec: "resnet8-8-16-32", input: GREY },
    Workload { name: "gpt", spec: "gpt-2-128-4", input: Input::Windows { context: 64, vocabulary: 8192 } },
];

/// A network with one batch for it.
pub(super) struct Prepared {
    pub(super) network: Box<dyn Network>,
    pub(super) parameters: Parameters,
    pub(super) x: Tensor,
    /// One a row of the logits.
    pub(super) labels: Tensor,
    /// Multiply-add pairs of the forward pass of one instance.
    pub(super) multiply_adds: u64,
}

impl Workload {
    pub(super) fn named(name: &str) -> Result<Self> {
        match WORKLOADS.iter().find(|workload| workload.name == name) {
            Some(workload) => Ok(*workload),
            None => {
                let names: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
                bail!("--only {name}: expected one of {}", names.join(", "))
            }
        }
    }

    /// Instances a step where no flag says otherwise: images, or windows of text.
    pub(super) fn default_batch(self) -> usize {
        match self.input {
            Input::Images { .. } => 128,
            Input::Windows { .. } => 16,
        }
    }

    pub(super) fn prepare(self, batch: usize) -> Result<Prepared> {
        let spec: NetworkSpec = self.spec.parse()?;
        let parameters = Parameters::new(Seed::new(0), Device::Cpu);
        let stream = Seed::new(1).stream("bench-images");
        match self.input {
            Input::Images { channels, side } => {
                let input = InputShape { channels, height: side, width: side };
                let pixels = (0..batch * channels * side * side)
                    .map(|i| stream.index(i as u64).unit() as f32 - 0.5)
                    .collect::<Vec<f32>>();
                let labels: Vec<u32> = (0..batch).map(|i| (i % CLASSES) as u32).collect();
                Ok(Prepared {
                    network: spec.build(input, CLASSES, &parameters)?,
                    x: Tensor::from_vec(pixels, (batch, channels, side, side), &Device::Cpu)?,
                    labels: Tensor::from_vec(labels, batch, &Device::Cpu)?,
                    multiply_adds: spec.multiply_adds(input, CLASSES),
                    parameters,
                })
            }
            Input::Windows { context, vocabulary } => {
                let NetworkSpec::Gpt(config) = &spec else { bail!("{spec} reads images") };
                let token = |i: usize| (stream.index(i as u64).unit() * vocabulary as f64) as u32;
                let tokens = |first: usize| (first..first + batch * context).map(token).collect::<Vec<u32>>();
                Ok(Prepared {
                    network: spec.build_language(context, vocabulary, &parameters)?,
                    x: Tensor::from_vec(tokens(0), (batch, context), &Device::Cpu)?,
                    labels: Tensor::from_vec(tokens(batch * context), batch * context, &Device::Cpu)?,
                    multiply_adds: config.multiply_adds(context, vocabulary),
                    parameters,
                })
            }
        }
    }
}
