//! The accounts this server knows and their keys.

use std::collections::HashMap;

use lazuli_auth::{AccountKey, AccountKeys};

/// Accounts by name, each with one or two keys; both are valid at any time.
#[derive(Debug, Default)]
pub struct Accounts(HashMap<String, Vec<AccountKey>>);

impl Accounts {
    /// Adds an account, or replaces its keys.
    pub fn insert(&mut self, name: impl Into<String>, keys: Vec<AccountKey>) {
        self.0.insert(name.into(), keys);
    }

    /// Whether the account exists.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The accounts' names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl AccountKeys for Accounts {
    fn keys(&self, account: &str) -> Option<&[AccountKey]> {
        self.0.get(account).map(Vec::as_slice)
    }
}
