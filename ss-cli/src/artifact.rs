//! The files that a search leaves behind and that other runs read.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use ss_data::NumericTable;
use ss_features::FeatureTable;
use ss_sampler::{Sampler, SamplerParams, SamplerSpec, Weights};

use crate::method::Search;
use crate::{Error, Experiment, Result, picture};

/// Creates `folder` where it is missing and makes sure that files can be written there: to be called before
/// the work, not after hours of it. Leaves no file behind.
///
/// # Errors
/// [`Error::Folder`] with the system's reason.
pub fn prepare_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .and_then(|()| tempfile::tempfile_in(folder))
        .map(drop)
        .map_err(|reason| Error::Folder { path: folder.to_owned(), reason })
}

/// A folder that no other run works in while this value lives.
#[derive(Debug)]
pub struct FolderLock {
    /// Absent where the system does not lock folders.
    _handle: Option<File>,
}

/// Takes `folder` for one run; a second is refused. The lock leaves no file behind and ends with the process, be it
/// by a kill.
///
/// # Errors
/// [`Error::FolderInUse`].
pub fn lock_folder(folder: &Path) -> Result<FolderLock> {
    // Not every system opens folders as files, and not every file system locks: then there is no lock.
    let Ok(handle) = File::open(folder) else { return Ok(FolderLock { _handle: None }) };
    match handle.try_lock() {
        Ok(()) => Ok(FolderLock { _handle: Some(handle) }),
        Err(TryLockError::WouldBlock) => Err(Error::FolderInUse { path: folder.to_owned() }),
        Err(TryLockError::Error(_)) => Ok(FolderLock { _handle: None }),
    }
}

/// As [`lock_folder`], but waits so long for a run that has the folder.
///
/// # Errors
/// [`Error::FolderInUse`] after that time.
pub fn wait_for_folder(folder: &Path, patience: Duration) -> Result<FolderLock> {
    let start = Instant::now();
    loop {
        match lock_folder(folder) {
            Err(Error::FolderInUse { .. }) if start.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(20));
            }
            result => return result,
        }
    }
}

/// `weights.parquet`, `features.parquet`, `rule.svg`, `summary.md`, `report.html` and, last, `sampler.json` in
/// `folder`, each whole or not at all. `summary` and `report` are the texts of two of them.
pub fn write_search(
    folder: &Path,
    experiment: &Experiment,
    spec: &SamplerSpec,
    search: &Search,
    provenance: BTreeMap<String, String>,
    summary: &str,
    report: &str,
) -> Result<()> {
    prepare_folder(folder)?;
    let features = &search.uniform.features;
    let sampler = fit(spec, &search.outcome.params, features, provenance)?;
    // Without noise of ours, nobody knows which labels are wrong.
    let wrong = experiment.wrong.contains(&true).then_some(experiment.wrong.as_slice());
    let picture =
        picture::draw(&search.outcome.ranked, &search.outcome.params, &search.outcome.weights, wrong)?;
    write_weights(&folder.join("weights.parquet"), experiment.train_ids.clone(), &search.outcome.weights)?;
    write_features(&folder.join("features.parquet"), experiment.train_ids.clone(), features)?;
    write_text(&folder.join("rule.svg"), &picture)?;
    write_text(&folder.join("summary.md"), summary)?;
    write_text(&folder.join("report.html"), report)?;
    write_text(&folder.join("sampler.json"), &(sampler.to_json()? + "\n"))
}

/// The rule with the distributions of the features that it was searched on.
pub fn fit(
    spec: &SamplerSpec,
    params: &SamplerParams,
    features: &FeatureTable,
    provenance: BTreeMap<String, String>,
) -> Result<Sampler> {
    let columns = features.select(spec.features())?;
    Ok(Sampler::fit(spec.clone(), params, &columns, features.column("grad_norm")?, provenance)?)
}

/// Reads a `sampler.json`.
pub fn read_sampler(path: &Path) -> Result<Sampler> {
    let text =
        std::fs::read_to_string(path).map_err(|reason| Error::File { path: path.to_owned(), reason })?;
    Sampler::from_json(&text).map_err(|reason| Error::SamplerFile { path: path.to_owned(), reason })
}

/// Writes probabilities by id.
pub fn write_weights(path: &Path, ids: Vec<u64>, weights: &Weights) -> Result<()> {
    Ok(ss_data::Weights::new(ids, weights.probabilities())?.write_parquet(path)?)
}

fn write_features(path: &Path, ids: Vec<u64>, features: &FeatureTable) -> Result<()> {
    let columns = features
        .names()
        .map(|name| Ok((name.to_owned(), features.column(name)?.to_vec())))
        .collect::<Result<Vec<_>>>()?;
    Ok(NumericTable { ids, columns }.write_parquet(path)?)
}

/// Writes a text file, whole or not at all.
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    Ok(ss_data::write_atomically(path, |file| file.write_all(text.as_bytes()))?)
}
