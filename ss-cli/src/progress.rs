//! Progress of long work: bars on a terminal, a line now and then elsewhere, nothing when quiet.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Least time between two lines of one part when there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows how much of a known amount of work is done, what each worker is at, and the time left.
///
/// Work is counted in full trainings; parts of one are fractions.
pub struct Progress {
    sink: Sink,
    state: Mutex<State>,
}

enum Sink {
    Quiet,
    Lines,
    Bars { bars: MultiProgress, total: ProgressBar },
}

struct State {
    began: Instant,
    last_line: Option<Instant>,
    done: f64,
    work: f64,
}

/// One worker's line in the display.
pub struct Part<'a> {
    progress: &'a Progress,
    bar: Option<ProgressBar>,
    label: String,
}

/// Parts of a full training in one tick of the overall bar.
const TICKS: f64 = 1000.0;

impl Progress {
    /// A display for `work` full trainings.
    pub fn new(work: f64, quiet: bool) -> Self {
        let sink = if quiet {
            Sink::Quiet
        } else if std::io::stderr().is_terminal() {
            let bars = MultiProgress::new();
            let total = bars.add(ProgressBar::new((work * TICKS) as u64));
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}") {
                total.set_style(style);
            }
            Sink::Bars { bars, total }
        } else {
            Sink::Lines
        };
        let state = State { began: Instant::now(), last_line: None, done: 0.0, work };
        Self { sink, state: Mutex::new(state) }
    }

    /// A line for one worker.
    pub fn part(&self, label: impl Into<String>) -> Part<'_> {
        let label = label.into();
        let bar = match &self.sink {
            Sink::Bars { bars, .. } => {
                let bar = bars.add(ProgressBar::new_spinner());
                bar.set_message(label.clone());
                Some(bar)
            }
            Sink::Quiet | Sink::Lines => None,
        };
        Part { progress: self, bar, label }
    }

    /// A line that stays, such as a finished cell.
    pub fn keep(&self, line: &str) {
        match &self.sink {
            Sink::Quiet => {}
            // A reader that has gone away is no reason to stop the work.
            Sink::Lines => drop(writeln!(std::io::stderr(), "{line}")),
            Sink::Bars { bars, .. } => drop(bars.println(line)),
        }
    }

    /// Removes the bars.
    pub fn finish(&self) {
        if let Sink::Bars { bars, .. } = &self.sink {
            drop(bars.clear());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Part<'_> {
    /// Reports `done` more full trainings and what is going on.
    pub fn advance(&self, done: f64, doing: &str) {
        let mut state = self.progress.lock();
        state.done = (state.done + done).min(state.work);
        let left = time_left(&state);
        match &self.progress.sink {
            Sink::Quiet => {}
            Sink::Lines => {
                let due = state.last_line.is_none_or(|last| last.elapsed() >= LINE_EVERY);
                if due {
                    state.last_line = Some(Instant::now());
                    let percent = 100.0 * state.done / state.work;
                    drop(writeln!(std::io::stderr(), "[{percent:3.0}% {left}] {}: {doing}", self.label));
                }
            }
            Sink::Bars { total, .. } => {
                total.set_position((state.done * TICKS) as u64);
                total.set_message(left);
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("{}: {doing}", self.label));
                    bar.tick();
                }
            }
        }
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Prints to standard output; a reader that has gone away is not an error.
///
/// # Errors
/// Any other reason why the text could not be written, such as a full disk.
pub fn print(text: &str) -> std::io::Result<()> {
    match hand_over(text) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints to standard output what somebody must have read.
///
/// # Errors
/// Any reason why the text could not be written, a reader that has gone away among them.
pub fn hand_over(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

fn time_left(state: &State) -> String {
    let share = state.done / state.work;
    if share <= 0.0 {
        return "time left unknown".into();
    }
    let seconds = state.began.elapsed().as_secs_f64() * (1.0 - share) / share;
    match seconds.round() as u64 {
        s @ 0..60 => format!("{s} s left"),
        s @ 60..3600 => format!("{} min {:02} s left", s / 60, s % 60),
        s => format!("{} h {:02} min left", s / 3600, s / 60 % 60),
    }
}
