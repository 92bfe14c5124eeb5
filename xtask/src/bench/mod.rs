//! Benchmarks: `cargo xtask bench train`, `cargo xtask bench peers`.

mod peers;
mod train;

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
    /// Images per second of one training step (and of evaluation) for a list of networks
    Train(train::Args),
    /// The same beside PyTorch, in turn A B A B, as ratios
    Peers(peers::Args),
}

pub(crate) fn run(args: Args) -> Result<()> {
    match args.bench {
        Bench::Train(args) => train::run(&args),
        Bench::Peers(args) => peers::run(&args),
    }
}
