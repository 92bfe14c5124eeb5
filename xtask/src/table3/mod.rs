//! `reproduce-table3`: faces. Networks are trained on some people, some of the labels wrong, and verify pairs of pictures of others.

mod plan;
mod render;
mod roc;

use anyhow::Result;
use ss_cli::MethodResult;
use ss_cli::progress::print;

use crate::own_methods;
pub(crate) use plan::Args;
use plan::Plan;

/// Computes the cells that the journal of `--out` lacks, then writes and prints the table.
pub(crate) fn run(args: Args) -> Result<()> {
    let plan = Plan::resolve(args)?;
    let faces = plan.load()?;
    let fingerprint = plan.fingerprint(&faces)?;
    let task = "table3_journal";
    let shared = own_methods::Plan { task, settings: &plan.settings, fingerprint: &fingerprint, said };
    let cells = own_methods::compute(shared, |noise, seed| plan.experiment(&faces, noise, seed))?;
    print(&render::write(&plan, &faces, fingerprint, &cells)?)?;
    Ok(())
}

fn said(result: &MethodResult) -> String {
    match result.verification() {
        Some(seen) => format!(
            "verification {:.2} by folds (validation {:.2})",
            100.0 * seen.accuracy.mean,
            result.val_top1
        ),
        None => "no model".to_owned(),
    }
}
