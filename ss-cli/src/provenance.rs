//! Where a result comes from: command, source, packages, machine and time.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

/// Every package of the build and its version, as Cargo resolved them.
const LOCK: &str = include_str!("../../Cargo.lock");

/// The packages whose versions are worth stating.
const PACKAGES: [&str; 7] =
    ["ss-cli", "candle-core", "candle-nn", "argmin", "nalgebra", "rand", "rand_chacha"];

/// What a reader needs to judge and to repeat a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The command, quoted for a shell.
    pub command: String,
    /// The source tree; absent where there is none, or no git.
    pub source: Option<Source>,
    /// Name and version of the packages that matter most.
    pub packages: Vec<(String, String)>,
    /// Model of the processor; absent where the system does not tell.
    pub processor: Option<String>,
    /// Threads that the machine runs at once.
    pub cores: usize,
    /// Operating system and architecture.
    pub system: String,
    /// When this was asked, in UTC.
    pub time: String,
}

/// The state of a git tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The commit that is checked out.
    pub commit: String,
    /// Whether tracked files differ from it.
    pub dirty: bool,
}

impl Provenance {
    /// Asks the system. `program` is how a reader calls this program; its arguments are those of this process.
    pub fn collect(program: &str) -> Self {
        let arguments = std::env::args_os().skip(1).map(|argument| quoted(&argument.to_string_lossy()));
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let time = ss_bo::journal::timestamp(since);
        Self {
            command: std::iter::once(program.to_owned()).chain(arguments).collect::<Vec<_>>().join(" "),
            source: source(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))),
            packages: versions(LOCK, &PACKAGES),
            processor: processor(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system: system(),
            time: time.get(..19).unwrap_or(&time).replace('T', " "),
        }
    }
}

/// An argument as a POSIX shell reads it back.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:@%+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

/// The tree whose root is `folder`, and not one that merely lies around it.
fn source(folder: &Path) -> Option<Source> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    // Empty at the root of a tree.
    if !git(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    let dirty = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(Source { commit, dirty })
}

/// The versions of `packages` in a lock file of Cargo; where there are several, all of them.
fn versions(lock: &str, packages: &[&str]) -> Vec<(String, String)> {
    let value = |line: &str, key: &str| {
        Some(line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned())
    };
    let lines: Vec<&str> = lock.lines().collect();
    let found = |package: &str| {
        let versions: Vec<String> = lines
            .windows(2)
            .filter(|pair| value(pair[0], "name").is_some_and(|name| name == package))
            .filter_map(|pair| value(pair[1], "version"))
            .collect();
        (!versions.is_empty()).then(|| (package.to_owned(), versions.join(", ")))
    };
    packages.iter().filter_map(|package| found(package)).collect()
}

fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn system() -> String {
    let named = std::fs::read_to_string("/etc/os-release").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(line.trim_matches('"').to_owned())
    });
    let name = named.unwrap_or_else(|| std::env::consts::OS.to_owned());
    format!("{name}, {}", std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("--noise=0.4"), "--noise=0.4");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"b\"\nversion = \"0.1.0\"\n\
                    \n[[package]]\nname = \"a\"\nversion = \"2.0.0\"\n";
        assert_eq!(versions(lock, &["a", "c"]), [("a".to_owned(), "1.2.3, 2.0.0".to_owned())]);
        assert_eq!(versions(LOCK, &PACKAGES).len(), PACKAGES.len(), "every package that is named exists");
    }

    #[test]
    fn a_folder_within_a_tree_is_not_its_root() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(source(folder.path()), None);
        assert_eq!(source(Path::new(env!("CARGO_MANIFEST_DIR"))), None);
        assert_eq!(source(Path::new("/no/such/folder")), None);
    }
}
