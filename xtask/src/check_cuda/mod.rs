//! `check-cuda`: type-checks, builds and links the workspace with the feature `cuda`, and type-checks it with `cudnn`. Needs neither a GPU nor CUDA: the
//! compiler and the libraries are installed under `target/`.

mod toolkit;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use toolkit::{CUDARC_CUDA_VERSION, Toolkit, run};

/// Flags of `check-cuda`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The GPUs that kernels are compiled for, as nvcc writes their compute capability: 80 for A100, 90 for H100
    #[arg(long, default_value = "80")]
    compute_cap: u32,
    /// Type-check and compile the kernels, link nothing
    #[arg(long)]
    no_link: bool,
    /// Install the compiler and print the environment to build with, build nothing
    #[arg(long)]
    environment: bool,
}

pub(crate) fn run_task(args: &Args) -> Result<()> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = manifest.parent().unwrap_or(manifest).join("target");
    let toolkit = Toolkit::install(&target.join("cuda-venv"))?;
    let environment = environment(&toolkit, args.compute_cap)?;
    if args.environment {
        for (name, value) in &environment {
            println!("export {name}='{value}'");
        }
        return Ok(());
    }
    let cargo = |arguments: &[&str], feature: &str| {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).args(["--release", "--workspace", "--features", feature, "--target-dir"]);
        command.arg(target.join("cuda")).envs(environment.iter().map(|(name, value)| (name, value)));
        command
    };
    println!("check-cuda: type-checking libraries, programs and tests");
    run(&mut cargo(&["check", "--all-targets"], "cuda"))?;
    println!("check-cuda: type-checking with cuDNN");
    run(&mut cargo(&["check", "--all-targets"], "cudnn"))?;
    if args.no_link {
        return Ok(());
    }
    println!("check-cuda: building and linking swift-sampler and xtask");
    run(&mut cargo(&["build", "--bins"], "cuda"))?;
    let program = target.join("cuda/release/swift-sampler");
    without_driver(&program, &toolkit)?;
    println!(
        "check-cuda: {} is linked, starts, and says that there is no driver where there is none",
        program.display()
    );
    Ok(())
}

/// The variables that the build scripts of candle's kernels and bindings read.
fn environment(toolkit: &Toolkit, compute_cap: u32) -> Result<Vec<(&'static str, String)>> {
    let text = |path: PathBuf| match path.into_os_string().into_string() {
        Ok(text) => Ok(text),
        Err(path) => bail!("{path:?}: the path of the toolkit must be UTF-8"),
    };
    let home = text(toolkit.home.clone())?;
    let path = std::env::var("PATH").unwrap_or_default();
    Ok(vec![
        ("PATH", format!("{}:{path}", text(toolkit.home.join("bin"))?)),
        ("CUDA_HOME", home.clone()),
        ("CUDA_PATH", home.clone()),
        ("CUDA_ROOT", home),
        ("CUDA_COMPUTE_CAP", compute_cap.to_string()),
        ("CUDARC_CUDA_VERSION", CUDARC_CUDA_VERSION.to_owned()),
        // candle-kernels names libcudart without saying where it is.
        ("LIBRARY_PATH", text(toolkit.home.join("lib"))?),
    ])
}

/// Runs the program against the stand-in for the driver: it must start, name the trouble and the remedy, and train nothing.
fn without_driver(program: &Path, toolkit: &Toolkit) -> Result<()> {
    let folder = tempfile::tempdir().context("making a folder")?;
    let libraries = format!("{}:{}", toolkit.stubs().display(), toolkit.home.join("lib").display());
    let output = Command::new(program)
        .args(["search", "--dataset", "digits", "--device", "cuda:0", "--out"])
        .arg(folder.path().join("out"))
        .env("LD_LIBRARY_PATH", libraries)
        .output()
        .with_context(|| format!("starting {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() || !said.contains("cuda:0: no driver or no GPU") {
        bail!("{}: expected it to say that there is no driver, found: {}", program.display(), said.trim());
    }
    Ok(())
}
