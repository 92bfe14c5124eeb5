//! The methods as training methods: what they all promise, and what each reduces to.

// clippy.toml allows unwrap in functions marked #[test]; the fixtures around them are tests too.
#![allow(clippy::unwrap_used)]

mod alignment;
mod contract;
mod devices;
mod fixtures;
mod limits;
mod mentornet;
mod reed;
