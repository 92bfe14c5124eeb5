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
    let (task, settings) = ("table11_journal", &plan.settings(&parts));
    let shared = own_methods::Plan { task, settings, fingerprint: &fingerprint, said };
    let cells = own_methods::compute(shared, |noise, seed| {
        Ok(Experiment::on_text(&plan.experiment(&parts, noise)?, seed)?)
    })?;
    print(&render::write(&plan, &parts, fingerprint, &cells)?)?;
    Ok(())
}

fn said(result: &MethodResult) -> String {
    match result.perplexity() {
        Some(seen) => format!("perplexity {:.2} (validation {:.2})", seen.last, seen.validation),
        None => "no model".to_owned(),
    }
}
