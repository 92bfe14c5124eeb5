//! `swift-sampler inspect`: what a sampler, a study or weights say.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::json;
use ss_cli::artifact;
use ss_cli::inspect::{self, SamplerFacts, StudyFacts, StudyReading, Style, Subject, WeightsFacts, rows_of};
use ss_cli::picture;
use ss_cli::progress::print;
use ss_data::{ID_COLUMN, Kind, NumericTable, Shape, TableFormat, TableInput};
use ss_features::FeatureKind;
use ss_sampler::Weights;

use super::draw::weight_column;
use super::input::{InputArgs, check_not_read};
use super::study::now;

/// Flags of `inspect`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A sampler.json, a study (its folder, or its study.log) or weights (Parquet, NPY, NPZ, CSV), told by their content
    path: PathBuf,
    /// Features of the examples, to show what a sampler or weights do to them: Parquet, NPY, NPZ or CSV files of the
    /// same rows; `-` is standard input
    #[arg(long, num_args = 1.., value_name = "FILE")]
    features: Vec<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    /// The column of the identifiers; where features or weights have none, rows belong together by their order
    #[arg(long, default_value = ID_COLUMN)]
    id_column: String,
    /// Of weights: the columns of --features to show, the first two as axes of the map [default: those of `swift-sampler
    /// features` that there are]
    #[arg(long, value_delimiter = ',', requires = "features", value_name = "A,B,...")]
    columns: Vec<String>,
    /// Of weights: their column [default: `probability`, `weight`, or the only one there is]
    #[arg(long)]
    column: Option<String>,
    /// Of weights: how many examples to list at each end
    #[arg(long, default_value_t = 5)]
    top: usize,
    /// Of a study: standard errors that the best rule must gain over uniform sampling to be preferred to it
    #[arg(long, default_value_t = 1.0)]
    caution: f64,
    /// Write a picture, too
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    /// Draw with ASCII characters only
    #[arg(long)]
    ascii: bool,
}

pub(crate) fn run(args: Args) -> Result<()> {
    let subject = Subject::recognise(&args.path)?;
    if !matches!(subject, Subject::Weights(..)) && (args.column.is_some() || !args.columns.is_empty()) {
        bail!("--column and --columns are for weights, but {} holds none", args.path.display());
    }
    if let (Some(svg), Subject::Sampler(path) | Subject::Study(path) | Subject::Weights(path, _)) =
        (&args.svg, &subject)
    {
        let read = std::iter::once(path).chain(&args.features).map(PathBuf::as_path);
        check_not_read("--svg", svg, read)?;
    }
    match &subject {
        Subject::Sampler(path) => sampler(&args, path),
        Subject::Study(path) => study(&args, path),
        Subject::Weights(path, format) => weights(&args, path, *format),
    }
}

fn sampler(args: &Args, path: &Path) -> Result<()> {
    let sampler = artifact::read_sampler(path)?;
    let names: Vec<&str> = sampler.spec().features().iter().map(String::as_str).collect();
    let table = features(args, |_| Ok(names.iter().map(|&name| name.to_owned()).collect()))?;
    let columns: Option<Vec<&[f32]>> = table.as_ref().map(|table| table.rows.slices());
    let facts = SamplerFacts::new(&sampler, columns.as_deref())?;
    if args.svg.is_some() {
        write_svg(args, &inspect::picture(&sampler, columns.as_deref())?)?;
    }
    show(args, "sampler", path, &facts, |style| facts.in_words(style))
}

fn study(args: &Args, path: &Path) -> Result<()> {
    if !args.features.is_empty() {
        bail!("--features are for samplers and weights: a study has its own");
    }
    let StudyReading { facts, picture } = StudyFacts::read(path, now(), args.caution)?;
    if args.svg.is_some() {
        let Some(picture) = picture else {
            bail!(
                "--svg: no rule to draw yet, or no features beside {} (a search writes them at its end)",
                path.display()
            );
        };
        write_svg(args, &picture)?;
    }
    show(args, "study", path, &facts, |style| facts.in_words(style))
}

fn weights(args: &Args, path: &Path, format: TableFormat) -> Result<()> {
    let input = TableInput::open(&[path.to_owned()], Some(format))?;
    let column = args.column.clone().unwrap_or_else(|| weight_column(&input));
    if input.shape(&column).is_none() {
        bail!(
            "{}: no column `{column}`; its columns are {}: name that of the weights by --column (a table of features \
             goes with weights or a sampler, by --features)",
            path.display(),
            input.column_names().join(", ")
        );
    }
    let (tau, ids) = read_weights(&input, &column, &args.id_column)?;
    let weights = Weights::new(tau).with_context(|| input.place_name())?;
    let table = features(args, |input| feature_columns(args, input))?;
    let (mut columns, mut ids) = (Vec::new(), ids);
    if let Some(Features { place, rows: table, by_id }) = table {
        let NumericTable { ids: known, columns: all } = table;
        columns = match &ids {
            Some(wanted) if by_id => match rows_of(wanted, &known, &place)? {
                None => all,
                Some(rows) => {
                    let pick = |values: Vec<f32>| rows.iter().map(|&row| values[row]).collect();
                    all.into_iter().map(|(name, values)| (name, pick(values))).collect()
                }
            },
            // Rows belong together by their order.
            _ if known.len() != weights.len() => bail!(
                "{place}: {} rows beside {} weights in {}, and no column `{}` in both to tell which belong together",
                known.len(),
                weights.len(),
                path.display(),
                args.id_column
            ),
            _ => all,
        };
        if ids.is_none() && by_id {
            ids = Some(known);
        }
    }
    let columns: Vec<(&str, &[f32])> =
        columns.iter().map(|(name, values)| (name.as_str(), values.as_slice())).collect();
    let facts = WeightsFacts::new(&weights, ids.as_deref(), &columns, args.top)?;
    if args.svg.is_some() {
        let plane = facts.on.as_ref().and_then(|on| on.plane.as_ref());
        write_svg(args, &picture::weights(&facts.distribution, plane)?)?;
    }
    show(args, "weights", path, &facts, |style| facts.in_words(style))
}

/// The weights, and their identifiers where there are some.
fn read_weights(input: &TableInput, column: &str, id_column: &str) -> Result<(Vec<f64>, Option<Vec<u64>>)> {
    let has_ids = input.shape(id_column).is_some() && id_column != column;
    let mut wanted = vec![(column, Kind::Number)];
    if has_ids {
        wanted.push((id_column, Kind::Integer));
    }
    let (mut tau, mut ids) = (Vec::new(), Vec::new());
    input.read(&wanted, |values, first_row| {
        tau.extend_from_slice(values[0].numbers());
        for (i, &id) in values.get(1).map_or(&[][..], |ids| ids.integers()).iter().enumerate() {
            ids.push(input.to_id(id, id_column, first_row + i)?);
        }
        ss_data::Result::Ok(())
    })?;
    Ok((tau, has_ids.then_some(ids)))
}

/// Features of examples.
struct Features {
    place: String,
    rows: NumericTable,
    /// Whether the rows have identifiers of their own.
    by_id: bool,
}

/// Reads the columns that `wanted` names of the files of --features, if there are any.
fn features(
    args: &Args,
    wanted: impl FnOnce(&TableInput) -> Result<Vec<String>>,
) -> Result<Option<Features>> {
    if args.features.is_empty() {
        return Ok(None);
    }
    let input = args.input.open(&args.features)?;
    let names = wanted(&input)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let by_id = input.shape(&args.id_column).is_some();
    let rows = NumericTable::read_input(&input, by_id.then_some(args.id_column.as_str()), &names)?;
    Ok(Some(Features { place: input.place_name(), rows, by_id }))
}

/// The columns that are shown beside weights.
fn feature_columns(args: &Args, input: &TableInput) -> Result<Vec<String>> {
    if !args.columns.is_empty() {
        return Ok(args.columns.clone());
    }
    let known = FeatureKind::ALL.map(FeatureKind::name).into_iter();
    let known: Vec<String> =
        known.filter(|name| input.shape(name) == Some(Shape::Scalar)).map(str::to_owned).collect();
    if known.is_empty() {
        bail!(
            "{}: its columns are {}; name those to show by --columns",
            input.place_name(),
            input.column_names().join(", ")
        );
    }
    Ok(known)
}

fn write_svg(args: &Args, svg: &str) -> Result<()> {
    if let Some(path) = &args.svg {
        artifact::write_text(path, svg)?;
    }
    Ok(())
}

/// Prints the facts as JSON or as text.
fn show(
    args: &Args,
    kind: &str,
    path: &Path,
    facts: &impl Serialize,
    words: impl FnOnce(Style) -> String,
) -> Result<()> {
    if args.json {
        let mut value = serde_json::to_value(facts)?;
        (value["kind"], value["path"]) = (json!(kind), json!(path));
        print(&format!("{value}\n"))?;
        return Ok(());
    }
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let mut out = format!("{}\n{}", path.display(), words(Style { ascii: args.ascii, colour }));
    if let Some(svg) = &args.svg {
        out += &format!("\nPicture written to {}\n", svg.display());
    }
    print(&out)?;
    Ok(())
}
