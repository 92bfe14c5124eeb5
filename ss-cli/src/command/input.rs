//! Flags for tables that other programs wrote.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use ss_data::{Shards, TableFormat, TableInput};

/// How input files are read.
#[derive(clap::Args)]
pub(crate) struct InputArgs {
    /// parquet, npy, npz or csv [default: by the name of the file, else by its first bytes]; standard input (`-`)
    /// needs it
    #[arg(long)]
    input_format: Option<TableFormat>,
    /// Take the column FROM for TO
    #[arg(long, value_name = "FROM=TO", value_parser = rename)]
    rename: Vec<(String, String)>,
}

impl InputArgs {
    /// Opens files that hold the same rows; `-` is standard input.
    pub(crate) fn open(&self, paths: &[PathBuf]) -> Result<TableInput> {
        let standard = |path: &PathBuf| path.as_os_str() == "-";
        let (streams, files): (Vec<PathBuf>, Vec<PathBuf>) = paths.iter().cloned().partition(standard);
        let mut input = match (streams.len(), self.input_format) {
            (0, format) => TableInput::open(&files, format)?,
            (1, Some(format)) => {
                TableInput::open_stream(&mut std::io::stdin().lock(), "stdin", format, &files)?
            }
            (1, None) => anyhow::bail!("standard input: name its format by --input-format {}", names()),
            _ => anyhow::bail!("standard input (`-`) can be read once only: give the others as files"),
        };
        for (from, to) in &self.rename {
            input = input.renamed(from, to)?;
        }
        Ok(input)
    }
}

fn names() -> String {
    TableFormat::ALL.map(TableFormat::name).join("|")
}

fn rename(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((from, to)) if !from.is_empty() && !to.is_empty() => Ok((from.to_owned(), to.to_owned())),
        _ => Err("expected FROM=TO, two column names".to_owned()),
    }
}

/// Where features of examples come from.
#[derive(clap::Args)]
pub(crate) struct FeatureArgs {
    /// Parquet, NPY, NPZ or CSV files of the same examples with an id column and one column a feature; `-` is
    /// standard input
    #[arg(long, required = true, num_args = 1..)]
    features: Vec<PathBuf>,
    /// Name of the id column
    #[arg(long, default_value = ss_data::ID_COLUMN)]
    id_column: String,
    /// Take the row numbers for identifiers: there is no id column
    #[arg(long, conflicts_with = "id_column")]
    row_ids: bool,
    #[command(flatten)]
    input: InputArgs,
}

impl FeatureArgs {
    pub(crate) fn open(&self) -> Result<TableInput> {
        self.input.open(&self.features)
    }

    /// The id column, if there is to be one.
    pub(crate) fn id_column(&self) -> Option<&str> {
        (!self.row_ids).then_some(self.id_column.as_str())
    }
}

/// Where the rows of a dataset come from, which may be too large for memory.
#[derive(clap::Args)]
pub(crate) struct ShardArgs {
    /// Parquet, NPY, NPZ or CSV files of the same examples with one column a feature, side by side; `-` is standard input
    #[arg(long, num_args = 1.., required_unless_present = "shards", conflicts_with = "shards")]
    features: Vec<PathBuf>,
    /// Files of different examples, one after another, each with all columns; a folder stands for the tables in it, in the
    /// order of their names
    #[arg(long, num_args = 1.., value_name = "FILE_OR_FOLDER")]
    shards: Vec<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
}

impl ShardArgs {
    /// Refuses to write `out` over a file that is read (one of `others`, too), and into a folder of shards, whose next reading
    /// would take it for one of them.
    pub(crate) fn check_output(&self, flag: &str, out: &Path, others: &[&Path]) -> Result<()> {
        let read = Shards::files(&self.shards)?;
        let read = read.iter().chain(&self.features).map(PathBuf::as_path).chain(others.iter().copied());
        check_not_read(flag, out, read)?;
        let Some(target) = place_of(out) else { return Ok(()) };
        let folder =
            self.shards.iter().find(|path| path.is_dir() && place_of(path).as_deref() == target.parent());
        if let Some(folder) = folder.filter(|_| TableFormat::of_name(out).is_some()) {
            bail!(
                "{flag}: {} would be one of the shards in {} when they are read again; choose another folder",
                out.display(),
                folder.display()
            );
        }
        Ok(())
    }

    pub(crate) fn open(&self) -> Result<Shards> {
        let inputs = if self.shards.is_empty() {
            vec![self.input.open(&self.features)?]
        } else {
            let files = Shards::files(&self.shards)?;
            files.into_iter().map(|file| self.input.open(&[file])).collect::<Result<_>>()?
        };
        Ok(Shards::new(inputs)?)
    }
}

/// Refuses to write `out` over one of the files that are read. `-` is no file.
pub(super) fn check_not_read<'a>(
    flag: &str,
    out: &Path,
    read: impl IntoIterator<Item = &'a Path>,
) -> Result<()> {
    let Some(target) = place_of(out) else { return Ok(()) };
    let is_file = |path: &&Path| path.as_os_str() != "-";
    let over = |path: &&Path| place_of(path).as_ref() == Some(&target);
    match read.into_iter().filter(is_file).find(over) {
        Some(path) => bail!("{flag}: {} is read as well; choose another file", path.display()),
        None => Ok(()),
    }
}

/// Whether two names stand for one file, which may not be there yet.
pub(super) fn same_place(a: &Path, b: &Path) -> bool {
    place_of(a).is_some_and(|place| place_of(b) == Some(place))
}

/// The place of a file that may not be there yet; `None` where its folder is not there.
fn place_of(path: &Path) -> Option<PathBuf> {
    if let Ok(place) = path.canonicalize() {
        return Some(place);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(folder.canonicalize().ok()?.join(path.file_name()?))
}

/// Rows with their identifiers.
#[derive(clap::Args)]
pub(crate) struct RowArgs {
    #[command(flatten)]
    shards: ShardArgs,
    /// Name of the id column
    #[arg(long, default_value = ss_data::ID_COLUMN)]
    id_column: String,
    /// Take the row numbers for identifiers, counted over all shards: there is no id column
    #[arg(long, conflicts_with = "id_column")]
    row_ids: bool,
    /// The number of the first row
    #[arg(long, default_value_t = 0, requires = "row_ids", conflicts_with = "id_column", value_name = "ROW", value_parser = clap::value_parser!(u64).range(..=1 << 62))]
    first_row: u64,
}

impl RowArgs {
    pub(crate) fn open(&self) -> Result<Shards> {
        self.shards.open()
    }

    /// As [`ShardArgs::check_output`].
    pub(crate) fn check_output(&self, flag: &str, out: &Path, others: &[&Path]) -> Result<()> {
        self.shards.check_output(flag, out, others)
    }

    /// The id column, if there is to be one.
    pub(crate) fn id_column(&self) -> Option<&str> {
        (!self.row_ids).then_some(self.id_column.as_str())
    }

    /// The number of the first row, where rows are known by their numbers.
    pub(crate) const fn first_row(&self) -> u64 {
        self.first_row
    }
}
