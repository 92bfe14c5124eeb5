//! Reproduction of the paper's tables, benches and checks: `cargo xtask --help`.

mod bench;
mod chart;
mod fidelity;
mod figure3;
mod journal;
mod markdown_table;
mod settings;
mod table1;
mod tidy;
mod workers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Reproduces the tables of the Swift Sampler paper, runs the benches and checks the source tree.
#[derive(Parser)]
#[command(name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Table 1: methods against label noise.
    ReproduceTable1(Box<table1::Args>),
    /// The fast approximation: do short trials rank samplers as full trainings do?
    ReproduceFidelity(Box<fidelity::Args>),
    /// Figure 3: what searches over the cgf, over the cdf and by other optimisers have found after each trial.
    ReproduceFigure3(Box<figure3::Args>),
    /// Benchmarks
    Bench(bench::Args),
    /// Checks the rules of the source tree: module headers, file sizes, licences.
    Tidy,
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::ReproduceTable1(args) => table1::run(*args),
        Task::ReproduceFidelity(args) => fidelity::run(*args),
        Task::ReproduceFigure3(args) => figure3::run(*args),
        Task::Bench(args) => bench::run(args),
        Task::Tidy => tidy::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
