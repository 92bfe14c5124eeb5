//! CUDA's compiler and libraries from the Python package index, in a virtual environment under `target/`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// What is installed: CUDA 13.0, the oldest that the bindings know. Kernels are shipped as PTX, which a driver of an older release
/// than the compiler refuses to load. The compiler and the headers must be of one release.
const PACKAGES: [&str; 8] = [
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-nvrtc==13.0.88",
    "nvidia-cuda-cccl==13.0.85",
    "nvidia-cublas==13.1.0.3",
    "nvidia-curand==10.4.0.35",
];

/// The interface that the bindings are made for: that of the compiler; later drivers have it too.
pub(super) const CUDARC_CUDA_VERSION: &str = "13000";

/// The version of PTX that drivers of that release read.
pub(super) const PTX_VERSION: &str = "9.0";

/// A CUDA toolkit in a folder.
pub(super) struct Toolkit {
    /// What `CUDA_HOME` is to be.
    pub(super) home: PathBuf,
}

impl Toolkit {
    /// Installs the packages into `venv`, unless they are there, and what they lack for linking: library names without
    /// versions, and the driver's library.
    pub(super) fn install(venv: &Path) -> Result<Self> {
        let (stamp, wanted) = (venv.join("packages.txt"), PACKAGES.join("\n"));
        if fs::read_to_string(&stamp).ok().as_deref() != Some(&wanted[..]) {
            println!("installing {} packages into {}", PACKAGES.len(), venv.display());
            if venv.exists() {
                fs::remove_dir_all(venv).with_context(|| format!("removing {}", venv.display()))?;
            }
            run(Command::new("python3").args(["-m", "venv"]).arg(venv))
                .context("making a virtual environment needs python3 with its venv module")?;
            let pip = ["install", "--quiet", "--disable-pip-version-check"];
            run(Command::new(venv.join("bin/pip")).args(pip).args(PACKAGES))?;
            fs::write(&stamp, &wanted).with_context(|| format!("writing {}", stamp.display()))?;
        }
        let toolkit = Self { home: home(venv)? };
        toolkit.name_libraries()?;
        toolkit.make_driver_library()?;
        Ok(toolkit)
    }

    /// `libX.so` for each `libX.so.VERSION`: a linker looks for names without versions.
    #[cfg(unix)]
    fn name_libraries(&self) -> Result<()> {
        let lib = self.home.join("lib");
        for entry in fs::read_dir(&lib).with_context(|| format!("reading {}", lib.display()))? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some((stem, version)) = name.split_once(".so.")
                && version.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            {
                let link = lib.join(format!("{stem}.so"));
                if !link.exists() {
                    std::os::unix::fs::symlink(name, &link)
                        .with_context(|| format!("linking {}", link.display()))?;
                }
            }
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn name_libraries(&self) -> Result<()> {
        bail!("check-cuda runs on Linux")
    }

    /// The packages that it was made of.
    pub(super) fn packages(&self) -> String {
        PACKAGES.join("\n")
    }

    /// The folders that programs linked with this toolkit load libraries from.
    pub(super) fn library_folders(&self) -> [PathBuf; 2] {
        [self.home.join("lib"), self.driver_folder()]
    }

    fn driver_folder(&self) -> PathBuf {
        self.home.join("lib/driver")
    }

    /// Makes the `libcuda` that programs are linked with: it passes every function of `cuda.h` on to the driver's own library,
    /// which comes with the driver and not with the toolkit. Where there is no driver each call answers
    /// `CUDA_ERROR_STUB_LIBRARY`: the program starts all the same, and says so.
    fn make_driver_library(&self) -> Result<()> {
        let folder = self.driver_folder();
        let (library, source) = (folder.join("libcuda.so"), folder.join("libcuda_or_none.c"));
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let include = self.home.join("include");
        let expanded = Command::new("cc")
            .args(["-E", "-P", "-I"])
            .arg(&include)
            .arg(include.join("cuda.h"))
            .output()
            .context("running the C compiler cc, which nvcc needs too")?;
        let declared = String::from_utf8_lossy(&expanded.stdout);
        let names = driver_functions(&declared);
        if !expanded.status.success() || !names.contains("cuInit") {
            bail!("{}: found no driver functions", include.join("cuda.h").display());
        }
        let text = forwarding(&names);
        if library.exists() && fs::read_to_string(&source).ok().as_deref() == Some(&text[..]) {
            return Ok(());
        }
        fs::write(&source, text).with_context(|| format!("writing {}", source.display()))?;
        let name = "libcuda_or_none.so";
        run(Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", &format!("-Wl,-soname,{name}"), "-o"])
            .arg(folder.join(name))
            .arg(&source)
            .arg("-ldl"))?;
        fs::copy(folder.join(name), &library).with_context(|| format!("writing {}", library.display()))?;
        Ok(())
    }
}

/// C that jumps from every function to that of `libcuda.so.1`, if there is one when it is loaded.
fn forwarding(names: &BTreeSet<&str>) -> String {
    let mut text = String::from(
        "#include <dlfcn.h>\n\
         static int missing(void) { return 34; } /* CUDA_ERROR_STUB_LIBRARY */\n\
         #define COUNT (sizeof names / sizeof *names)\n\
         static const char *const names[] = {\n",
    );
    // Writing to a String cannot fail.
    for name in names {
        let _ = writeln!(text, "\"{name}\",");
    }
    text += "};\n\
        __attribute__((visibility(\"hidden\"))) void *driver_functions[COUNT];\n\
        __attribute__((constructor)) static void load(void) {\n\
        void *driver = dlopen(\"libcuda.so.1\", RTLD_NOW | RTLD_LOCAL);\n\
        for (unsigned long i = 0; i < COUNT; i++) {\n\
        void *found = driver ? dlsym(driver, names[i]) : 0;\n\
        driver_functions[i] = found ? found : (void *)missing;\n\
        }\n}\n\
        #if defined(__x86_64__)\n\
        #define JUMP(at) \"jmp *driver_functions+\" #at \"(%rip)\\n\"\n\
        #elif defined(__aarch64__)\n\
        #define JUMP(at) \"adrp x16, driver_functions+\" #at \"\\nldr x16, [x16, #:lo12:driver_functions+\" #at \"]\\nbr x16\\n\"\n\
        #endif\n\
        #define FORWARD(name, at) __asm__(\".text\\n.globl \" #name \"\\n.type \" #name \", %function\\n\" #name \":\\n\" JUMP(at));\n";
    for (place, name) in names.iter().enumerate() {
        let _ = writeln!(text, "FORWARD({name}, {})", 8 * place);
    }
    text
}

/// The folder that the packages share inside a virtual environment.
fn home(venv: &Path) -> Result<PathBuf> {
    let lib = venv.join("lib");
    for entry in fs::read_dir(&lib).with_context(|| format!("reading {}", lib.display()))? {
        let home = entry?.path().join("site-packages/nvidia/cu13");
        if home.join("bin/nvcc").is_file() {
            return home.canonicalize().with_context(|| format!("resolving {}", home.display()));
        }
    }
    bail!("{}: no nvidia/cu13/bin/nvcc below it; remove the folder and run again", venv.display())
}

/// Names of the functions that return a `CUresult` in preprocessed C.
fn driver_functions(source: &str) -> BTreeSet<&str> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    source
        .split("CUresult")
        .skip(1)
        .filter_map(|after| {
            let after = after.trim_start();
            let end = after.find(|c| !word(c))?;
            let (name, rest) = after.split_at(end);
            (name.starts_with("cu") && rest.trim_start().starts_with('(')).then_some(name)
        })
        .collect()
}

/// Runs a command to its end.
pub(super) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::driver_functions;

    #[test]
    fn functions_are_told_from_types_and_pointers() {
        let source = "typedef enum { A } CUresult; CUresult cuInit(unsigned int Flags);\n\
             CUresult  cuMemAlloc_v2 (CUdeviceptr *p, size_t n); typedef CUresult (*Callback)(void); CUresult other(int);";
        assert_eq!(driver_functions(source).into_iter().collect::<Vec<_>>(), ["cuInit", "cuMemAlloc_v2"]);
    }
}
