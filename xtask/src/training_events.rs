//! What happens in training, as a line of progress.

use ss_cli::Recipe;
use ss_cli::method::Event;
use ss_cli::progress::Part;

/// Advances `part`, whose work is counted in full trainings, by what has happened.
pub(crate) fn show(part: &Part, event: Event, recipe: &Recipe) {
    let epoch_work = 1.0 / recipe.train.epochs as f64;
    let trial_work = recipe.trial_epochs * epoch_work;
    match event {
        Event::Epoch { method, epoch, epochs, loss, .. } => {
            part.advance(epoch_work, &format!("{method}, epoch {epoch}/{epochs}, loss {loss:.3}"));
        }
        Event::Trial { trial, trials, record, best } => {
            let score = match (record.score, record.pruned) {
                (Some(score), _) => format!("{score:.4}"),
                (None, Some(score)) => format!("stopped at {score:.4}"),
                (None, None) => "failed".to_owned(),
            };
            let line =
                format!("ss, trial {trial}/{trials} ({}): {score}, best so far {best:.4}", record.name);
            part.advance(trial_work, &line);
        }
        Event::Finished { .. } => {}
    }
}
