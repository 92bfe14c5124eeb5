//! The result as tables for readers.

use ss_approx::Score;

use super::effect::Mean;
use super::reference::BAR;
use super::summary::{Quartiles, ReferenceRow, Row, SearchRow};
use crate::markdown_table::aligned;

/// The tables and what their columns mean.
pub(super) fn tables(rows: &[Row], score: Score, real: bool) -> String {
    let truth = if real { "true labels" } else { "no noise" };
    let meaning = if real {
        "`score`: on the noisy validation labels, all that a search is told. `true labels`: accuracy on the true\n\
         labels of the same validation images. `test`: accuracy on the test images. Neither is told to a search."
    } else {
        "`score`: with noise, all that a search is told; references have none. `no noise`: the score without\n\
         noise, which no search is told. `regret`: how far that lies below the optimum over all weightings."
    };
    format!(
        "{meaning}\n\
         Median [quartiles] over seeds; percent, or nats for a likelihood. `- {BAR}`: mean difference from the rule\n\
         that drops the 35% largest losses, paired by seed.\n\n{}\n\
         `best N`: best score of a trial so far, after N trials. `recommended`: the rule that the optimiser would use.\n\
         Scores of both were chosen for being high, so they are too high; what was not told is not.\n\
         `reached`: seeds on which a trial scored at least what {BAR} scores, and the median number of trials until\n\
         it did. `{truth} reached`: seeds on which the recommended rule is at least as good as {BAR} in truth.\n\n{}",
        references(rows, score, truth),
        searches(rows, score, truth, real)
    ) + &effects(rows, score, truth, real)
}

fn effects(rows: &[Row], score: Score, truth: &str, real: bool) -> String {
    let mut header =
        vec!["gain from".to_owned(), "given".into(), "seeds".into(), "best".into(), truth.to_owned()];
    if real {
        header.push("test".to_owned());
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Effect(row) => Some(row),
            Row::Reference(_) | Row::Search(_) => None,
        })
        .map(|row| {
            let mut cells = vec![row.buys.to_owned(), row.given.to_owned(), row.seeds.to_string()];
            cells.extend([gain(row.best, score), gain(row.truth, Score::Accuracy)]);
            if real {
                cells.push(gain(row.test, Score::Accuracy));
            }
            cells
        })
        .collect();
    if cells.is_empty() {
        return String::new();
    }
    format!(
        "\nDifferences between arms, paired by seed: mean +- standard error. `best`: of the best score of a trial; \
         the others of\nthe recommended rule.\n\n{}",
        aligned(&header, &cells)
    )
}

fn references(rows: &[Row], score: Score, truth: &str) -> String {
    let header = ["weighting", "seeds", "score", truth, &format!("- {BAR}"), "test"].map(str::to_owned);
    let cells = rows.iter().filter_map(|row| match row {
        Row::Reference(row) => Some(reference(row, score)),
        Row::Search(_) | Row::Effect(_) => None,
    });
    aligned(&header, &cells.collect::<Vec<_>>())
}

fn reference(row: &ReferenceRow, score: Score) -> [String; 6] {
    [
        row.name.clone(),
        row.seeds.len().to_string(),
        show(row.score, score),
        show(row.truth, Score::Accuracy),
        points(row.truth_minus_bar),
        show(row.test, Score::Accuracy),
    ]
}

fn searches(rows: &[Row], score: Score, truth: &str, real: bool) -> String {
    let rows: Vec<&SearchRow> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Search(row) => Some(row.as_ref()),
            Row::Reference(_) | Row::Effect(_) => None,
        })
        .collect();
    let marks: Vec<usize> =
        rows.first().map_or(Vec::new(), |row| row.best.iter().map(|b| b.trials).collect());
    let progress = |row: &SearchRow| -> String {
        row.best.iter().map(|b| show(b.score, score)).collect::<Vec<_>>().join(" / ")
    };
    let mut header = vec![
        "arm".to_owned(),
        "seeds".to_owned(),
        format!("best {}", marks.iter().map(usize::to_string).collect::<Vec<_>>().join(" / ")),
        "reached".to_owned(),
        "trials".to_owned(),
        "recommended: score".to_owned(),
        truth.to_owned(),
        format!("- {BAR}"),
        format!("{truth} reached"),
        if real { "test" } else { "regret" }.to_owned(),
    ];
    if real {
        header.push(format!("test - {BAR}"));
    }
    let cells = rows.iter().map(|row| {
        let reached: Vec<usize> = row.trials_to_bar.iter().flatten().copied().collect();
        let seeds = row.seeds.len();
        let mut cells = vec![
            row.arm.to_string(),
            seeds.to_string(),
            progress(row),
            format!("{}/{seeds}", reached.len()),
            median_trials(&row.trials_to_bar),
            show(row.recommended_score, score),
            show(row.recommended_truth, Score::Accuracy),
            points(row.truth_minus_bar),
            format!("{}/{seeds}", row.truths_at_bar),
            if real {
                show(row.recommended_test, Score::Accuracy)
            } else {
                show(row.regret, Score::Accuracy)
            },
        ];
        if real {
            cells.push(points(row.test_minus_bar));
        }
        cells
    });
    aligned(&header, &cells.collect::<Vec<_>>())
}

/// The median over seeds, where a search that never got there counts as longer than any other.
fn median_trials(trials: &[Option<usize>]) -> String {
    let mut sorted: Vec<usize> = trials.iter().map(|t| t.unwrap_or(usize::MAX)).collect();
    sorted.sort_unstable();
    match sorted.get((sorted.len().max(1) - 1) / 2) {
        Some(&median) if median < usize::MAX => median.to_string(),
        _ => "never".to_owned(),
    }
}

fn show(quartiles: Option<Quartiles>, score: Score) -> String {
    let Some(Quartiles { median, q25, q75 }) = quartiles else { return String::new() };
    match score {
        Score::Accuracy | Score::Verification | Score::NearestCentroid => {
            format!("{:.2} [{:.2}, {:.2}]", 100.0 * median, 100.0 * q25, 100.0 * q75)
        }
        Score::Likelihood | Score::Calibrated => format!("{median:.4} [{q25:.4}, {q75:.4}]"),
    }
}

fn points(difference: Option<f64>) -> String {
    difference.map_or_else(String::new, |d| format!("{:+.2}", 100.0 * d))
}

fn gain(gain: Option<Mean>, score: Score) -> String {
    let Some(Mean { mean, standard_error }) = gain else { return String::new() };
    let (scale, digits) = match score {
        Score::Accuracy | Score::Verification | Score::NearestCentroid => (100.0, 2),
        Score::Likelihood | Score::Calibrated => (1.0, 4),
    };
    let error = standard_error.map_or_else(String::new, |e| format!(" +- {:.digits$}", scale * e));
    format!("{:+.digits$}{error}", scale * mean)
}
