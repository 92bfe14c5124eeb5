//! `xtask` from outside: the table, its journal, what it says about bad input, the studies, and the benches of optimisers.

// clippy.toml allows unwrap in functions marked #[test]; the fixtures around them are tests too.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod bench_bo;
mod bench_scale;
mod bench_search;
mod folders;
mod other_tables;
mod report;
mod reproducible;
mod resume;
mod rivals;
mod run;
mod studies;
mod table;
mod table11;
mod unseen_classes;
