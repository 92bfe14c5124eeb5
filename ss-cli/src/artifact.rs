//! The files that a search leaves behind and that other runs read.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use ss_data::NumericTable;
use ss_features::FeatureTable;
use ss_sampler::{Sampler, SamplerParams, SamplerSpec, Weights};

use crate::method::Search;
use crate::{Error, Experiment, Result};

/// `sampler.json`, `weights.parquet`, `features.parquet` and `summary.md` in `folder`, each whole or not at
/// all.
pub fn write_search(
    folder: &Path,
    experiment: &Experiment,
    spec: &SamplerSpec,
    search: &Search,
    provenance: BTreeMap<String, String>,
    summary: &str,
) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|source| Error::File { path: folder.to_owned(), source })?;
    let features = &search.uniform.features;
    let sampler = fit(spec, &search.outcome.params, features, provenance)?;
    write_text(&folder.join("sampler.json"), &(sampler.to_json()? + "\n"))?;
    write_weights(&folder.join("weights.parquet"), experiment.train_ids.clone(), &search.outcome.weights)?;
    write_features(&folder.join("features.parquet"), experiment.train_ids.clone(), features)?;
    write_text(&folder.join("summary.md"), summary)
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
    let text = std::fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    Sampler::from_json(&text).map_err(|source| Error::SamplerFile { path: path.to_owned(), source })
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
