//! A disk in memory that fails as real ones do, repeatably.
