//! Flags that the reproductions of every task share: seeds, budget and schedule, who works, where results go.

use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ss_approx::{Device, Score};
use ss_cli::{DeviceFlags, Recipe};
use ss_models::NetworkSpec;
use ss_sampler::{SamplerSpec, Transform};

use crate::workers::Workers;

/// The flags.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Number of seeds [default: 3; 1 for smoke]
    #[arg(long)]
    pub(crate) seeds: Option<u64>,
    /// The first of the seeds, which follow each other. Seeds 0 to 4 of the digits were looked at while the
    /// defaults were chosen
    #[arg(long, default_value_t = 0)]
    first_seed: u32,
    /// The coordinate that the rule is a function of: cgf (by gradient mass) or cdf (by rank)
    #[arg(long, default_value = "cgf")]
    transform: Transform,
    /// The score of a trial: accuracy (of images or of tokens), likelihood (of text: minus the logarithm of the perplexity), for
    /// images calibrated; verification or nearest-centroid where the classes to judge by are not those of training
    #[arg(long)]
    score: Option<Score>,
    /// E_o: candidates that a search tries
    #[arg(long)]
    trials: Option<usize>,
    /// E_f: epochs of a trial, fractions allowed
    #[arg(long)]
    trial_epochs: Option<f64>,
    /// Epochs of a full training
    #[arg(long)]
    epochs: Option<usize>,
    /// Rules that are trained in full, of which the best on validation data counts
    #[arg(long)]
    pub(crate) finalists: Option<usize>,
    /// Network: resnet8, resnet8-W1-W2-W3, resnet20, resnet18 to resnet101, mobilenet-v2, seresnext50-32x4d, wrn-DEPTH-WIDTH,
    /// six-conv, any of them with +embedding-DIM; for text gpt-LAYERS-WIDTH-HEADS
    #[arg(long)]
    network: Option<NetworkSpec>,
    /// Epochs between re-readings of the features in the final training; 0 never re-reads
    #[arg(long)]
    refresh: Option<usize>,
    /// Units computed side by side; each gets its share of the threads [default: one a core for digits, text and
    /// small images in folders on the CPU, else one a device]
    #[arg(long)]
    jobs: Option<usize>,
    /// Where the journal and the results go; what is finished there is not computed again
    /// [default: runs/TASK-PROFILE-DATASET; no dataset for text and folders]
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceFlags,
    /// No progress display
    #[arg(long, short)]
    quiet: bool,
}

/// Which seeds, who works, and where results go.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) seeds: u64,
    pub(crate) first_seed: u64,
    jobs: usize,
    threads: usize,
    /// Where networks are trained; units side by side are dealt to them in turn.
    pub(crate) devices: Vec<Device>,
    pub(crate) out: PathBuf,
    pub(crate) quiet: bool,
}

impl RunArgs {
    /// Changes a recipe as the flags say.
    pub(crate) fn adjust(&self, recipe: &mut Recipe) {
        if let Some(epochs) = self.epochs {
            recipe.set_epochs(epochs);
        }
        recipe.trials = self.trials.unwrap_or(recipe.trials);
        recipe.trial_epochs = self.trial_epochs.unwrap_or(recipe.trial_epochs);
        recipe.finalists = self.finalists.unwrap_or(recipe.finalists);
        recipe.score = self.score.unwrap_or(recipe.score);
        if let Some(network) = &self.network {
            recipe.network = network.clone();
        }
        if let Some(every) = self.refresh {
            recipe.refresh = (every > 0).then_some(every);
        }
    }

    /// Refuses `--finalists` where no finalist is trained: it would change nothing.
    pub(crate) fn refuse_finalists(&self, task: &str) -> Result<()> {
        match self.finalists {
            None => Ok(()),
            Some(_) => bail!("--finalists: {task} trains none; leave the flag out"),
        }
    }

    /// The network asked for, for tasks that have several.
    pub(crate) fn network(&self) -> Option<&NetworkSpec> {
        self.network.as_ref()
    }

    /// The rule that is searched.
    pub(crate) fn spec(&self) -> Result<SamplerSpec> {
        Ok(SamplerSpec::new(["loss", "renormed_entropy"], self.transform)?)
    }

    /// Opens the devices and checks every value. `small`: one unit a core suits the task on the CPU. Results go to `runs/NAME` where no
    /// flag says otherwise.
    pub(crate) fn resolve(self, smoke: bool, small: bool, name: &str) -> Result<Run> {
        let seeds = self.seeds.unwrap_or(if smoke { 1 } else { 3 });
        if !(1..=10_000).contains(&seeds) {
            bail!("--seeds {seeds}: expected at least 1, and at most 10000");
        }
        let threads = rayon::current_num_threads();
        let devices = self.device.open(self.quiet)?;
        let on_cpu = devices.iter().all(|device| matches!(device, Device::Cpu));
        let jobs = self.jobs.unwrap_or(if on_cpu && small { threads } else { devices.len() });
        if jobs == 0 {
            bail!("--jobs 0: expected at least 1");
        }
        // A device has one stream, and steps are recorded on it: two units would record each other's.
        if jobs > devices.len() && devices.iter().any(|device| device.tensors().is_cuda()) {
            bail!(
                "--jobs {jobs} on {} device(s): expected at most one unit a GPU; to train several side by side on one, name it several times, as \
                 in --devices cuda:0,cuda:0",
                devices.len()
            );
        }
        let out = self.out.unwrap_or_else(|| format!("runs/{name}").into());
        Ok(Run { seeds, first_seed: self.first_seed.into(), jobs, threads, devices, out, quiet: self.quiet })
    }
}

impl Run {
    /// The seeds.
    pub(crate) fn seeds(&self) -> Range<u64> {
        self.first_seed..self.first_seed + self.seeds
    }

    /// The seeds, for a reader.
    pub(crate) fn seeds_text(&self) -> String {
        self.seeds().map(|seed| seed.to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Who computes units side by side.
    pub(crate) fn workers(&self) -> Workers<'_> {
        Workers { jobs: self.jobs, threads: self.threads, devices: &self.devices, out: &self.out }
    }

    /// Adds the arithmetic of the devices to what changes a result. The CPU is not named: its results are the same bits
    /// everywhere.
    pub(crate) fn add_arithmetic(&self, fingerprint: &mut Value) {
        if let Some(arithmetic) = self.devices.first().and_then(Device::arithmetic) {
            fingerprint["device"] = arithmetic.into();
        }
    }
}

/// The shares that `--noise` gives, ascending, each once; `check` refuses those that are none.
pub(crate) fn rates(given: &[f64], check: impl Fn(f64) -> Result<()>) -> Result<Vec<f64>> {
    for &rate in given {
        check(rate).context("--noise")?;
    }
    if given.is_empty() {
        bail!("--noise: expected at least one share");
    }
    let mut rates = given.to_vec();
    rates.sort_by(f64::total_cmp);
    rates.dedup();
    Ok(rates)
}

/// What a search costs beside the training of its choice, in units of one full training: all trials, and the other finalists.
pub(crate) fn search_work(recipe: &Recipe) -> f64 {
    trial_work(recipe) + recipe.finalists as f64 - 1.0
}

/// What all trials of a search cost, in the same units.
pub(crate) fn trial_work(recipe: &Recipe) -> f64 {
    recipe.trials as f64 * recipe.trial_epochs / recipe.train.epochs as f64
}
