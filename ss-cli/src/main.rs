//! `swift-sampler`: learn how a training set should be sampled, and apply what was learned.

mod command;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Learns how a training set should be sampled.
#[derive(Parser)]
#[command(name = "swift-sampler", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Search a sampler on a dataset: writes sampler.json, weights.parquet, features.parquet and a summary
    Search(command::search::Args),
    /// Turn features of any examples into sampling probabilities with a learned sampler
    Apply(command::apply::Args),
    /// Count a dataset that is too large for one process, part by part, for `apply --sketch`
    #[command(subcommand)]
    Sketch(command::sketch::Command),
    /// Compute the features of examples from the logits of any network
    Features(command::features::Args),
    /// Write the order of an epoch as a file, for a training program of your own
    Draw(command::draw::Args),
    /// Show what a sampler, a study or weights say: in words, and as drawings in the terminal or as SVG
    Inspect(command::inspect::Args),
    /// Search a sampler for a training program of your own, which asks for rules and tells their scores
    #[command(subcommand)]
    Study(command::study::Command),
}

fn main() -> ExitCode {
    let done = |result: anyhow::Result<()>| result.map(|()| ExitCode::SUCCESS);
    let command = Cli::parse().command;
    ss_cli::interruption::remove_unfinished_files_when_stopped();
    let result = match command {
        Command::Search(args) => done(command::search::run(args)),
        Command::Apply(args) => done(command::apply::run(args)),
        Command::Sketch(command) => done(command::sketch::run(command)),
        Command::Features(args) => done(command::features::run(args)),
        Command::Draw(args) => done(command::draw::run(args)),
        Command::Inspect(args) => done(command::inspect::run(args)),
        Command::Study(command) => command::study::run(command),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
