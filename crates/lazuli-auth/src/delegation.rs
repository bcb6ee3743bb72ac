//! User delegation keys: what signs tokens on behalf of an identity instead of an account's key.
//!
//! Nothing is kept of such a key. Its value follows from what it says of itself and from a secret
//! that follows from the account's first key, so that whoever holds a token needs not be known, and
//! exchanging the first key ends all of them.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key>

use std::time::Duration;

use lazuli_base::Timestamp;
use lazuli_model::Service;

use crate::key::AccountKey;

/// The longest time from now until a key ends.
pub const DELEGATION_KEY_MAX: Duration = Duration::from_hours(7 * 24);

/// What the secret is derived for.
const LABEL: &[u8] = b"lazuli user delegation key 1";

/// What a key says of itself, in the texts that tokens repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelegationKey<'a> {
    /// Who it was made for: the object id, `skoid`.
    pub object_id: &'a str,
    /// His tenant, `sktid`.
    pub tenant: &'a str,
    /// Not valid before, ISO 8601, `skt`.
    pub start: &'a str,
    /// Not valid at or after, ISO 8601, `ske`.
    pub expiry: &'a str,
    /// The service whose tokens it signs, `sks`.
    pub service: &'a str,
    /// The version it was made in, `skv`.
    pub version: &'a str,
    /// The tenant of the users that its tokens may be bound to, `skdutid`; empty for none.
    pub user_tenant: &'a str,
}

impl DelegationKey<'_> {
    /// The value of the key in an account whose first key is `key`: 32 bytes as base64.
    ///
    /// Texts without line breaks only: the fields are told apart by them.
    pub fn value(&self, key: &AccountKey, account: &str) -> String {
        let secret = key.expand(&[LABEL, b"\0", account.as_bytes()].concat());
        let fields = [
            self.object_id,
            self.tenant,
            self.start,
            self.expiry,
            self.service,
            self.version,
            self.user_tenant,
        ];
        secret.sign(fields.join("\n").as_bytes())
    }
}

/// The letter of a service in `sks`.
pub const fn delegation_service(service: Service) -> &'static str {
    match service {
        Service::Blob | Service::Dfs => "b",
        Service::Queue => "q",
        Service::Table => "t",
    }
}

/// Whether a key of this time may be used now. Its end is held against the clock both ways, so that
/// none outlives the longest time even if the clock was wrong when it was made.
pub(crate) fn is_valid(start: Timestamp, expiry: Timestamp, now: Timestamp) -> bool {
    start <= now && now < expiry && expiry.since(now) <= DELEGATION_KEY_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: DelegationKey<'_> = DelegationKey {
        object_id: "o",
        tenant: "t",
        start: "s",
        expiry: "e",
        service: "b",
        version: "v",
        user_tenant: "",
    };

    #[test]
    fn every_field_the_account_and_its_key_decide_the_value() {
        let (one, two) = (AccountKey::new(b"one"), AccountKey::new(b"two"));
        let others = [
            DelegationKey { object_id: "x", ..KEY },
            DelegationKey { tenant: "x", ..KEY },
            DelegationKey { start: "x", ..KEY },
            DelegationKey { expiry: "x", ..KEY },
            DelegationKey { service: "q", ..KEY },
            DelegationKey { version: "x", ..KEY },
            DelegationKey { user_tenant: "x", ..KEY },
        ];
        let mut values: Vec<String> = others.iter().map(|key| key.value(&one, "a")).collect();
        values.push(KEY.value(&one, "a"));
        values.push(KEY.value(&one, "b"));
        values.push(KEY.value(&two, "a"));
        let count = values.len();
        values.sort();
        values.dedup();
        assert_eq!(values.len(), count);
        assert!(AccountKey::from_base64(&values[0]).is_ok());
    }

    #[test]
    fn the_secret_is_that_of_hkdf() {
        // HKDF-Expand of RFC 5869 for 32 bytes is one HMAC of the label and a counter of 1.
        let key = AccountKey::new(b"one");
        let expanded = key.expand(b"label");
        let prk = AccountKey::from_base64(&key.sign(b"label\x01")).unwrap();
        assert_eq!(expanded.sign(b"x"), prk.sign(b"x"));
    }

    #[test]
    fn a_key_has_its_time_and_seven_days_at_most() {
        let at = Timestamp::from_unix_seconds;
        let (day, week) = (86_400, 7 * 86_400);
        for (start, expiry, now, valid) in [
            (0, day, 0, true),
            (0, day, day - 1, true),
            (0, day, day, false),
            (1, day, 0, false),
            (0, week, 0, true),
            (0, week + 1, 0, false),
            (0, week + 1, 1, true),
        ] {
            assert_eq!(is_valid(at(start), at(expiry), at(now)), valid, "{start} {expiry} {now}");
        }
    }
}
