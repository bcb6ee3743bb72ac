//! What the leaves of a Lazuli log must say one after the other. Leaves of other logs are not looked
//! into.

use lazuli_evidence::spine::{Event, Leaf, Segment, What};
use lazuli_evidence::{Digest, NO_PREVIOUS};
use serde_json::{Value, json};

use crate::commands::log::describe::time;

/// The longest silence of a log that is alive: it has a leaf a second.
const SILENCE_MS: u64 = 15_000;

/// What the leaves said so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    /// Whether the log is a Lazuli's; not known before its first leaf.
    is_ours: Option<bool>,
    site: u64,
    boot: u32,
    /// The number of the next segment, and the leaf hash of the last.
    segment: (u64, Digest),
    /// When the last segment was closed, and the time of the newest leaf.
    times_ms: (u64, u64),
}

impl Rules {
    /// The number of the last segment, if there was one.
    pub(super) fn last_segment(&self) -> Option<u64> {
        self.segment.0.checked_sub(1)
    }

    /// Takes the next leaf; the error says what contradicts the leaves before it. What people should
    /// know, but may be, is added to `notices`.
    pub(super) fn next(&mut self, bytes: &[u8], notices: &mut Vec<String>) -> Result<(), String> {
        let leaf = Leaf::decode(bytes);
        if !*self.is_ours.get_or_insert(leaf.is_some()) {
            return Ok(());
        }
        let leaf = leaf.ok_or("it is no leaf of a Lazuli log, and those before it are")?;
        let (site, t_ms) = match &leaf {
            Leaf::Segment(leaf) => (leaf.site, leaf.t1_ms),
            Leaf::Heads(leaf) => (leaf.site, leaf.t_ms),
            Leaf::Statement(leaf) => (leaf.site, leaf.t_ms),
            Leaf::Event(leaf) => (leaf.site, leaf.t_ms),
        };
        let newest_ms = self.times_ms.1;
        if newest_ms > 0 && site != self.site {
            return Err(format!("it is of site {site}, and the log is of site {}", self.site));
        }
        let is_told = matches!(&leaf, Leaf::Event(Event { what: What::Gap | What::Boot, .. }));
        if newest_ms > 0 && t_ms.saturating_sub(newest_ms) > SILENCE_MS && !is_told {
            notices.push(format!("alarm: no leaf between {} and {}", time(newest_ms), time(t_ms)));
        }
        self.site = site;
        self.times_ms.1 = newest_ms.max(t_ms);
        match leaf {
            Leaf::Segment(leaf) => self.segment(&leaf, lazuli_evidence::leaf_hash(bytes)),
            Leaf::Heads(leaf) if leaf.n >= self.segment.0 => {
                Err(format!("heads as of segment {}, which is not closed yet", leaf.n))
            }
            Leaf::Heads(_) | Leaf::Statement(_) => Ok(()),
            Leaf::Event(event) => self.event(&event, notices),
        }
    }

    fn segment(&mut self, leaf: &Segment, hash: Digest) -> Result<(), String> {
        let Segment { n, boot, t0_ms, t1_ms, prev, .. } = *leaf;
        let (next, last) = self.segment;
        let last = if next == 0 { NO_PREVIOUS } else { last };
        if n != next {
            return Err(format!("segment {n} stands where segment {next} should"));
        }
        if prev != last {
            return Err(format!("segment {n} does not name the segment before it"));
        }
        if t0_ms > t1_ms || t0_ms < self.times_ms.0 {
            return Err(format!("segment {n} goes back in time"));
        }
        self.segment = (n + 1, hash);
        self.times_ms.0 = t1_ms;
        self.boot(boot)
    }

    fn event(&mut self, event: &Event, notices: &mut Vec<String>) -> Result<(), String> {
        let Event { boot, t_ms, what, from_ms, to_ms, .. } = *event;
        match what {
            What::Gap => {
                let (from, to) = (time(from_ms), time(to_ms));
                notices
                    .push(format!("alarm: gap: reads between {from} and {to} may have no entry"));
            }
            What::Boot => notices.push(format!("note: start {boot} at {}", time(t_ms))),
            What::Shutdown => {
                notices.push(format!("note: stopped in good order at {}", time(t_ms)));
            }
            What::Heartbeat => {}
        }
        self.boot(boot)
    }

    /// The numbers of starts go up.
    fn boot(&mut self, boot: u32) -> Result<(), String> {
        if boot < self.boot {
            return Err(format!("start {boot} after start {}", self.boot));
        }
        self.boot = boot;
        Ok(())
    }

    /// Says whether the log was silent until `now_ms`.
    pub(super) fn silence(&self, now_ms: u64) -> Option<String> {
        let newest_ms = self.times_ms.1;
        let is_silent = newest_ms > 0 && now_ms.saturating_sub(newest_ms) > SILENCE_MS;
        is_silent.then(|| format!("alarm: no sign of life since {}", time(newest_ms)))
    }

    pub(super) fn to_json(&self) -> Value {
        let (next, last) = self.segment;
        json!({
            "lazuli": self.is_ours,
            "site": self.site,
            "boot": self.boot,
            "next_segment": next,
            "last_leaf": lazuli_tlog::Hash(last).to_string(),
            "closed_ms": self.times_ms.0,
            "newest_ms": self.times_ms.1,
        })
    }

    pub(super) fn from_json(json: &Value) -> Option<Self> {
        let number = |name: &str| json[name].as_u64();
        let last: lazuli_tlog::Hash = json["last_leaf"].as_str()?.parse().ok()?;
        Some(Self {
            is_ours: json["lazuli"].as_bool(),
            site: number("site")?,
            boot: number("boot")?.try_into().ok()?,
            segment: (number("next_segment")?, last.0),
            times_ms: (number("closed_ms")?, number("newest_ms")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(n: u64, prev: Digest) -> Segment {
        Segment {
            site: 1,
            n,
            boot: 1,
            t0_ms: 1000 * n + 1000,
            t1_ms: 1000 * n + 2000,
            root: [1; 32],
            count_commitment: [2; 32],
            prev,
        }
    }

    fn event(what: What, t_ms: u64) -> Vec<u8> {
        let (binary_digest, config_digest) = ([3; 32], [4; 32]);
        let (site, boot, from_ms, to_ms) = (1, 1, t_ms, t_ms);
        Leaf::Event(Event { site, boot, t_ms, what, binary_digest, config_digest, from_ms, to_ms })
            .encode()
    }

    #[test]
    fn segments_follow_each_other_and_what_does_not_is_told() {
        let mut alarms = Vec::new();
        let first = Leaf::Segment(segment(0, NO_PREVIOUS));
        let second = Leaf::Segment(segment(1, first.leaf_hash()));
        let mut rules = Rules::default();
        for leaf in [event(What::Boot, 1500), first.encode(), second.encode()] {
            rules.next(&leaf, &mut alarms).unwrap();
        }
        assert_eq!((alarms.len(), rules.last_segment()), (1, Some(1)));
        assert_eq!(Rules::from_json(&rules.to_json()).as_ref(), Some(&rules));
        assert_eq!(rules.silence(3000 + SILENCE_MS), None);
        assert!(rules.silence(3001 + SILENCE_MS).unwrap().contains("no sign of life"));
        let good = segment(2, second.leaf_hash());
        let wrong = [
            (Leaf::Segment(Segment { n: 3, ..good }).encode(), "segment 3 stands where"),
            (Leaf::Segment(segment(2, [9; 32])).encode(), "does not name"),
            (Leaf::Segment(Segment { t0_ms: 0, ..good }).encode(), "back in time"),
            (Leaf::Segment(Segment { boot: 0, ..good }).encode(), "start 0 after start 1"),
            (Leaf::Segment(Segment { site: 2, ..good }).encode(), "site 2"),
            (b"other".to_vec(), "no leaf of a Lazuli log"),
        ];
        for (leaf, what) in wrong {
            let mut rules = Rules::from_json(&rules.to_json()).unwrap();
            assert!(rules.next(&leaf, &mut alarms).unwrap_err().contains(what), "{what}");
        }
        alarms.clear();
        rules.next(&event(What::Heartbeat, 60_000), &mut alarms).unwrap();
        rules.next(&event(What::Gap, 61_000), &mut alarms).unwrap();
        assert!(alarms[0].starts_with("alarm: no leaf between"), "{alarms:?}");
        assert!(alarms[1].starts_with("alarm: gap: reads between"), "{alarms:?}");
    }

    #[test]
    fn other_logs_are_not_looked_into() {
        let (mut rules, mut alarms) = (Rules::default(), Vec::new());
        for leaf in [b"one".to_vec(), event(What::Gap, 5), b"three".to_vec()] {
            rules.next(&leaf, &mut alarms).unwrap();
        }
        assert_eq!((alarms.len(), rules.last_segment()), (0, None));
    }
}
