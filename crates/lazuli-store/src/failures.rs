//! Failed authentications: counted by the minute and by network, so that who floods the server with
//! them does not flood the journal.

use std::collections::HashMap;
use std::net::IpAddr;

use bytes::Bytes;
use lazuli_base::Timestamp;

use crate::journal::failed_authentications;
use crate::origin::Network;

/// Networks that are counted one by one in a minute.
const NETWORKS_MAX: usize = 1024;

/// What networks beyond [`NETWORKS_MAX`] are told as.
const OTHERS: &str = "others";

/// What failed within a minute.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// When the first of them failed.
    since: Option<Timestamp>,
    networks: HashMap<Network, u64>,
    others: u64,
}

impl Failures {
    /// Counts one.
    pub(crate) fn count(&mut self, remote: IpAddr, now: Timestamp) {
        self.since.get_or_insert(now);
        let network = Network::of(remote);
        let room = self.networks.len() < NETWORKS_MAX;
        match self.networks.get_mut(&network) {
            Some(count) => *count += 1,
            None if room => _ = self.networks.insert(network, 1),
            None => self.others += 1,
        }
    }

    /// Whether the minute in which they were counted is over.
    pub(crate) fn are_over(&self, now: Timestamp) -> bool {
        let minute = |at: Timestamp| at.unix_seconds().div_euclid(60);
        self.since.is_some_and(|since| minute(since) != minute(now))
    }

    /// The drafts of their entries, by network; nothing is counted after it.
    pub(crate) fn take(&mut self, now: Timestamp) -> Vec<Bytes> {
        let Some(since) = self.since.take() else { return Vec::new() };
        let mut networks: Vec<_> = self.networks.drain().collect();
        networks.sort_unstable();
        let mut drafts: Vec<Bytes> = networks
            .into_iter()
            .map(|(network, count)| {
                failed_authentications(&network.to_string(), (count, since), now)
            })
            .collect();
        let others = std::mem::take(&mut self.others);
        if others > 0 {
            drafts.push(failed_authentications(OTHERS, (others, since), now));
        }
        drafts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_networks_than_are_counted_one_by_one_are_others() {
        let mut failures = Failures::default();
        let now = Timestamp::from_unix_seconds(59);
        for network in 0..NETWORKS_MAX as u32 + 3 {
            for host in [1, 2] {
                failures.count(IpAddr::from((network << 8 | host).to_be_bytes()), now);
            }
        }
        assert!(!failures.are_over(now));
        assert!(failures.are_over(Timestamp::from_unix_seconds(60)));
        let drafts = failures.take(Timestamp::from_unix_seconds(60));
        assert_eq!(drafts.len(), NETWORKS_MAX + 1);
        let others = failed_authentications(OTHERS, (6, now), Timestamp::from_unix_seconds(60));
        assert_eq!(drafts.last(), Some(&others));
        assert!(failures.take(now).is_empty());
    }
}
