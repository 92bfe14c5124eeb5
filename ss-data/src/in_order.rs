//! Pieces of work done by several threads, with the results taken in order.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

/// Pieces that are in work or wait for their turn, for each thread.
const AHEAD: usize = 2;

/// Takes pieces from `next` one after another, does `work` on them by `threads` threads, and hands the results to `done`
/// in the order of the pieces, on the thread of the caller. Only a few pieces are ahead of `done`: memory is theirs.
///
/// # Errors
/// The first error in the order of the pieces, whatever the threads; then nothing more is taken.
pub(crate) fn in_order<I: Send, T: Send, E: Send>(
    threads: usize,
    next: impl FnMut() -> Result<Option<I>, E> + Send,
    work: impl Fn(I) -> Result<T, E> + Sync,
    mut done: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let threads = threads.max(1);
    let (permit, permits) = sync_channel(AHEAD * threads);
    for _ in 0..AHEAD * threads {
        // There is room for all of them.
        let _ = permit.send(());
    }
    let source = Mutex::new(Source { next, permits, taken: 0, ended: false });
    let (sender, results) = channel();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, source, work) = (sender.clone(), &source, &work);
            scope.spawn(move || {
                while let Some((number, piece)) = source.lock().ok().and_then(|mut source| source.take()) {
                    // A panic is passed on by the caller, who would wait for this result otherwise.
                    let result = catch_unwind(AssertUnwindSafe(|| piece.and_then(work)));
                    if sender.send((number, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut expected = 0_usize;
        // Leaving this loop, however, drops the channels, and that ends the threads.
        for (number, result) in results {
            early.insert(number, result);
            while let Some(result) = early.remove(&expected) {
                result.unwrap_or_else(|panic| resume_unwind(panic)).and_then(&mut done)?;
                expected += 1;
                // No thread may be left to take it.
                let _ = permit.try_send(());
            }
        }
        drop(permit);
        Ok(())
    })
}

struct Source<N> {
    next: N,
    permits: std::sync::mpsc::Receiver<()>,
    taken: usize,
    ended: bool,
}

impl<N> Source<N> {
    fn take<I, E>(&mut self) -> Option<(usize, Result<I, E>)>
    where
        N: FnMut() -> Result<Option<I>, E>,
    {
        if self.ended || self.permits.recv().is_err() {
            return None;
        }
        let piece = (self.next)().transpose();
        self.ended = !matches!(piece, Some(Ok(_)));
        let number = self.taken;
        self.taken += 1;
        piece.map(|piece| (number, piece))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_come_in_order_and_few_are_ahead() {
        for threads in [1, 2, 7] {
            let (mut next, taken) = (0, AtomicUsize::new(0));
            let mut seen = Vec::new();
            in_order(
                threads,
                || {
                    next += 1;
                    taken.store(next, Ordering::Relaxed);
                    Ok((next <= 500).then_some(next))
                },
                |i| {
                    if i % 17 == 0 {
                        thread::yield_now();
                    }
                    Ok::<_, ()>(i * i)
                },
                |square| {
                    seen.push(square);
                    assert!(taken.load(Ordering::Relaxed) <= seen.len() + 2 * threads);
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(seen, (1..=500).map(|i| i * i).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_wins() {
        for threads in [1, 3, 8] {
            let mut next = 0;
            let count = || {
                next += 1;
                if next > 90 { Err(next) } else { Ok(Some(next)) }
            };
            let work = |i| if i >= 40 { Err(i) } else { Ok(i) };
            assert_eq!(in_order(threads, count, work, |_| Ok(())), Err(40));
        }
        let mut next = 0;
        let count = || {
            next += 1;
            if next > 90 { Err(next) } else { Ok(Some(next)) }
        };
        assert_eq!(in_order(4, count, Ok, |i| if i == 7 { Err(i) } else { Ok(()) }), Err(7));
        let none = in_order(4, || Err::<Option<u8>, _>("no"), Ok, |_| Ok(()));
        assert_eq!(none, Err("no"));
    }

    #[test]
    fn a_panic_of_a_thread_is_one_of_the_caller() {
        let mut next = 0;
        let count = || {
            next += 1;
            Ok::<_, ()>((next < 1_000).then_some(next))
        };
        let work = |i| if i == 30 { panic!("thirty") } else { Ok(()) };
        assert!(catch_unwind(AssertUnwindSafe(|| in_order(3, count, work, |()| Ok(())))).is_err());
    }
}
