//! Benchmarks: `cargo xtask bench bo`, `bench search`, `bench train`, `bench peers`, `bench scale`,
//! `bench cuda`.

pub(crate) mod bo;
mod bo_beside;
mod bo_serve;
mod cuda;
mod peak_memory;
mod peers;
pub(crate) mod scale;
pub(crate) mod search;
mod train;
mod workload;

use anyhow::Result;
use clap::Subcommand;

/// Flags of `bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Simple regret of the black-box optimisers on test problems; or one of them for other programs
    Bo(bo::Args),
    /// What canonical coordinates and start-up rules buy the search of a sampler, beside other optimisers
    Search(search::Args),
    /// Images per second of one training step (and of evaluation) for a list of networks
    Train(train::Args),
    /// The same beside PyTorch, in turn A B A B, as ratios
    Peers(peers::Args),
    /// Weights and draws of 10^8 rows in memory, beside NumPy and PyTorch, and `apply` on files of any size
    Scale(scale::Args),
    /// Images per second of whole training epochs on a GPU; skipped with a reason where there is none
    Cuda(cuda::Args),
}

pub(crate) fn run(args: Args) -> Result<()> {
    match args.bench {
        Bench::Bo(args) => bo::run(&args),
        Bench::Search(args) => search::run(args),
        Bench::Train(args) => train::run(&args),
        Bench::Peers(args) => peers::run(&args),
        Bench::Scale(args) => scale::run(&args),
        Bench::Cuda(args) => cuda::run(&args),
    }
}
