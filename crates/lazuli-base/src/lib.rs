//! Time, randomness and identifiers: what every other crate needs and nothing of Azure.
//!
//! Nothing above this crate calls the operating system for the time or for random bytes: both come
//! through [`Clock`] and [`Entropy`], so that a test can replay a run from one seed.

mod clock;
mod entropy;
mod halted;
mod oldest;

pub use clock::{Clock, ManualClock, SystemClock, TICKS_PER_SECOND, Timestamp};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use halted::Halted;
pub use oldest::Oldest;
