//! `reproduce-table11`: text. A language model is trained on windows of which some have lost the order of their tokens.

mod plan;
mod render;

use anyhow::Result;
use ss_cli::progress::print;
use ss_cli::{Experiment, MethodResult};

use crate::own_methods;
pub(crate) use plan::Args;
use plan::Plan;

/// Computes the cells that the journal of `--out` lacks, then writes and prints the table.
pub(crate) fn run(args: Args) -> Result<()> {
    let plan = Plan::resolve(args)?;
    let parts = plan.load()?;
    let fingerprint = plan.fingerprint(&parts)?;
    let shared = own_methods::Plan {
        task: "table11_journal",
        noise: &plan.noise,
        recipe: &plan.recipe(&parts),
        spec: &plan.spec,
        run: &plan.run,
        fingerprint: &fingerprint,
        said,
    };
    let cells = own_methods::compute(shared, |noise, seed| {
        Ok(Experiment::on_text(&plan.experiment(&parts, noise)?, seed)?)
    })?;
    print(&render::write(&plan, &parts, fingerprint, &cells)?);
    Ok(())
}

fn said(result: &MethodResult) -> String {
    format!("perplexity {:.2} (validation {:.2})", test(result), validation(result))
}

/// Test perplexity of the finished model; NaN without one.
fn test(result: &MethodResult) -> f64 {
    result.perplexity().map_or(f64::NAN, |perplexity| perplexity.last)
}

fn validation(result: &MethodResult) -> f64 {
    result.perplexity().map_or(f64::NAN, |perplexity| perplexity.validation)
}
