//! Where the program finds CUDA's libraries, if it is told: `cargo xtask check-cuda` says it.

fn main() {
    const FOLDERS: &str = "SWIFT_SAMPLER_RPATH";
    println!("cargo:rerun-if-env-changed={FOLDERS}");
    if let Ok(folders) = std::env::var(FOLDERS) {
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{folders}");
    }
}
