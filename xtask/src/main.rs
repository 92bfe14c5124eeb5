//! Reproduction of the paper's tables, benches and checks: `cargo xtask --help`.

mod bench;
mod chart;
mod check_cuda;
mod fidelity;
mod figure1;
mod figure2;
mod figure3;
mod folder_settings;
mod folder_source;
mod journal;
mod markdown_table;
mod network_runs;
mod outputs;
mod own_methods;
mod run_flags;
mod settings;
mod statistics;
mod table1;
mod table11;
mod table2;
mod table3;
mod table5;
mod table6;
mod table9;
mod tidy;
mod training_events;
mod transfer;
mod unseen_classes;
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
    /// Table 2: images on disk, samplers searched on one network and used on others.
    ReproduceTable2(Box<table2::Args>),
    /// Table 3: faces, networks verify people that training has not seen.
    ReproduceTable3(Box<table3::Args>),
    /// Table 5: all of a dataset, and how soon each method reaches what the baseline ends with.
    ReproduceTable5(Box<table5::Args>),
    /// Table 6: few-shot recognition of classes that training has not seen.
    ReproduceTable6(Box<table6::Args>),
    /// Table 9: the number of optimisation steps E_o.
    ReproduceTable9(Box<table9::Args>),
    /// Table 11: text, a language model on windows of which some are spoilt.
    ReproduceTable11(Box<table11::Args>),
    /// Figure 1: wrong labels and sampling probability in the plane of loss and renormalised entropy.
    ReproduceFigure1(Box<figure1::Args>),
    /// Figure 2: the least sampled images or crops, and sampling probability against the cdf of the loss.
    ReproduceFigure2(Box<figure2::Args>),
    /// Figure 3: what searches over the cgf, over the cdf and by other optimisers have found after each trial.
    ReproduceFigure3(Box<figure3::Args>),
    /// Transfer: a sampler searched on one network, used on others.
    ReproduceTransfer(Box<transfer::Args>),
    /// The fast approximation: do short trials rank samplers as full trainings do?
    ReproduceFidelity(Box<fidelity::Args>),
    /// Benchmarks
    Bench(bench::Args),
    /// Builds and links everything for CUDA, with a compiler that it installs under target/; needs no GPU
    CheckCuda(check_cuda::Args),
    /// Checks the rules of the source tree: module headers, file sizes, licences.
    Tidy,
}

fn main() -> ExitCode {
    let task = Cli::parse().task;
    ss_cli::interruption::remove_unfinished_files_when_stopped();
    let result = match task {
        Task::ReproduceTable1(args) => table1::run(*args),
        Task::ReproduceFidelity(args) => fidelity::run(*args),
        Task::ReproduceFigure3(args) => figure3::run(*args),
        Task::ReproduceTable2(args) => table2::run(*args),
        Task::ReproduceFigure2(args) => figure2::run(*args),
        Task::ReproduceTable3(args) => table3::run(*args),
        Task::ReproduceTable6(args) => table6::run(*args),
        Task::ReproduceTable5(args) => table5::run(*args),
        Task::ReproduceTable9(args) => table9::run(*args),
        Task::ReproduceTable11(args) => table11::run(*args),
        Task::ReproduceFigure1(args) => figure1::run(*args),
        Task::ReproduceTransfer(args) => transfer::run(*args),
        Task::Bench(args) => bench::run(args),
        Task::CheckCuda(args) => check_cuda::run_task(&args),
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
