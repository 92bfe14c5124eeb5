//! Independent units of work side by side, each with its share of the threads.

use std::path::Path;
use std::sync::Mutex;

use anyhow::{Result, bail};
use ss_approx::Device;

/// Who works.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workers<'a> {
    /// How many units at a time, at least 1.
    pub(crate) jobs: usize,
    /// Threads that they share.
    pub(crate) threads: usize,
    /// Devices that they are dealt to in turn, at least one.
    pub(crate) devices: &'a [Device],
    /// Where finished units are kept, for a message.
    pub(crate) out: &'a Path,
}

/// Runs `work` on every unit, `jobs` at a time, each on one of the devices; after a failure no further unit is begun, and the
/// first failure is returned.
pub(crate) fn run<U: Send>(
    workers: Workers,
    units: Vec<U>,
    work: impl Fn(U, &Device) -> Result<()> + Sync,
) -> Result<()> {
    if units.is_empty() {
        return Ok(());
    }
    let jobs = workers.jobs.min(units.len());
    let threads = (workers.threads / jobs).max(1);
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
        let devices = workers.devices.iter().cycle().take(jobs);
        let handles: Vec<_> = devices.map(|device| scope.spawn(move || run(device))).collect();
        // Joined one by one: a scope that finds a panic panics itself.
        handles.into_iter().filter_map(|handle| handle.join().err()).count() == 0
    });
    match failure.into_inner() {
        Ok(None) if whole => Ok(()),
        Ok(Some(error)) => Err(error),
        _ => bail!("a worker panicked; what was finished is kept in {}", workers.out.display()),
    }
}
