//! `reproduce-table6`: few-shot recognition. Networks are trained on some characters, some of the labels wrong, and tell others apart
//! from a few drawings of each.

mod plan;
mod render;

use anyhow::Result;
use ss_cli::MethodResult;
use ss_cli::progress::print;

use crate::own_methods;
pub(crate) use plan::Args;
use plan::Plan;

/// Computes the cells that the journal of `--out` lacks, then writes and prints the table.
pub(crate) fn run(args: Args) -> Result<()> {
    let plan = Plan::resolve(args)?;
    let data = plan.load()?;
    let fingerprint = plan.fingerprint(&data)?;
    let task = "table6_journal";
    let shared = own_methods::Plan { task, settings: &plan.settings, fingerprint: &fingerprint, said };
    let cells = own_methods::compute(shared, |noise, seed| plan.experiment(&data, noise, seed))?;
    print(&render::write(&plan, &data, fingerprint, &cells)?)?;
    Ok(())
}

fn said(result: &MethodResult) -> String {
    let accuracies: Vec<String> = result
        .few_shot()
        .iter()
        .map(|seen| format!("{:.2} with {}", 100.0 * seen.mean, seen.of.shots))
        .collect();
    format!("{} shot (validation {:.2})", accuracies.join(", "), result.val_top1)
}
