//! Independent pieces of work side by side, each on its share of the threads.

use std::sync::Mutex;

use anyhow::{Result, bail};

/// Does `work` on every item, at most `jobs` at a time, each with its own pool of `threads / jobs` threads. After the
/// first error no further item is begun, and that error is returned.
pub(crate) fn side_by_side<T: Send>(
    jobs: usize,
    threads: usize,
    items: Vec<T>,
    work: impl Fn(T) -> Result<()> + Sync,
) -> Result<()> {
    let jobs = jobs.min(items.len());
    if jobs == 0 {
        return Ok(());
    }
    let threads = (threads / jobs).max(1);
    let queue = Mutex::new(items.into_iter());
    let failure: Mutex<Option<anyhow::Error>> = Mutex::new(None);
    let worker = || -> Result<()> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        loop {
            let stop = failure.lock().map_or(true, |failure| failure.is_some());
            let next = queue.lock().ok().and_then(|mut queue| queue.next());
            match next {
                Some(item) if !stop => pool.install(|| work(item))?,
                _ => return Ok(()),
            }
        }
    };
    let whole = std::thread::scope(|scope| {
        let run = || {
            if let Err(error) = worker()
                && let Ok(mut failure) = failure.lock()
            {
                failure.get_or_insert(error);
            }
        };
        let handles: Vec<_> = (0..jobs).map(|_| scope.spawn(run)).collect();
        // Joined one by one: a scope that finds a panic panics itself.
        handles.into_iter().filter_map(|handle| handle.join().err()).count() == 0
    });
    match failure.into_inner() {
        Ok(None) if whole => Ok(()),
        Ok(Some(error)) => Err(error),
        _ => bail!("a worker panicked; what had been finished is kept"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_item_is_done_once() {
        let sum = AtomicUsize::new(0);
        side_by_side(3, 2, (1..=100).collect(), |item: usize| {
            sum.fetch_add(item, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
        assert_eq!(sum.into_inner(), 5050);
        side_by_side(2, 2, Vec::<usize>::new(), |_| bail!("there is nothing to do")).unwrap();
    }

    #[test]
    fn the_first_error_ends_the_work() {
        let begun = AtomicUsize::new(0);
        let error = side_by_side(1, 1, (0..100).collect(), |item: usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            if item == 3 { bail!("item {item}") } else { Ok(()) }
        });
        assert_eq!(error.unwrap_err().to_string(), "item 3");
        assert_eq!(begun.into_inner(), 4);
    }
}
