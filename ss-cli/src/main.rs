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
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Search(args) => command::search::run(args),
        Command::Apply(args) => command::apply::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
