//! Independent units of work side by side, each with its share of the threads.

use std::sync::Mutex;

use anyhow::{Result, bail};
use ss_approx::Device;

use crate::settings::Settings;

/// Runs `work` on every unit, `settings.jobs` at a time, each on one of the settings' devices; after a failure no further unit is begun, and the first failure
/// is returned.
pub(crate) fn run<U: Send>(
    settings: &Settings,
    units: Vec<U>,
    work: impl Fn(U, &Device) -> Result<()> + Sync,
) -> Result<()> {
    if units.is_empty() {
        return Ok(());
    }
    let jobs = settings.jobs.min(units.len());
    let threads = (settings.threads / jobs).max(1);
    let queue = Mutex::new(units.into_iter());
    let failure: Mutex<Option<anyhow::Error>> = Mutex::new(None);
    let worker = |device: &Device| -> Result<()> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        loop {
            let stop = failure.lock().map_or(true, |failure| failure.is_some());
            let next = queue.lock().ok().and_then(|mut queue| queue.next());
            match next {
                Some(unit) if !stop => {
                    let work = &work;
                    pool.install(move || work(unit, device))?;
                }
                _ => return Ok(()),
            }
        }
    };
    let run = |device: &Device| {
        if let Err(error) = worker(device)
            && let Ok(mut failure) = failure.lock()
        {
            failure.get_or_insert(error);
        }
    };
    let whole = std::thread::scope(|scope| {
        let run = &run;
        let devices = settings.devices.iter().cycle().take(jobs);
        let handles: Vec<_> = devices.map(|device| scope.spawn(move || run(device))).collect();
        // Joined one by one: a scope that finds a panic panics itself.
        handles.into_iter().filter_map(|handle| handle.join().err()).count() == 0
    });
    match failure.into_inner() {
        Ok(None) if whole => Ok(()),
        Ok(Some(error)) => Err(error),
        _ => bail!("a worker panicked; what was finished is kept in {}", settings.out.display()),
    }
}
