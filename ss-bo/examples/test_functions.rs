//! Evaluates the benchmark's test problems for programs in other languages.
//!
//! One JSON request a line on standard input, one answer a line on standard output:
//! `{"list": true}` gives every problem's name, dimension and noise; `{"problem": "ackley10", "x": [...], "seed": 1, "trial": 0}`
//! gives `{"score": s, "regret": r}`, where the score carries the noise of that trial of that seed.

use std::io::{BufRead, Write};

use serde_json::{Value, json};
use ss_bo::testfunctions::PROBLEMS;

fn answer(request: &Value) -> Result<Value, String> {
    if request["list"] == true {
        let row = |p: &ss_bo::testfunctions::Problem| json!({"name": p.name, "dim": p.dim, "noise_std": p.noise_std});
        return Ok(json!(PROBLEMS.iter().map(row).collect::<Vec<_>>()));
    }
    let name = request["problem"].as_str().ok_or("missing `problem`")?;
    let problem = PROBLEMS.iter().find(|p| p.name == name).ok_or(format!("unknown problem `{name}`"))?;
    let x: Vec<f64> = request["x"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    if x.len() != problem.dim || x.iter().any(|v| !(0.0..=1.0).contains(v)) {
        return Err(format!("`x` must be {} numbers in [0, 1]", problem.dim));
    }
    let (seed, trial) = (request["seed"].as_u64().unwrap_or(0), request["trial"].as_u64().unwrap_or(0));
    Ok(json!({"score": problem.observe(&x, seed, trial), "regret": problem.regret(&x)}))
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let reply = serde_json::from_str(&line?).map_err(|e| e.to_string()).and_then(|r| answer(&r));
        writeln!(out, "{}", reply.unwrap_or_else(|error| json!({ "error": error })))?;
        out.flush()?;
    }
    Ok(())
}
