//! Bayesian optimisation for other programs: one JSON request a line in, one JSON answer a line out.

use std::io::{BufRead, Write};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use ss_bo::{BayesOpt, BoConfig, Event, Optimizer, Origin, Outcome, Suggestion, TrialId};

/// What `--help` says.
pub(super) const PROTOCOL: &str = r#"Instead: let another program drive `bo` on a function of its own

One JSON request a line on standard input, one JSON answer a line on standard output:
  {"bounds": [[lo, hi], ...], "seed": s}  opens a study and drops an earlier one; answers {"ok": true}.
      The seed is 0 if left out. Values are minimised; add "direction": "maximize" for the contrary.
  {"ask": true}     answers {"id": n, "x": [...]}, within the bounds.
  {"tell": [x, y]}  records the value y at x, whether x was asked for or not (null: the evaluation failed);
      answers {"ok": true, "id": n}.
  {"best": true}    answers {"x": [...], "y": ...}: of the points told, the one with the best posterior mean,
      and the value told for it.
A request that cannot be served is answered by {"error": "..."} and changes nothing."#;

/// A line of input, before it is known to be exactly one request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    bounds: Option<Vec<[f64; 2]>>,
    seed: Option<u64>,
    direction: Option<Direction>,
    ask: Option<bool>,
    tell: Option<(Vec<f64>, Option<f64>)>,
    best: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    #[default]
    Minimize,
    Maximize,
}

/// Points this close, in units of the sides, are the same: room for the rounding of another language.
const SAME: f64 = 1e-9;

pub(super) fn run() -> Result<()> {
    let mut study = None;
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().split(b'\n') {
        let line = line.context("reading standard input")?;
        let reply = answer(&line, &mut study).unwrap_or_else(|error| json!({"error": format!("{error:#}")}));
        writeln!(out, "{reply}").and_then(|()| out.flush()).context("writing to standard output")?;
    }
    Ok(())
}

fn answer(line: &[u8], study: &mut Option<Study>) -> Result<Value> {
    let open = "no study is open: send {\"bounds\": [[lo, hi], ...], \"seed\": s} first";
    match serde_json::from_slice(line)? {
        Line { bounds: Some(bounds), seed, direction, ask: None, tell: None, best: None } => {
            *study = Some(Study::new(bounds, seed.unwrap_or(0), direction.unwrap_or_default())?);
            Ok(json!({"ok": true}))
        }
        Line { ask: Some(true), bounds: None, seed: None, direction: None, tell: None, best: None } => {
            study.as_mut().context(open)?.ask()
        }
        Line { tell: Some((x, y)), bounds: None, seed: None, direction: None, ask: None, best: None } => {
            study.as_mut().context(open)?.tell(x, y)
        }
        Line { best: Some(true), bounds: None, seed: None, direction: None, ask: None, tell: None } => {
            study.as_ref().context(open)?.best()
        }
        _ => bail!("expected exactly one of bounds (with seed and direction), ask: true, tell, best: true"),
    }
}

/// An optimiser of the unit cube behind the user's bounds and direction.
struct Study {
    bo: BayesOpt,
    bounds: Vec<[f64; 2]>,
    direction: Direction,
    /// The trials' points within the bounds, as they were sent or received.
    points: Vec<Vec<f64>>,
}

impl Study {
    fn new(bounds: Vec<[f64; 2]>, seed: u64, direction: Direction) -> Result<Self> {
        for (i, [low, high]) in bounds.iter().enumerate() {
            if !(low < high && (high - low).is_finite()) {
                bail!(
                    "bounds of coordinate {i} are [{low}, {high}], expected finite numbers, the lower first"
                );
            }
        }
        let bo = BayesOpt::new(bounds.len(), BoConfig { seed, ..BoConfig::default() })?;
        Ok(Self { bo, bounds, direction, points: Vec::new() })
    }

    fn ask(&mut self) -> Result<Value> {
        let suggestion = self.bo.ask()?;
        let scaled = suggestion.x.iter().zip(&self.bounds);
        // Rounding may step over the bound.
        let x: Vec<f64> =
            scaled.map(|(u, [low, high])| (low + u * (high - low)).clamp(*low, *high)).collect();
        self.points.push(x.clone());
        Ok(json!({"id": suggestion.id, "x": x}))
    }

    fn tell(&mut self, x: Vec<f64>, y: Option<f64>) -> Result<Value> {
        let unit = self.to_cube(&x)?;
        let outcome = match y {
            Some(y) => Outcome::Score(self.signed(y)),
            None => Outcome::Failed { reason: "no value".to_owned() },
        };
        let same = |known: &[f64]| known.iter().zip(&unit).all(|(a, b)| (a - b).abs() <= SAME);
        let asked = self.bo.trials().iter().find(|trial| trial.is_running() && same(&trial.x));
        let id = if let Some(trial) = asked {
            let id = trial.id;
            self.bo.tell(id, outcome)?;
            id
        } else {
            // A replayed trial, unlike an enqueued design, may repeat a point.
            let id = TrialId(self.points.len() as u64);
            let suggestion = Suggestion { id, x: unit, origin: Origin::Enqueued };
            self.bo.replay(&[Event::Asked(suggestion), Event::Told(id, outcome)])?;
            self.points.push(x);
            id
        };
        Ok(json!({"ok": true, "id": id}))
    }

    fn best(&self) -> Result<Value> {
        let best = self.bo.best().context("no value has been told yet")?;
        Ok(json!({"x": self.points[best.id.0 as usize], "y": self.signed(best.observed)}))
    }

    /// From the user's value to the score that is maximised, and back.
    fn signed(&self, value: f64) -> f64 {
        match self.direction {
            Direction::Minimize => -value,
            Direction::Maximize => value,
        }
    }

    fn to_cube(&self, x: &[f64]) -> Result<Vec<f64>> {
        if x.len() != self.bounds.len() {
            bail!("x has {} coordinates, expected {}", x.len(), self.bounds.len());
        }
        let scale = |(i, (x, [low, high])): (usize, (&f64, &[f64; 2]))| {
            let u = (x - low) / (high - low);
            if !(-SAME..=1.0 + SAME).contains(&u) {
                bail!("coordinate {i} of x is {x}, expected a number in [{low}, {high}]");
            }
            Ok(u.clamp(0.0, 1.0))
        };
        x.iter().zip(&self.bounds).enumerate().map(scale).collect()
    }
}
