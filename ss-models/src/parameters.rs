//! Every weight and running statistic of a network, by name.
//!
//! [`Parameters`] is a backend of candle's `VarBuilder`: models are written as ordinary candle-nn models and
//! ask for tensors by path. A tensor that is asked for the first time is initialised from the stream of its
//! *name*, so that the order in which layers are built, or a layer added elsewhere, never changes a weight.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::VarBuilder;
use candle_nn::init::{Init, NormalOrUniform};
use candle_nn::var_builder::SimpleBackend;
use rand::Rng;
use rand_distr::StandardNormal;
use ss_kernels::Backend;
use ss_seed::{Seed, Stream};

use crate::{Error, Result};

/// The last component of the names of values that training updates without a gradient.
const BUFFERS: [&str; 2] = ["running_mean", "running_var"];

/// A network's named values: trained weights and batch-normalisation statistics.
///
/// Cloning shares the values; [`snapshot`](Self::snapshot) copies them.
#[derive(Clone, Debug)]
pub struct Parameters {
    values: Arc<Mutex<BTreeMap<String, Var>>>,
    stream: Stream,
    device: Device,
    backend: Backend,
}

impl Parameters {
    /// An empty store whose values will be initialised from `seed` and live on `device`.
    pub fn new(seed: Seed, device: Device) -> Self {
        let stream = seed.stream("initial-weights");
        Self { values: Arc::default(), stream, device, backend: Backend::default() }
    }

    /// The same store; networks that are built in it from now on run on `backend`.
    #[must_use]
    pub fn with_backend(self, backend: Backend) -> Self {
        Self { backend, ..self }
    }

    /// What the networks built in this store run on: [`Backend::Kernels`] unless said otherwise.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The builder to construct a candle-nn model from.
    pub fn var_builder(&self) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), DType::F32, self.device.clone())
    }

    /// Where the values live.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The values that gradient descent updates, in the order of their names.
    pub fn trainable(&self) -> Vec<Var> {
        self.lock().iter().filter(|(name, _)| !is_buffer(name)).map(|(_, var)| var.clone()).collect()
    }

    /// The value of this name, if the network has one.
    pub fn get(&self, name: &str) -> Option<Var> {
        self.lock().get(name).cloned()
    }

    /// The number of trained numbers (running statistics not counted).
    pub fn count(&self) -> usize {
        self.trainable().iter().map(|var| var.elem_count()).sum()
    }

    /// A deep copy of all values, running statistics included.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let mut values = BTreeMap::new();
        for (name, var) in self.lock().iter() {
            values.insert(name.clone(), var.as_detached_tensor().copy()?);
        }
        Ok(Snapshot { values })
    }

    /// Overwrites all values with those of a snapshot of the same network, which may lie on another device.
    ///
    /// # Errors
    /// [`Error::SnapshotMismatch`] when a name is missing on either side or a shape differs; nothing is
    /// overwritten then.
    pub fn restore(&self, snapshot: &Snapshot) -> Result<()> {
        let values = self.lock();
        for (name, tensor) in &snapshot.values {
            let mismatch = |what: String| Error::SnapshotMismatch { name: name.clone(), what };
            let var = values.get(name).ok_or_else(|| mismatch("is not in the network".into()))?;
            if var.dims() != tensor.dims() {
                return Err(mismatch(format!(
                    "has shape {:?}, the network expects {:?}",
                    tensor.dims(),
                    var.dims()
                )));
            }
        }
        for (name, var) in values.iter() {
            let tensor = snapshot.values.get(name).ok_or_else(|| Error::SnapshotMismatch {
                name: name.clone(),
                what: "is missing from the snapshot".into(),
            })?;
            var.set(&moved(tensor, var.device())?)?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Var>> {
        // A panic elsewhere cannot leave the map half-written: inserting is its only mutation.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn initial(&self, name: &str, shape: &Shape, init: Init) -> candle_core::Result<Var> {
        let n = shape.elem_count();
        let mut rng = self.stream.index(Seed::new(0).stream(name).hash()).rng();
        let mut normal = |mean: f64, std: f64| -> Vec<f32> {
            (0..n).map(|_| (mean + std * rng.sample::<f64, _>(StandardNormal)) as f32).collect()
        };
        let values = match init {
            Init::Const(value) => vec![value as f32; n],
            Init::Randn { mean, stdev } => normal(mean, stdev),
            Init::Kaiming { dist: NormalOrUniform::Normal, fan, non_linearity } => {
                normal(0.0, non_linearity.gain() / (fan.for_shape(shape) as f64).sqrt())
            }
            Init::Uniform { lo, up } => (0..n).map(|_| rng.random_range(lo..up) as f32).collect(),
            Init::Kaiming { dist: NormalOrUniform::Uniform, fan, non_linearity } => {
                let bound = non_linearity.gain() * (3.0 / fan.for_shape(shape) as f64).sqrt();
                (0..n).map(|_| rng.random_range(-bound..bound) as f32).collect()
            }
        };
        Var::from_tensor(&Tensor::from_vec(values, shape.clone(), &self.device)?)
    }
}

impl SimpleBackend for Parameters {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        _device: &Device,
    ) -> candle_core::Result<Tensor> {
        if dtype != DType::F32 {
            candle_core::bail!("parameter {name}: only f32 values are kept, {dtype:?} was asked for")
        }
        let mut values = self.lock();
        if let Some(var) = values.get(name) {
            if var.shape() != &shape {
                candle_core::bail!(
                    "parameter {name}: shape {:?} exists, {shape:?} was asked for",
                    var.shape()
                )
            }
            return Ok(var.as_tensor().clone());
        }
        let var = self.initial(name, &shape, init)?;
        let tensor = var.as_tensor().clone();
        values.insert(name.to_owned(), var);
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _dtype: DType, _device: &Device) -> candle_core::Result<Tensor> {
        match self.lock().get(name) {
            Some(var) => Ok(var.as_tensor().clone()),
            None => candle_core::bail!("parameter {name} does not exist, and its shape is not known"),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }
}

/// A deep copy of a network's values at one moment of training.
#[derive(Clone, Debug)]
pub struct Snapshot {
    values: BTreeMap<String, Tensor>,
}

impl Snapshot {
    pub(crate) fn from_values(values: impl IntoIterator<Item = (String, Tensor)>) -> Self {
        Self { values: values.into_iter().collect() }
    }

    /// A copy on `device`; the tensors themselves where they lie there already.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        let values = self.values.iter().map(|(name, tensor)| Ok((name.clone(), moved(tensor, device)?)));
        Ok(Self { values: values.collect::<Result<_>>()? })
    }

    /// The values by name, under the names that PyTorch users expect (`layer1.0.conv1.weight`, ...).
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.values
    }
}

/// `tensor` on `device`; from one GPU to another through the host, as their streams know nothing of each other
/// (`ss_kernels::open_gpu`).
fn moved(tensor: &Tensor, device: &Device) -> Result<Tensor> {
    let apart = tensor.device().is_cuda() && device.is_cuda() && !tensor.device().same_device(device);
    let tensor = if apart { &tensor.to_device(&Device::Cpu)? } else { tensor };
    Ok(tensor.to_device(device)?)
}

fn is_buffer(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| BUFFERS.contains(&last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(names: &[&str], seed: u64) -> Parameters {
        let parameters = Parameters::new(Seed::new(seed), Device::Cpu);
        let vb = parameters.var_builder();
        for name in names {
            vb.get_with_hints((8, 16), name, Init::Randn { mean: 0.0, stdev: 1.0 }).unwrap();
        }
        parameters
    }

    fn flat(parameters: &Parameters, name: &str) -> Vec<f32> {
        parameters.lock()[name].flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn initial_values_depend_on_name_and_seed_alone() {
        let (a, b, c) = (build(&["x", "y"], 1), build(&["y", "z", "x"], 1), build(&["x"], 2));
        assert_eq!(flat(&a, "x"), flat(&b, "x"));
        assert_eq!(flat(&a, "y"), flat(&b, "y"));
        assert_ne!(flat(&a, "x"), flat(&a, "y"));
        assert_ne!(flat(&a, "x"), flat(&c, "x"));
    }

    #[test]
    fn restore_undoes_changes_and_rejects_other_networks() {
        let a = build(&["x", "bn.running_mean"], 1);
        let before = flat(&a, "x");
        let snapshot = a.snapshot().unwrap();
        for var in a.lock().values() {
            var.set(&var.zeros_like().unwrap()).unwrap();
        }
        assert!(flat(&a, "x").iter().all(|v| *v == 0.0));
        a.restore(&snapshot).unwrap();
        assert_eq!(flat(&a, "x"), before);
        assert_eq!(a.trainable().len(), 1, "running statistics are not trained");
        let error = build(&["x"], 1).restore(&snapshot).unwrap_err();
        assert!(error.to_string().contains("bn.running_mean"), "{error}");
        assert!(build(&["x", "bn.running_mean", "w"], 1).restore(&snapshot).is_err());
    }
}
