//! `xtask` from outside: the table, its journal, and what it says about bad input.

// clippy.toml allows unwrap in functions marked #[test]; the fixtures around them are tests too.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod reproducible;
mod resume;
mod run;
mod table;
