//! What is left to do when a signal ends the program.

/// From now on, an interrupt (Ctrl-C) or a request to end (SIGTERM) removes the temporary files of outputs that are being
/// written, and then ends the program as it would have ended it anyway. Journals need nothing: what they hold is continued.
/// Hang-ups stay as they are, so that `nohup` works. Does nothing where there are no such signals.
///
/// # Errors
/// When the system refuses the handler.
#[cfg(unix)]
pub fn remove_unfinished_files_when_stopped() -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};

    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            ss_data::remove_unfinished_files();
            // Ends the process for these signals: the caller sees which it was.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    })?;
    Ok(())
}

/// There are no such signals here.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn remove_unfinished_files_when_stopped() -> std::io::Result<()> {
    Ok(())
}
