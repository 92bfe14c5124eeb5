//! MentorNet: a small network that weights each training example by its loss.
//!
//! Jiang et al. 2018, "MentorNet: Learning Data-Driven Curriculum for Very Deep Neural Networks on Corrupted Labels"
//! (ICML, arXiv 1712.05055), and the code that its authors released (github.com/google/mentornet). The mentor reads
//! four numbers of an example ([`Row`]) and gives a weight in `[0, 1]`, by which the student's loss is multiplied.
//!
//! | module | content |
//! |---|---|
//! | [`curriculum`] | the predefined curricula that MentorNet-PD imitates, and the rows that it learns them from |
//! | [`network`] | the mentor itself |
//! | [`mod@fit`] | fitting a mentor to rows and target weights |
//! | [`loss_average`] | the moving average from which a loss is measured |
//! | [`student`] | a network in training under a mentor's weights |
//! | [`predefined`], [`data_driven`] | MentorNet-PD and MentorNet-DD as training methods |
//!
//! The mentor of MentorNet-PD is, in print, fitted to a [`Predefined`] curriculum ([`MentorNetPd`] takes the formula itself);
//! that of MentorNet-DD, data-driven, to rows of a training run whose target is 1 where the noisy label is the true one,
//! else 0.

pub mod curriculum;
pub mod data_driven;
pub mod fit;
pub mod loss_average;
pub mod network;
pub mod predefined;
pub mod student;

pub use curriculum::Predefined;
pub use data_driven::MentorNetDd;
pub use fit::{Fit, FitConfig, FitSettings, HeldOut, fit};
pub use loss_average::LossAverage;
pub use network::MentorNet;
pub use predefined::MentorNetPd;
pub use student::{StudentConfig, StudentSettings};

/// What a mentor reads of one example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The student's loss, in nats.
    pub loss: f32,
    /// The loss minus its moving average ([`LossAverage`]), in nats.
    pub difference: f32,
    /// The given label, below the mentor's number of classes. The released code sets it to 0 everywhere.
    pub label: u32,
    /// How much of the student's training is behind it, in percent. As in the released code what exceeds 99 counts as 99.
    pub epoch_percent: u32,
}

/// The last epoch percent that a mentor knows.
pub(crate) const LAST_PERCENT: u32 = 99;
