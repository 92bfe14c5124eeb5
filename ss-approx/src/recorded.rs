//! Steps of training that are recorded on a GPU once for each size of batch, and replayed.

use std::collections::HashMap;

use candle_core::{Tensor, Var};
use ss_kernels::Recording;

use crate::objective::Batch;
use crate::steps::step;
use crate::{Objective, Optimiser, Result, Session};

/// The recorded steps of one run.
#[derive(Default)]
pub(crate) struct RecordedSteps(HashMap<usize, Step>);

enum Step {
    /// Made once as usual.
    Rehearsed,
    Recorded(Box<Recorded>),
    /// Could not be recorded.
    Refused,
}

/// A recording and the tensors that it reads and writes.
struct Recorded {
    recording: Recording,
    x: Var,
    labels: Var,
    loss: Var,
}

impl RecordedSteps {
    /// One step with the learning rate that the optimiser has been prepared for; its loss, which the next step overwrites.
    pub(crate) fn step(
        &mut self,
        batch: &Batch,
        session: &Session,
        objective: &mut dyn Objective,
        optimiser: &mut Optimiser,
    ) -> Result<Tensor> {
        let size = batch.draws.len();
        let recorded = match self.0.get(&size) {
            None => {
                self.0.insert(size, Step::Rehearsed);
                return Recording::rehearse(batch.x.device(), || step(batch, session, objective, optimiser));
            }
            Some(Step::Refused) => return step(batch, session, objective, optimiser),
            Some(Step::Recorded(recorded)) => {
                recorded.x.set(batch.x)?;
                recorded.labels.set(batch.labels)?;
                recorded
            }
            Some(Step::Rehearsed) => {
                let recorded = match Recorded::new(batch, session, objective, optimiser) {
                    Ok(recorded) => Step::Recorded(Box::new(recorded)),
                    // Nothing has been carried out: the step is made as usual, and those after it.
                    Err(_) => Step::Refused,
                };
                self.0.insert(size, recorded);
                match self.0.get(&size) {
                    Some(Step::Recorded(recorded)) => recorded,
                    _ => return step(batch, session, objective, optimiser),
                }
            }
        };
        recorded.recording.replay()?;
        Ok(recorded.loss.as_detached_tensor())
    }
}

impl Recorded {
    fn new(
        batch: &Batch,
        session: &Session,
        objective: &mut dyn Objective,
        optimiser: &mut Optimiser,
    ) -> Result<Self> {
        let device = batch.x.device();
        let (x, labels) = (Var::from_tensor(&batch.x.copy()?)?, Var::from_tensor(&batch.labels.copy()?)?);
        let loss = Var::zeros((), candle_core::DType::F32, device)?;
        // Outside the graph: nobody needs the gradient of the images.
        let (seen, classes) = (x.as_detached_tensor(), labels.as_detached_tensor());
        let of_copies = Batch { x: &seen, labels: &classes, ..*batch };
        let recording = Recording::new(device, || {
            loss.set(&step(&of_copies, session, objective, optimiser)?)?;
            Ok::<(), crate::Error>(())
        })?;
        Ok(Self { recording, x, labels, loss })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device as Tensors};
    use ss_data::{ImageSet, ImageShape};
    use ss_seed::Seed;

    use super::*;
    use crate::{CrossEntropy, Device, ImageExamples, TrainSettings, Trainer};

    /// Losses of five steps of batches of 12 and 7, and the weights after them; replayed as soon as possible, or never.
    fn five_steps(network: &str, device: &Device, replayed: bool) -> (Vec<f32>, Vec<f32>) {
        let shape = ImageShape::new(3, 16, 16);
        let data = ImageExamples::new(ImageSet::new(shape, 3, vec![0; 4 * 768], vec![0, 1, 2, 0]).unwrap());
        let trainer = Trainer {
            network: network.parse().unwrap(),
            data: &data,
            config: TrainSettings::default().check().unwrap(),
            device: device.clone(),
        };
        let session = trainer.session(Seed::new(0)).unwrap();
        let mut optimiser = session.optimiser().unwrap();
        let (mut steps, mut losses) = (RecordedSteps::default(), Vec::new());
        for at in 0..10 {
            let size = [12, 7][at % 2];
            let values: Vec<f32> = (0..size * 768).map(|i| ((i * (at + 3)) as f32 * 0.37).sin()).collect();
            let x = Tensor::from_vec(values, (size, 3, 16, 16), device.tensors()).unwrap();
            let labels: Vec<u32> = (0..size).map(|i| ((i + at) % 3) as u32).collect();
            let labels = Tensor::new(labels, device.tensors()).unwrap();
            let plan = ss_sampler::EpochPlan::shuffled(size, Seed::new(0).stream("x"), 0).unwrap();
            let batch = Batch {
                x: &x,
                labels: &labels,
                draws: plan.draws(),
                step: at,
                epoch: 0,
                progress: 0.0,
                learning_rate: 0.02 * (at + 1) as f64,
            };
            optimiser.prepare(batch.learning_rate).unwrap();
            let loss = if replayed {
                steps.step(&batch, &session, &mut CrossEntropy, &mut optimiser).unwrap()
            } else {
                step(&batch, &session, &mut CrossEntropy, &mut optimiser).unwrap()
            };
            losses.push(loss.to_scalar::<f32>().unwrap());
        }
        if replayed {
            assert!(steps.0.values().all(|step| matches!(step, Step::Recorded(_))), "{network}");
            assert_eq!(steps.0.len(), 2);
        }
        let mut weights = Vec::new();
        for tensor in session.snapshot().unwrap().tensors().values() {
            let tensor = tensor.to_device(&Tensors::Cpu).unwrap().to_dtype(DType::F32).unwrap();
            weights.extend(tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap());
        }
        (losses, weights)
    }

    #[test]
    fn replayed_steps_are_the_steps_bit_for_bit() {
        let gpu = match Device::first_gpu().unwrap() {
            Ok(gpu) => gpu,
            Err(reason) => return println!("no GPU: {reason}"),
        };
        for network in
            ["resnet8-4-8-8", "resnet20", "resnet18-8-8-16-16", "mobilenet-v2-0.25", "wrn-10-1", "six-conv"]
        {
            let (losses, weights) = five_steps(network, &gpu, true);
            let (expected_losses, expected) = five_steps(network, &gpu, false);
            assert_eq!(losses, expected_losses, "{network}");
            assert!(weights == expected, "{network}");
        }
    }
}
