//! The rivals of Table 1: other ways to train on data of which some labels are wrong.
//!
//! Each method follows its own publication, with the published settings as defaults, and trains the network of a
//! [`Trainer`](ss_approx::Trainer) for as many steps, from the same initial weights and on the same batches as the
//! baseline does. What a method must be told beyond the noisy training set (true labels of a subset, the noise rate)
//! is part of its description ([`Information`]), so that a table can show it, and what it costs is counted
//! ([`Cost`]).
//!
//! | module | method | told |
//! |---|---|---|
//! | [`reed`] | bootstrapped labels, soft and hard (Reed et al. 2015) | nothing |
//! | [`mentornet`] | weights from the loss: a predefined curriculum (PD), or one learned from known truth (DD; Jiang et al. 2018) | nothing; clean subset |
//! | [`l2rw`] | weights from the agreement of gradients with clean ones (Ren et al. 2018) | clean subset |
//! | [`co_teaching`] | two networks that choose small losses for each other (Han et al. 2018) | noise rate |
//! | [`loss_threshold`] | leave out the largest losses of the uniform run | noise rate |
//!
//! | module | content |
//! |---|---|
//! | [`method`] | [`TrainingMethod`] and the [`Task`] it is given |
//! | [`information`] | what a method is told, by name and in value |
//! | [`clean_subset`] | true labels of a random share of the training images |
//! | [`alignment`] | L2RW's weights of one batch |
//! | [`cost`] | passes through the network, in units of one training |

pub mod alignment;
pub mod clean_subset;
pub mod co_teaching;
pub mod cost;
pub mod error;
pub mod information;
pub mod l2rw;
pub mod loss_threshold;
pub mod mentornet;
pub mod method;
pub mod reed;
mod weighted;

pub use clean_subset::CleanSubset;
pub use co_teaching::CoTeaching;
pub use cost::Cost;
pub use error::{Error, Result, is_divergence};
pub use information::{Information, Known};
pub use l2rw::L2rw;
pub use loss_threshold::LossThreshold;
pub use mentornet::{MentorNetDd, MentorNetPd};
pub use method::{Outcome, Task, TrainingMethod};
pub use reed::{PseudoTarget, Reed};
