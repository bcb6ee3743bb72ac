//! Whether something takes nothing at the moment, told by who halts it to who must know at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether something is halted; at first it is not. All clones are one. Asking waits for nothing.
#[derive(Clone, Debug, Default)]
pub struct Halted(Arc<AtomicBool>);

impl Halted {
    /// Says whether it is halted from now on.
    pub fn set(&self, is_halted: bool) {
        self.0.store(is_halted, Ordering::SeqCst);
    }

    /// Whether it is halted.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_tell_the_same() {
        let (halted, other) = {
            let halted = Halted::default();
            (halted.clone(), halted)
        };
        assert!(!other.get());
        halted.set(true);
        assert!(other.get());
        halted.set(false);
        assert!(!other.get());
    }
}
