//! Batches that other threads make while the network trains on those before.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Batches that are made or waiting at a time, beside the one in use.
const AHEAD: usize = 2;

/// Makes batches: from the numbers of their members and a flag that says whether anybody still wants them; once it is set the
/// batch may be anything.
pub(crate) trait Make: Send + Sync + 'static {
    type Made: Send + 'static;

    fn make(&self, which: Range<usize>, abandoned: &AtomicBool) -> Self::Made;
}

/// Batches of the members `0..len`, in order and mostly of one size, made ahead on threads of their own.
///
/// What is asked for is always what is given: where it is not what was foreseen, it is made on the spot. So the only thing that
/// depends on the threads is how long one waits. After the drop, batches under way end at the next member.
pub(crate) struct Ahead<M: Make> {
    maker: Arc<M>,
    len: usize,
    coming: Mutex<VecDeque<Coming<M::Made>>>,
    abandoned: Arc<AtomicBool>,
}

struct Coming<T> {
    which: Range<usize>,
    made: Receiver<T>,
}

impl<M: Make> Ahead<M> {
    pub(crate) fn new(maker: M, len: usize) -> Self {
        let coming = Mutex::new(VecDeque::with_capacity(AHEAD));
        Self { maker: Arc::new(maker), len, coming, abandoned: Arc::default() }
    }

    /// The batch of these members; those that follow, in batches of as many, are begun.
    pub(crate) fn take(&self, which: Range<usize>) -> M::Made {
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = coming.pop_front();
        if next.as_ref().is_some_and(|next| next.which != which) {
            (next, *coming) = (None, VecDeque::new());
        }
        let mut first = coming.back().map_or(which.end, |last| last.which.end);
        while coming.len() < AHEAD && first < self.len && !which.is_empty() {
            let batch = first..(first + which.len()).min(self.len);
            first = batch.end;
            match self.begin(batch) {
                Some(begun) => coming.push_back(begun),
                None => break,
            }
        }
        drop(coming);
        let made = next.and_then(|next| next.made.recv().ok());
        // Nothing comes from a thread that has panicked; if that was no accident, it happens here again.
        made.unwrap_or_else(|| self.maker.make(which, &AtomicBool::new(false)))
    }

    fn begin(&self, which: Range<usize>) -> Option<Coming<M::Made>> {
        let (send, made) = sync_channel(1);
        let (maker, abandoned, batch) = (self.maker.clone(), self.abandoned.clone(), which.clone());
        threads()?.spawn(move || {
            // Nobody may be waiting any more.
            let _ = send.send(maker.make(batch, &abandoned));
        });
        Some(Coming { which, made })
    }
}

impl<M: Make> Drop for Ahead<M> {
    fn drop(&mut self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

/// The threads that all batches are made on, as many as rayon has by default; `None` where the system gives none. They are not
/// those of the trainer, which may be one thread that waits for a batch.
fn threads() -> Option<&'static ThreadPool> {
    static THREADS: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let name = |i| format!("ahead-{i}");
    // The default would end the program where one batch panics.
    let build = || ThreadPoolBuilder::new().thread_name(name).panic_handler(|_| ()).build().ok();
    THREADS.get_or_init(build).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    /// Makes the members themselves, and counts batches begun and ended.
    struct Count {
        begun: Arc<AtomicUsize>,
        ended: Arc<AtomicUsize>,
        slow: bool,
    }

    impl Make for Count {
        type Made = Vec<usize>;

        fn make(&self, which: Range<usize>, abandoned: &AtomicBool) -> Vec<usize> {
            self.begun.fetch_add(1, Ordering::SeqCst);
            while self.slow && !abandoned.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            self.ended.fetch_add(1, Ordering::SeqCst);
            assert!(which != (6..8), "a batch that cannot be made");
            which.collect()
        }
    }

    fn count(slow: bool) -> (Count, Arc<AtomicUsize>, Arc<AtomicUsize>) {
        let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        (Count { begun: begun.clone(), ended: ended.clone(), slow }, begun, ended)
    }

    fn wait_for(value: &AtomicUsize, expected: usize) {
        for _ in 0..5000 {
            if value.load(Ordering::SeqCst) == expected {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("{} instead of {expected}", value.load(Ordering::SeqCst));
    }

    #[test]
    fn whatever_is_asked_for_is_given() {
        let ahead = Ahead::new(count(false).0, 30);
        for which in [0..4, 4..8, 8..12, 20..21, 21..22, 0..5, 5..10, 10..15, 15..15, 28..30] {
            assert_eq!(ahead.take(which.clone()), which.collect::<Vec<_>>());
        }
    }

    #[test]
    fn no_more_than_two_batches_are_begun_before_they_are_asked_for() {
        let (maker, begun, _) = count(false);
        let ahead = Ahead::new(maker, 100);
        ahead.take(10..11);
        wait_for(&begun, 1 + AHEAD);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(begun.load(Ordering::SeqCst), 1 + AHEAD);
        ahead.take(11..12);
        wait_for(&begun, 2 + AHEAD);
    }

    #[test]
    fn batches_that_nobody_wants_any_more_end_soon() {
        let (maker, begun, ended) = count(true);
        let ahead = Ahead::new(maker, 100);
        let coming = [0..1, 1..2].map(|which| ahead.begin(which).unwrap());
        drop(coming);
        drop(ahead);
        wait_for(&ended, 2);
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_panic_ahead_is_one_of_who_asks() {
        let ahead = Ahead::new(count(false).0, 10);
        for first in [0, 2, 4] {
            ahead.take(first..first + 2);
        }
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ahead.take(6..8))).is_err());
        assert_eq!(ahead.take(8..10), [8, 9]);
    }
}
