//! Leases against a model: whatever happens in whatever order, the answers are those of the tables.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/lease-blob#remarks>
//!
//! The model is written from the page's tables alone and shares nothing with the server but the
//! names of codes. Sequences are drawn from a seed; every cell of the tables must come up.

use std::collections::BTreeSet;

use crate::harness::{Blobs, Call, Setup, get, head, put, put_blob};

const IDS: [&str; 3] = [
    "aaaaaaaa-0000-4000-8000-000000000001",
    "bbbbbbbb-0000-4000-8000-000000000002",
    "cccccccc-0000-4000-8000-000000000003",
];

/// What is done to a lease; ids are places in [`IDS`].
#[derive(Clone, Copy, Debug)]
enum Action {
    Acquire { id: usize, seconds: i64 },
    Renew { id: usize },
    Change { from: usize, to: usize },
    Release { id: usize },
    Break { period: Option<i64> },
    Write { id: Option<usize> },
    Read { id: Option<usize> },
    Pass { seconds: i64 },
}

/// A lease as the tables know it.
#[derive(Clone, Copy, Debug, Default)]
struct Model {
    now: i64,
    /// Who has or had it.
    holder: Option<usize>,
    /// Its duration; -1 for ever.
    seconds: i64,
    /// When it runs out, or the break does.
    ends: i64,
    /// Whether it was broken or is being broken.
    broken: bool,
}

impl Model {
    fn state(&self) -> &'static str {
        match (self.holder, self.broken) {
            (None, _) => "available",
            (Some(_), true) if self.now >= self.ends => "broken",
            (Some(_), true) => "breaking",
            (Some(_), false) if self.seconds >= 0 && self.now >= self.ends => "expired",
            (Some(_), false) => "leased",
        }
    }

    fn hold(&mut self, id: usize, seconds: i64) {
        let ends = self.now + seconds;
        *self = Self { holder: Some(id), seconds, ends, broken: false, ..*self };
    }

    /// Does the action, and says with which status and code it is answered.
    fn apply(&mut self, action: Action) -> (u16, &'static str) {
        let state = self.state();
        let own = |id: usize| self.holder == Some(id);
        match action {
            Action::Pass { seconds } => {
                self.now += seconds;
                (0, "")
            }
            Action::Acquire { id, seconds } => match state {
                "leased" if !own(id) => (409, "LeaseAlreadyPresent"),
                "breaking" if own(id) => (409, "LeaseIsBreakingAndCannotBeAcquired"),
                "breaking" => (409, "LeaseAlreadyPresent"),
                _ => {
                    self.hold(id, seconds);
                    (201, "")
                }
            },
            Action::Renew { id } => match state {
                "leased" | "expired" if own(id) => {
                    self.hold(id, self.seconds);
                    (200, "")
                }
                "breaking" | "broken" if own(id) => (409, "LeaseIsBrokenAndCannotBeRenewed"),
                _ => (409, "LeaseIdMismatchWithLeaseOperation"),
            },
            Action::Change { from, to } => match state {
                "leased" if own(from) || own(to) => {
                    self.holder = Some(to);
                    (200, "")
                }
                "leased" => (409, "LeaseIdMismatchWithLeaseOperation"),
                "breaking" => (409, "LeaseIsBreakingAndCannotBeChanged"),
                _ => (409, "LeaseNotPresentWithLeaseOperation"),
            },
            Action::Release { id } if own(id) => {
                self.holder = None;
                (200, "")
            }
            Action::Release { .. } => (409, "LeaseIdMismatchWithLeaseOperation"),
            Action::Break { period } => self.apply_break(period),
            Action::Write { id } | Action::Read { id } => self.use_it(action, id),
        }
    }

    fn apply_break(&mut self, period: Option<i64>) -> (u16, &'static str) {
        let left = match self.state() {
            "available" => return (409, "LeaseNotPresentWithLeaseOperation"),
            "leased" if self.seconds < 0 => period.unwrap_or(0),
            "leased" | "breaking" => {
                let rest = self.ends - self.now;
                period.map_or(rest, |period| period.min(rest))
            }
            _ => 0,
        };
        (self.broken, self.ends) = (true, self.now + left);
        (202, "")
    }

    /// A use of the blob; a container guards no such use, see the test.
    fn use_it(&mut self, action: Action, id: Option<usize>) -> (u16, &'static str) {
        let writes = matches!(action, Action::Write { .. });
        let state = self.state();
        match (id, state) {
            (None, "leased" | "breaking") if writes => (412, "LeaseIdMissing"),
            (None, _) => {
                if writes {
                    self.holder = None;
                }
                (200, "")
            }
            (Some(_), "available") => (412, "LeaseNotPresentWithBlobOperation"),
            (Some(id), _) if self.holder != Some(id) => (412, "LeaseIdMismatchWithBlobOperation"),
            (Some(_), "leased" | "breaking") => (200, ""),
            (Some(_), _) => (412, "LeaseLost"),
        }
    }
}

/// Numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn action(&mut self) -> Action {
        let id = self.below(IDS.len());
        let maybe = Some(id).filter(|_| self.below(2) == 0);
        match self.below(10) {
            0 | 1 => Action::Acquire { id, seconds: [-1, 15, 30, 60][self.below(4)] },
            2 => Action::Renew { id },
            3 => Action::Change { from: id, to: self.below(IDS.len()) },
            4 => Action::Release { id },
            5 => Action::Break { period: [None, Some(0), Some(10), Some(60)][self.below(4)] },
            6 => Action::Write { id: maybe },
            7 => Action::Read { id: maybe },
            _ => Action::Pass { seconds: [1, 5, 15, 40][self.below(4)] },
        }
    }
}

/// The request that does an action to the blob, or to the container.
fn call(action: Action, blob: bool) -> Option<Call> {
    let target = if blob { "/box/b?comp=lease" } else { "/box?restype=container&comp=lease" };
    let lease = |name: &str| put(target).header("x-ms-lease-action", name);
    let with = |call: Call, id: Option<usize>| match id {
        Some(id) => call.header("x-ms-lease-id", IDS[id]),
        None => call,
    };
    Some(match action {
        Action::Pass { .. } => return None,
        Action::Acquire { id, seconds } => lease("acquire")
            .header("x-ms-lease-duration", seconds)
            .header("x-ms-proposed-lease-id", IDS[id]),
        Action::Renew { id } => with(lease("renew"), Some(id)),
        Action::Change { from, to } => {
            with(lease("change"), Some(from)).header("x-ms-proposed-lease-id", IDS[to])
        }
        Action::Release { id } => with(lease("release"), Some(id)),
        Action::Break { period: None } => lease("break"),
        Action::Break { period: Some(period) } => {
            lease("break").header("x-ms-lease-break-period", period)
        }
        Action::Write { id } => with(put("/box/b?comp=metadata").header("x-ms-meta-a", "1"), id),
        Action::Read { id } => with(get("/box/b"), id),
    })
}

/// A cell of the tables: what was done, by whom, and in which state.
fn cell(action: Action, model: &Model) -> Option<String> {
    let whose = |id: usize| match model.holder {
        None => "anybody's",
        Some(holder) if holder == id => "own",
        Some(_) => "another's",
    };
    let text = match action {
        Action::Pass { .. } => return None,
        Action::Acquire { id, seconds } => format!("acquire {} {}", whose(id), seconds < 0),
        Action::Renew { id } => format!("renew {}", whose(id)),
        Action::Change { from, to } => format!("change {} to {}", whose(from), whose(to)),
        Action::Release { id } => format!("release {}", whose(id)),
        Action::Break { period } => format!("break {period:?}"),
        Action::Write { id } => format!("write {:?}", id.map(whose)),
        Action::Read { id } => format!("read {:?}", id.map(whose)),
    };
    Some(format!("{text} when {}", model.state()))
}

/// Sequences of actions, and the actions of one: enough for every cell.
const SEQUENCES: usize = 200;
const STEPS: usize = 50;

/// Cells of the two tables: those in which nobody has or had the lease, and the four others.
fn cells(blob: bool) -> usize {
    // Acquire twice (for ever or not), renew, change, release; four breaks; write and read.
    let of_available = 2 + 1 + 1 + 1 + 4;
    let of_each = 2 * 2 + 2 + 4 + 2 + 4;
    let uses = if blob { (2 + 2) + 4 * (3 + 3) } else { 0 };
    of_available + 4 * of_each + uses
}

#[test]
fn leases_do_what_the_tables_say() {
    for blob in [true, false] {
        let mut seen = BTreeSet::new();
        let mut random = Random(20_261_124);
        let state_of = if blob { head("/box/b") } else { head("/box?restype=container") };
        for _ in 0..SEQUENCES {
            let blobs = Blobs::set_up(Setup { unlogged: true, ..Setup::default() });
            blobs.send(&put("/box?restype=container")).is(201);
            blobs.send(&put_blob("/box/b", "content")).is(201);
            let mut model = Model::default();
            for step in 0..STEPS {
                let action = random.action();
                let uses = matches!(action, Action::Write { .. } | Action::Read { .. });
                if uses && !blob {
                    continue;
                }
                seen.extend(cell(action, &model));
                let (status, code) = model.apply(action);
                match (call(action, blob), action) {
                    (None, Action::Pass { seconds }) => blobs.pass(seconds as u64),
                    (Some(call), _) => {
                        let answer = blobs.send(&call);
                        assert_eq!(answer.status(), status, "step {step}, {action:?}: {answer}");
                        answer.has("x-ms-error-code", code);
                        if let (Action::Break { .. }, 202) = (action, status) {
                            let left = (model.ends - model.now).to_string();
                            answer.has("x-ms-lease-time", &left);
                        }
                    }
                    (None, _) => {}
                }
                let answer = blobs.send(&state_of);
                answer.has("x-ms-lease-state", model.state());
            }
        }
        assert_eq!(seen.len(), cells(blob), "{seen:#?}");
    }
}
