//! What is left to do when a signal ends the program.

/// From now on, an interrupt (Ctrl-C) or a request to end (SIGTERM) removes the temporary files of this process, such as those
/// of outputs that are being written, and then ends the program as it would have ended it anyway. Journals need nothing:
/// what they hold is continued. Signals that were ignored stay so: a shell script that runs this program in its background
/// means it. So do hang-ups, for `nohup`. Does nothing where there are no such signals; says so
/// when the system refuses.
#[cfg(unix)]
pub fn remove_unfinished_files_when_stopped() {
    if let Err(error) = listen() {
        eprintln!("an interrupt will leave unfinished files behind: {error}");
    }
}

/// There are no such signals here.
#[cfg(not(unix))]
pub fn remove_unfinished_files_when_stopped() {}

#[cfg(unix)]
fn listen() -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};

    let ignored = ignored_signals();
    let wanted = [SIGINT, SIGTERM].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
    let mut signals = signal_hook::iterator::Signals::new(wanted)?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            ss_data::remove_unfinished_files(|| {
                // Ends the process for these signals: the caller sees which it was.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            });
        }
    })?;
    Ok(())
}

/// The signals that this process ignores, a bit each, where the system tells (Linux); none elsewhere.
#[cfg(unix)]
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
