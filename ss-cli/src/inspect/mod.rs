//! What a sampler, a study or weights say, in words, as drawings for a terminal and as values for scripts.
//!
//! Pure but for [`Subject::recognise`] and [`StudyFacts::read`]: facts are values that serialise, and their text is a
//! function of them and a [`Style`].

mod distribution;
mod extremes;
mod joined;
mod plane;
mod profile;
mod record;
mod rule;
mod sampler;
mod study;
mod subject;
mod terminal;
mod weights;

pub use distribution::{Bin, Distribution, Quantile, TopShare};
pub use extremes::first_by;
pub use joined::rows_of;
pub use plane::Plane;
pub use profile::{Edge, Profile, ProfilePoint};
pub use rule::{Piece, Rule};
pub use sampler::{OnExamples, SamplerFacts, picture};
pub use study::{Improvement, LengthScale, ModelFacts, StudyFacts, StudyReading};
pub use subject::Subject;
pub use terminal::Style;
pub use weights::{Drawn, WeightsFacts};
