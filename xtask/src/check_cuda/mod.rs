//! `check-cuda`: type-checks, builds and links the workspace with the feature `cuda`, and type-checks it with `cudnn`. Needs neither a GPU nor CUDA: the
//! compiler and the libraries are installed under `target/`.

mod toolkit;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use toolkit::{CUDARC_CUDA_VERSION, PTX_VERSION, Toolkit, run};

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
    forget_other_kernels(&toolkit, args.compute_cap, &target.join("cuda"))?;
    let ours = manifest.parent().unwrap_or(manifest).join("ss-kernels/src/cuda");
    let count = compile_ours(&toolkit, args.compute_cap, &ours)?;
    println!("check-cuda: {count} files of our kernels compile");
    println!("check-cuda: type-checking libraries, programs and tests");
    run(&mut cargo(&["check", "--all-targets"], "cuda"))?;
    println!("check-cuda: type-checking with cuDNN");
    run(&mut cargo(&["check", "--all-targets"], "cudnn"))?;
    if args.no_link {
        return Ok(());
    }
    println!("check-cuda: building and linking swift-sampler and xtask");
    run(&mut cargo(&["build", "--bins"], "cuda"))?;
    let kernels = check_kernels(&target.join("cuda/release/build"))?;
    println!("check-cuda: {kernels} files of kernels, PTX {PTX_VERSION}");
    let program = target.join("cuda/release/swift-sampler");
    without_driver(&program)?;
    println!(
        "check-cuda: {} is linked, starts, and says that there is no driver where there is none",
        program.display()
    );
    Ok(())
}

/// Compiles every file of kernels in `folder`, which programs compile at run time only. Returns their number.
fn compile_ours(toolkit: &Toolkit, compute_cap: u32, folder: &Path) -> Result<usize> {
    let out = tempfile::tempdir().context("making a folder")?;
    let mut count = 0;
    for file in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let file = file?.path();
        if file.extension().is_none_or(|extension| extension != "cu") {
            continue;
        }
        let mut nvcc = Command::new(toolkit.home.join("bin/nvcc"));
        nvcc.arg(format!("-arch=sm_{compute_cap}")).args(["-Werror", "all-warnings", "-cubin", "-o"]);
        run(nvcc.arg(out.path().join("kernels.cubin")).arg(&file))?;
        count += 1;
    }
    if count == 0 {
        bail!("{}: no kernels found", folder.display());
    }
    Ok(count)
}

/// Removes kernels that another compiler has made: their build script does not notice.
fn forget_other_kernels(toolkit: &Toolkit, compute_cap: u32, target: &Path) -> Result<()> {
    let stamp = target.join("kernels-of.txt");
    let now = format!("{}\ncompute capability {compute_cap}\n", toolkit.packages());
    if fs::read_to_string(&stamp).ok().as_deref() == Some(&now[..]) {
        return Ok(());
    }
    let mut clean = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    run(clean.args(["clean", "--release", "-p", "candle-kernels", "--target-dir"]).arg(target))?;
    fs::create_dir_all(target).with_context(|| format!("making {}", target.display()))?;
    fs::write(&stamp, now).with_context(|| format!("writing {}", stamp.display()))
}

/// The variables that the build scripts of candle's kernels and bindings read.
fn environment(toolkit: &Toolkit, compute_cap: u32) -> Result<Vec<(&'static str, String)>> {
    let text = |path: PathBuf| match path.into_os_string().into_string() {
        Ok(text) => Ok(text),
        Err(path) => bail!("{path:?}: the path of the toolkit must be UTF-8"),
    };
    let home = text(toolkit.home.clone())?;
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = toolkit.library_folders().map(text);
    let folders = folders.into_iter().collect::<Result<Vec<_>>>()?.join(":");
    Ok(vec![
        ("PATH", format!("{}:{path}", text(toolkit.home.join("bin"))?)),
        ("CUDA_HOME", home.clone()),
        ("CUDA_PATH", home.clone()),
        ("CUDA_ROOT", home),
        ("CUDA_COMPUTE_CAP", compute_cap.to_string()),
        ("CUDARC_CUDA_VERSION", CUDARC_CUDA_VERSION.to_owned()),
        // candle-kernels names libcudart without saying where it is, cudarc libcuda.
        ("LIBRARY_PATH", folders.clone()),
        // Read by the build scripts of the programs.
        ("SWIFT_SAMPLER_RPATH", folders),
    ])
}

/// That the kernels are in the version of PTX that the oldest supported driver reads: a newer one would only fail on a GPU.
/// Returns their number.
fn check_kernels(build: &Path) -> Result<usize> {
    let read = |folder: &Path| fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()));
    let mut kernels = 0;
    for crate_folder in read(build)? {
        let crate_folder = crate_folder?;
        let out = crate_folder.path().join("out");
        if !crate_folder.file_name().to_string_lossy().starts_with("candle-kernels-") || !out.is_dir() {
            continue;
        }
        for file in read(&out)? {
            let path = file?.path();
            if path.extension().is_none_or(|extension| extension != "ptx") {
                continue;
            }
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let version = text.lines().find_map(|line| line.strip_prefix(".version "));
            if version.map(str::trim) != Some(PTX_VERSION) {
                let found = version.unwrap_or("none");
                bail!(
                    "{}: PTX {found}, expected {PTX_VERSION}; remove target/cuda and run again",
                    path.display()
                );
            }
            kernels += 1;
        }
    }
    if kernels == 0 {
        bail!("{}: no kernels of candle below it", build.display());
    }
    Ok(kernels)
}

/// Runs the program as it is, on a machine without a driver: it must start, name the trouble and the remedy, and train nothing.
/// On a machine with one it would train, so it is only asked for its version there.
fn without_driver(program: &Path) -> Result<()> {
    let start = |arguments: &[&str], out: Option<&Path>| {
        let mut command = Command::new(program);
        command.args(arguments).args(out).env_remove("LD_LIBRARY_PATH");
        command.output().with_context(|| format!("starting {}", program.display()))
    };
    let version = start(&["--version"], None)?;
    if !version.status.success() {
        bail!("{}: does not start: {}", program.display(), String::from_utf8_lossy(&version.stderr).trim());
    }
    if Path::new("/proc/driver/nvidia/version").exists() {
        println!("check-cuda: there is a driver here: not tried without one");
        return Ok(());
    }
    let folder = tempfile::tempdir().context("making a folder")?;
    let out = folder.path().join("out");
    let arguments = ["search", "--dataset", "digits", "--device", "cuda:0", "--out"];
    let output = start(&arguments, Some(&out))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() || !said.contains("cuda:0: no driver or no GPU") {
        bail!("{}: expected it to say that there is no driver, found: {}", program.display(), said.trim());
    }
    Ok(())
}
