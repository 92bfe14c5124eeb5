//! The mentor: four numbers of an example in, a weight out.

use candle_core::{Device, Tensor};
use candle_nn::init::{Init, ZERO};
use candle_nn::rnn::{Direction, LSTM, LSTMConfig, RNN};
use candle_nn::{Embedding, Linear, Module, VarBuilder, ops};
use ss_models::Parameters;
use ss_seed::Seed;

use super::{LAST_PERCENT, Row};
use crate::{Error, Result};

/// The network of the released code (`mentornet_nn`, section 3.2 of the paper), a few hundred numbers on the CPU:
///
/// - a bidirectional LSTM of one unit a direction reads (loss, difference) as a sequence of one step and gives its two cell
///   states, which is what that code reads, not the hidden ones;
/// - the label is embedded in 2 dimensions, the epoch percent in 5 that are never trained;
/// - 20 tanh units on these nine numbers, then one logit, whose sigmoid is the weight.
///
/// Its tensors have PyTorch's names: `lstm.weight_ih_l0`, `label_embedding.weight`, `fc1.weight`, ... Initial values as there:
/// Glorot-uniform for LSTM and embeddings, standard normal for the two layers on top. One difference: the released code adds
/// the output's bias to its weights, which is no bias; here it is one. Clones share their values.
///
/// ```
/// use ss_baselines::mentornet::{MentorNet, Row};
/// use ss_seed::Seed;
///
/// # fn main() -> Result<(), ss_baselines::Error> {
/// let mentor = MentorNet::new(10, Seed::new(0))?;
/// let row = Row { loss: 0.3, difference: -0.5, label: 7, epoch_percent: 40 };
/// let weights = mentor.weights(&[row])?;
/// assert!(weights[0] > 0.0 && weights[0] < 1.0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct MentorNet {
    parameters: Parameters,
    lstm: [LSTM; 2],
    labels: Embedding,
    epochs: Embedding,
    hidden: Linear,
    output: Linear,
    classes: usize,
}

const LABEL_DIMENSIONS: usize = 2;
const EPOCH_DIMENSIONS: usize = 5;
const EPOCHS: usize = LAST_PERCENT as usize + 1;
const HIDDEN: usize = 20;

impl MentorNet {
    /// A mentor of students with `classes` classes, its initial values drawn from `seed`.
    ///
    /// # Errors
    /// [`Error::InvalidSetting`] without classes.
    pub fn new(classes: usize, seed: Seed) -> Result<Self> {
        if classes == 0 {
            return Err(Error::InvalidSetting {
                setting: "classes",
                found: "0".into(),
                expected: "at least 1: the student's number of classes",
            });
        }
        let parameters = Parameters::new(seed.derive("mentornet", 0), Device::Cpu);
        let vb = parameters.var_builder();
        let lstm = [lstm(Direction::Forward, vb.pp("lstm"))?, lstm(Direction::Backward, vb.pp("lstm"))?];
        let embedding = |rows: usize, size: usize, name: &str| -> Result<Tensor> {
            Ok(vb.pp(name).get_with_hints((rows, size), "weight", glorot(rows, size))?)
        };
        let labels = embedding(classes, LABEL_DIMENSIONS, "label_embedding")?;
        // Detached, so that it has no gradient and no optimiser moves it.
        let epochs = embedding(EPOCHS, EPOCH_DIMENSIONS, "epoch_embedding")?.detach();
        Ok(Self {
            lstm,
            labels: Embedding::new(labels, LABEL_DIMENSIONS),
            epochs: Embedding::new(epochs, EPOCH_DIMENSIONS),
            hidden: layer(LABEL_DIMENSIONS + EPOCH_DIMENSIONS + 2, HIDDEN, vb.pp("fc1"))?,
            output: layer(HIDDEN, 1, vb.pp("fc2"))?,
            parameters,
            classes,
        })
    }

    /// The weight of each row, in `[0, 1]`.
    ///
    /// # Errors
    /// [`Error::NonFinite`] for a loss or difference that is not a number, [`Error::Mismatch`] for a label beyond the classes.
    pub fn weights(&self, rows: &[Row]) -> Result<Vec<f32>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        Ok(ops::sigmoid(&self.logits(rows)?.detach())?.to_vec1()?)
    }

    /// The named values, for snapshots.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The logits `[n]` of the rows' weights, differentiable in all parameters but the epoch embedding. `rows` is not empty.
    pub(crate) fn logits(&self, rows: &[Row]) -> Result<Tensor> {
        self.check(rows)?;
        let n = rows.len();
        let losses: Vec<f32> = rows.iter().flat_map(|row| [row.loss, row.difference]).collect();
        let labels: Vec<u32> = rows.iter().map(|row| row.label).collect();
        let percents: Vec<u32> = rows.iter().map(|row| row.epoch_percent.min(LAST_PERCENT)).collect();
        let losses = Tensor::from_vec(losses, (n, 2), &Device::Cpu)?;
        let label = self.labels.forward(&Tensor::from_vec(labels, n, &Device::Cpu)?)?;
        let epoch = self.epochs.forward(&Tensor::from_vec(percents, n, &Device::Cpu)?)?;
        // A sequence of one step is the same in both directions.
        let [forward, backward] = &self.lstm;
        let forward = forward.step(&losses, &forward.zero_state(n)?)?;
        let backward = backward.step(&losses, &backward.zero_state(n)?)?;
        let features = Tensor::cat(&[&label, &epoch, forward.c(), backward.c()], 1)?;
        let hidden = self.hidden.forward(&features)?.tanh()?;
        Ok(self.output.forward(&hidden)?.squeeze(1)?)
    }

    fn check(&self, rows: &[Row]) -> Result<()> {
        for (index, row) in rows.iter().enumerate() {
            for (what, value) in [("loss", row.loss), ("loss difference", row.difference)] {
                if !value.is_finite() {
                    return Err(Error::NonFinite { what, index, value });
                }
            }
            if row.label as usize >= self.classes {
                return Err(Error::Mismatch {
                    what: "label that a mentor reads",
                    expected: format!("below its {} classes", self.classes),
                    found: format!("{} in example {index}", row.label),
                });
            }
        }
        Ok(())
    }
}

/// Two inputs, one unit. TensorFlow keeps both kernels in one matrix `[3, 4]`, whose sides make Glorot's bound.
fn lstm(direction: Direction, vb: VarBuilder) -> Result<LSTM> {
    let config = LSTMConfig {
        w_ih_init: glorot(3, 4),
        w_hh_init: glorot(3, 4),
        b_ih_init: Some(ZERO),
        b_hh_init: Some(ZERO),
        layer_idx: 0,
        direction,
    };
    Ok(LSTM::new(2, 1, config, vb)?)
}

fn layer(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Linear> {
    let normal = Init::Randn { mean: 0.0, stdev: 1.0 };
    let weight = vb.get_with_hints((outputs, inputs), "weight", normal)?;
    Ok(Linear::new(weight, Some(vb.get_with_hints(outputs, "bias", normal)?)))
}

/// Uniform in `+-sqrt(6 / (fan-in + fan-out))` (Glorot and Bengio 2010).
fn glorot(inputs: usize, outputs: usize) -> Init {
    let bound = (6.0 / (inputs + outputs) as f64).sqrt();
    Init::Uniform { lo: -bound, up: bound }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The weights of tests/oracle/mentornet.py.
    pub(crate) fn patterned() -> MentorNet {
        let mentor = MentorNet::new(3, Seed::new(0)).unwrap();
        for (name, tensor) in mentor.parameters.snapshot().unwrap().tensors() {
            let values: Vec<f32> = (0..tensor.elem_count())
                .map(|i| (0.8 * (1.7 * i as f64 + 0.11 * name.len() as f64).sin()) as f32)
                .collect();
            let values = Tensor::from_vec(values, tensor.dims(), &Device::Cpu).unwrap();
            mentor.parameters.get(name).unwrap().set(&values).unwrap();
        }
        mentor
    }

    pub(crate) fn patterned_rows() -> Vec<Row> {
        (0..7)
            .map(|i| Row {
                loss: 0.4 * i as f32,
                difference: 0.3 * i as f32 - 1.0,
                label: i % 3,
                epoch_percent: 15 * i,
            })
            .collect()
    }

    #[test]
    fn weights_equal_pytorch() {
        // tests/oracle/mentornet.py, PyTorch 2.15.0.
        let expected = [
            0.9842996186622416,
            0.920953214740725,
            0.972019463258989,
            0.9086369041373239,
            0.9005139279605735,
            0.9844899018687963,
            0.8758057522269762,
        ];
        let found = patterned().weights(&patterned_rows()).unwrap();
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "row {i}: {found}, PyTorch {expected}");
        }
    }

    #[test]
    fn names_and_sizes_are_those_of_pytorch() {
        let snapshot = MentorNet::new(3, Seed::new(0)).unwrap().parameters.snapshot().unwrap();
        let sizes: Vec<(&str, usize)> =
            snapshot.tensors().iter().map(|(name, t)| (name.as_str(), t.elem_count())).collect();
        assert_eq!(
            sizes,
            [
                ("epoch_embedding.weight", 500),
                ("fc1.bias", 20),
                ("fc1.weight", 180),
                ("fc2.bias", 1),
                ("fc2.weight", 20),
                ("label_embedding.weight", 6),
                ("lstm.bias_hh_l0", 4),
                ("lstm.bias_hh_l0_reverse", 4),
                ("lstm.bias_ih_l0", 4),
                ("lstm.bias_ih_l0_reverse", 4),
                ("lstm.weight_hh_l0", 4),
                ("lstm.weight_hh_l0_reverse", 4),
                ("lstm.weight_ih_l0", 8),
                ("lstm.weight_ih_l0_reverse", 8),
            ]
        );
    }

    #[test]
    fn initial_weights_depend_on_the_seed() {
        let weights = |seed| MentorNet::new(3, Seed::new(seed)).unwrap().weights(&patterned_rows()).unwrap();
        assert_eq!(weights(1), weights(1));
        assert_ne!(weights(1), weights(2));
    }

    #[test]
    fn later_than_the_last_percent_is_the_last() {
        let mentor = patterned();
        let row = Row { loss: 1.0, difference: 0.0, label: 0, epoch_percent: 99 };
        let weights = mentor.weights(&[row, Row { epoch_percent: 100, ..row }]).unwrap();
        assert_eq!(weights[0], weights[1]);
        assert!(mentor.weights(&[]).unwrap().is_empty());
    }

    #[test]
    fn bad_rows_are_named() {
        let mentor = patterned();
        let good = patterned_rows()[0];
        let error = |bad: Row| mentor.weights(&[good, bad]).unwrap_err().to_string();
        assert!(error(Row { label: 3, ..good }).contains("3 in example 1"));
        assert!(error(Row { loss: f32::NAN, ..good }).contains("loss of example 1"));
        assert!(error(Row { difference: f32::INFINITY, ..good }).contains("loss difference of example 1"));
        assert!(MentorNet::new(0, Seed::new(0)).is_err());
    }
}
