//! Bayesian optimisation over the unit cube.

mod config;
mod space;
mod surrogate;

pub use config::BoConfig;
pub use space::Projection;
pub(crate) use space::Space;
use surrogate::Observation;
pub use surrogate::Surrogate;

use ss_seed::{Seed, Stream};

use crate::acquisition::{Acquisition, Criterion, Search, max_distance, maximise};
use crate::error::{Error, Result, check_point};
use crate::gp::{GaussianProcess, SamplePath, moments};
use crate::ledger::Ledger;
use crate::optimizer::{Event, Optimizer};
use crate::sobol::Sobol;
use crate::trial::{Origin, Outcome, Recommendation, Suggestion, Trial, TrialId, TrialState};
use config::ValidConfig;

/// Bayesian optimisation: Gaussian processes with fitted noise and (noisy) log expected improvement, averaged
/// over plausible hyper-parameters. The score is **maximised**.
///
/// The user's designs are evaluated first, then scrambled Sobol points, then the model's suggestions. Trials in
/// flight are taken into account (the process is conditioned on its own mean there), and so are failed
/// ones (one posterior deviation worse than that). Suggestions are a function of the settings and of the
/// trials recorded; the number of threads does not matter.
///
/// ```
/// use ss_bo::{BayesOpt, BoConfig, Optimizer, Outcome};
///
/// let config = BoConfig { startup: vec![vec![0.5, 0.5]], seed: 3, ..BoConfig::default() };
/// let mut bo = BayesOpt::new(2, config)?;
/// for _ in 0..20 {
///     let trial = bo.ask()?;
///     let score = -(trial.x[0] - 0.8).powi(2) - (trial.x[1] - 0.4).powi(2);
///     bo.tell(trial.id, Outcome::Score(score))?;
/// }
/// assert!(bo.best().unwrap().observed > -0.01);
/// # Ok::<(), ss_bo::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BayesOpt {
    config: ValidConfig,
    space: Space,
    ledger: Ledger,
    /// Canonical points of the ledger's trials.
    canonical: Vec<Vec<f64>>,
    /// Indices of the completed trials, in the order in which they were told.
    completed: Vec<usize>,
    /// The model at the latest suggestion: saves work, decides nothing.
    model: Option<Surrogate>,
}

/// Quasi-random points tried before the space counts as used up.
const ATTEMPTS: usize = 4096;

/// Points closer than this are the same point wherever the user's wish or a Sobol point is concerned.
const SAME: f64 = 1e-9;

/// How hard the acquisition is maximised.
const SEARCH: Search = Search { sobol: 512, perturbed: 256, screened: 96, starts: 8, iterations: 40 };

/// What the best next trial promises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpectedImprovement {
    /// In standard deviations of the scores seen.
    pub relative: f64,
    /// In units of the score.
    pub score: f64,
}

/// Good evaluated points around which candidates are placed.
const CENTERS: usize = 5;

impl BayesOpt {
    /// An optimiser over `[0, 1]^dim`.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`], or a start-up design that is not a point of the cube.
    pub fn new(dim: usize, config: BoConfig) -> Result<Self> {
        Self::build(dim, config, None)
    }

    /// An optimiser over the canonical points of `[0, 1]^dim`.
    ///
    /// `projection` maps any point of the cube to its canonical representative in the cube (same length,
    /// `projection(projection(x)) = projection(x)`), where points with the same representative are the
    /// same design. The model sees canonical points only, no two suggestions share one, and all suggestions but
    /// the user's own designs are canonical.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`], also when the projection returns something that is not a point of the cube
    /// or is not idempotent (checked on the start-up designs and the first Sobol points).
    pub fn with_projection(dim: usize, config: BoConfig, projection: Projection) -> Result<Self> {
        let bo = Self::build(dim, config, Some(projection))?;
        let sobol = Sobol::new(dim, Seed::new(bo.config.seed).stream("projection-check"));
        let probes = (0..16).map(|i| sobol.point(i));
        for x in bo.config.startup.iter().cloned().chain(probes) {
            let once = bo.space.canonical(&x);
            check_point(&once, dim, || format!("the projection of {x:?}"))?;
            let twice = bo.space.canonical(&once);
            if twice.len() != dim || max_distance(&once, &twice) > SAME {
                return Err(Error::InvalidConfig {
                    field: "projection",
                    found: format!("{once:?} projected to {twice:?}"),
                    expected: "an idempotent map: canonical points stay where they are",
                });
            }
        }
        Ok(bo)
    }

    fn build(dim: usize, config: BoConfig, projection: Option<Projection>) -> Result<Self> {
        let config = config.check(dim)?;
        let space = Space::new(dim, projection);
        let (ledger, canonical, completed) = (Ledger::default(), Vec::new(), Vec::new());
        Ok(Self { config, space, ledger, canonical, completed, model: None })
    }

    /// The settings.
    pub fn config(&self) -> &BoConfig {
        &self.config
    }

    /// The model fitted to the completed trials; `None` before the first.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`], which the noise floor of the default priors rules out.
    pub fn surrogate(&self) -> Result<Option<Surrogate>> {
        let observation = |&trial: &usize| match self.ledger.trials()[trial].state {
            TrialState::Complete { score, variance } => {
                let (x, variance) = (self.canonical[trial].as_slice(), variance.unwrap_or(0.0));
                Some(Observation { trial, x, score, variance })
            }
            _ => None,
        };
        let observations: Vec<Observation> = self.completed.iter().filter_map(observation).collect();
        let stream = Seed::new(self.config.seed).stream("hyperparameters");
        Surrogate::of(&observations, &self.config, stream, self.model.as_ref())
    }

    fn is_new(&self, canonical: &[f64], distance: f64) -> bool {
        self.canonical.iter().all(|c| max_distance(c, canonical) > distance)
    }

    fn open(&mut self, x: Vec<f64>, origin: Origin) -> Suggestion {
        self.canonical.push(self.space.canonical(&x));
        self.ledger.open(x, origin)
    }

    /// The next quasi-random point that is new.
    fn ask_sobol(&mut self) -> Result<Suggestion> {
        let sobol = Sobol::new(self.space.dim(), Seed::new(self.config.seed).stream("startup"));
        let first = self.ledger.len();
        for i in 0..ATTEMPTS {
            let x = self.space.canonical(&sobol.point((first + i) as u64));
            if self.is_new(&x, SAME) {
                return Ok(self.open(x, Origin::Startup));
            }
        }
        Err(Error::Exhausted { known: first, attempts: ATTEMPTS })
    }

    /// The acquisition's maximiser among new points, if the model has anything to say.
    fn ask_model(&mut self) -> Result<Option<Vec<f64>>> {
        self.model = self.surrogate()?;
        let Some(surrogate) = &self.model else { return Ok(None) };
        let models = surrogate.condition_on_open_trials(self.ledger.trials(), &self.canonical)?;
        let stream = self.search_stream();
        let criterion = match self.config.acquisition {
            Acquisition::Thompson => {
                // Another model each time, as hyper-parameters are drawn along with the function.
                let gp = &models[self.ledger.len() % models.len()];
                Criterion::Draw(SamplePath::new(gp, stream.index(2)))
            }
            acquisition => belief(surrogate, acquisition, &models),
        };
        let centers = surrogate.best_points(CENTERS);
        let ranked = maximise(&criterion, &models[0], &self.space, &centers, SEARCH, stream);
        Ok(ranked.into_iter().find(|x| self.is_new(x, self.config.min_distance)))
    }

    /// How much the best next trial is expected to improve on the best posterior mean, whatever the acquisition
    /// that chooses it; `None` before the first completed trial.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`], as for [`surrogate`](Self::surrogate).
    pub fn expected_improvement(&self) -> Result<Option<ExpectedImprovement>> {
        let Some(surrogate) = self.surrogate()? else { return Ok(None) };
        let acquisition = Acquisition::LogNoisyEi;
        let models = surrogate.condition_on_open_trials(self.ledger.trials(), &self.canonical)?;
        let criterion = belief(&surrogate, acquisition, &models);
        let centers = surrogate.best_points(CENTERS);
        let ranked = maximise(&criterion, &models[0], &self.space, &centers, SEARCH, self.search_stream());
        // At the incumbent, where the scale is taken to be linear.
        let Some((_, incumbent)) = surrogate.best() else { return Ok(None) };
        let slope = surrogate.scale().slope(surrogate.scale().to_score(incumbent.mean));
        let scores: Vec<f64> = self.ledger.trials().iter().filter_map(Trial::score).collect();
        // Where all scores are equal, or too far apart to square, the scale's own unit stands in.
        let deviation = match moments(&scores).1 {
            d if d.is_normal() => d,
            _ => 1.0 / slope,
        };
        Ok(ranked.first().map(|x| {
            let score = criterion.value(x).exp() / slope;
            ExpectedImprovement { relative: score / deviation, score }
        }))
    }

    fn search_stream(&self) -> Stream {
        Seed::new(self.config.seed).stream("acquisition").index(self.ledger.len() as u64)
    }
}

/// The acquisition function of the surrogate's models, conditioned on trials in flight.
fn belief<'a>(
    surrogate: &Surrogate,
    acquisition: Acquisition,
    models: &'a [GaussianProcess],
) -> Criterion<'a> {
    Criterion::Belief { acquisition, models: models.iter().zip(surrogate.incumbents(acquisition)).collect() }
}

impl Optimizer for BayesOpt {
    fn name(&self) -> &'static str {
        "bo"
    }

    fn dim(&self) -> usize {
        self.space.dim()
    }

    fn ask(&mut self) -> Result<Suggestion> {
        let design =
            self.config.startup.iter().find(|x| self.is_new(&self.space.canonical(x), SAME)).cloned();
        if let Some(x) = design {
            return Ok(self.open(x, Origin::Enqueued));
        }
        if self.ledger.len() < self.config.startup_trials {
            return self.ask_sobol();
        }
        match self.ask_model()? {
            Some(x) => Ok(self.open(x, Origin::Model)),
            None => self.ask_sobol(),
        }
    }

    fn tell(&mut self, id: TrialId, outcome: Outcome) -> Result<()> {
        if self.ledger.close(id, outcome)?.score().is_some() {
            self.completed.push(id.0 as usize);
        }
        Ok(())
    }

    fn trials(&self) -> &[Trial] {
        self.ledger.trials()
    }

    /// Takes the record over as it is: suggestions depend on the trials alone, whoever made them.
    fn replay(&mut self, history: &[Event]) -> Result<()> {
        for event in history {
            match event {
                Event::Asked(Suggestion { id, x, origin }) => {
                    check_point(x, self.space.dim(), || format!("recorded trial {id}"))?;
                    if id.0 != self.ledger.len() as u64 {
                        return Err(Error::Diverged { id: *id });
                    }
                    self.open(x.clone(), *origin);
                }
                Event::Told(id, outcome) => self.tell(*id, outcome.clone())?,
            }
        }
        Ok(())
    }

    fn best(&self) -> Option<Recommendation> {
        let Ok(Some(surrogate)) = self.surrogate() else { return self.ledger.best_observed() };
        let (index, posterior) = surrogate.best()?;
        let trial = &self.ledger.trials()[index];
        let TrialState::Complete { score, .. } = trial.state else { return None };
        let mean = surrogate.scale().to_score(posterior.mean);
        Some(Recommendation {
            id: trial.id,
            x: trial.x.clone(),
            observed: score,
            mean,
            std: posterior.variance.sqrt() / surrogate.scale().slope(mean),
        })
    }
}
