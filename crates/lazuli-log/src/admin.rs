//! What the one who runs the server may ask the log for, beside what everybody may.
//!
//! | path | answer |
//! |---|---|
//! | `status` | how the log is, as JSON |
//! | `segment/N` | the file of closed segment N, as [`lazuli_evidence::segment`] lays it out |
//! | `entries?account=A&from=T&to=T&at=SEGMENT.INDEX&end=SEGMENT` | a [`Page`](crate::account::Page) |
//!
//! Times are RFC 3339, or milliseconds since 1970. `account=-` stands for the store itself. Entries
//! are opened with the account's key: these answers are for its holder and nobody else. To ask for a
//! page is therefore an access by the operator, which is entered in the account before the page is
//! given. The page itself ends before that entry: it shows what had been closed until then. The file
//! of a segment is given without an entry, for nothing in it is opened.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use lazuli_base::Clock;
use lazuli_engine::{Commit, CommitError, Meta};
use lazuli_evidence::cbor::Writer;
use lazuli_evidence::{Draft, Group, Kind, segment};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::account::{Cursor, Query};
use crate::keys::{STORE_ACCOUNT, STORE_NAME};
use crate::ledger::{Identity, Ledger, millis};
use crate::public::{Answer, Public};
use crate::stats::{LogStats, WitnessStats};

/// The operation of the entry that says that entries were opened.
const OPEN_ENTRIES: &str = "OpenEntries";

/// The id of whoever runs the server, as the principal of an entry.
pub(crate) const OPERATOR: &str = "operator";

/// An access by the operator could not be entered in the account's log, and so was not answered.
#[derive(Debug)]
pub struct Unlogged(CommitError);

impl std::fmt::Display for Unlogged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the access cannot be entered: {}", self.0)
    }
}

impl std::error::Error for Unlogged {}

/// The side of the log that the operator sees.
pub struct AdminLog {
    pub(crate) meta: Arc<dyn Meta>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) public: Arc<Public>,
    pub(crate) stats: Arc<LogStats>,
}

impl std::fmt::Debug for AdminLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminLog").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Milliseconds since 1970 as RFC 3339; `None` for 0, which stands for never.
pub fn time(ms: u64) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    (ms > 0).then(|| format!("{time:.3}"))
}

/// Reads a time: RFC 3339, or milliseconds since 1970.
pub fn parse_time(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let time: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}

impl AdminLog {
    /// Answers a question, which is a path below the log's, with or without a query; `None` if there
    /// is nothing of the kind. `source` is the network that it comes from, for the entry of the access.
    ///
    /// [`Unlogged`] if it is an access to an account and cannot be entered.
    pub async fn get(
        &self,
        path_and_query: &str,
        source: &str,
    ) -> Result<Option<Answer>, Unlogged> {
        if let Some(query) = path_and_query.strip_prefix("entries?") {
            return self.entries(query, source).await;
        }
        Ok(self.unopened(path_and_query).await)
    }

    /// Answers what opens no entry.
    async fn unopened(&self, path_and_query: &str) -> Option<Answer> {
        let path = path_and_query.split('?').next()?;
        if path == "status" {
            let body = format!("{:#}\n", self.status());
            let content_type = "application/json";
            return Some(Answer { content_type, body: body.into(), immutable: false });
        }
        if let Some(n) = path.strip_prefix("segment/") {
            let n = n.parse().ok()?;
            let row = self.public.segment(n).await?;
            let entries = self.public.entries(n, row).await?;
            return Some(binary(segment::encode(n, &entries).into(), true));
        }
        self.public.answer_operator(path).await
    }

    /// Opens a page of an account's entries, once it is entered there that it is.
    async fn entries(&self, query: &str, source: &str) -> Result<Option<Answer>, Unlogged> {
        let Some(query) = parse_query(query) else { return Ok(None) };
        // What is shown is fixed before the access is entered, so that it is never in it.
        let Some(window) = self.window(&query).await else { return Ok(None) };
        let entries = vec![self.access(&query, source)];
        let commit = Commit { entries, since: self.meta.latest(), ..Commit::default() };
        self.meta.commit(commit).await.map_err(Unlogged)?;
        let page = self.page(query, window).await;
        Ok(page.map(|page| binary(page.encode().into(), false)))
    }

    /// The entry of an access: who, from where, and to entries of which time.
    fn access(&self, query: &Query, source: &str) -> Bytes {
        let mut principal = Vec::new();
        Writer::new(&mut principal).text(OPERATOR);
        let mut auth = Vec::new();
        Writer::new(&mut auth).array(3).text("admin-listener").null().null();
        let mut from = Vec::new();
        Writer::new(&mut from).array(2).text(source).text("plain");
        let mut request = Vec::new();
        Writer::new(&mut request).array(2).uint(query.from_ms).uint(query.to_ms);
        let mut result = Vec::new();
        Writer::new(&mut result).array(3).uint(200).null().null();
        let now = millis(&*self.clock);
        Draft::new(Kind::Operator, OPEN_ENTRIES, &query.account, now)
            .with(Group::Principal, &principal)
            .with(Group::Auth, &auth)
            .with(Group::Source, &from)
            .with(Group::Request, &request)
            .with(Group::Result, &result)
            .encode()
    }

    /// How the log is.
    fn status(&self) -> Value {
        let stats = &self.stats;
        let load = |number: &std::sync::atomic::AtomicU64| number.load(Ordering::Relaxed);
        let checkpoint = self.public.checkpoint().map(|signed| {
            let head = *signed.checkpoint().head();
            let time = time(load(&stats.checkpoint_ms));
            json!({ "size": head.size, "root": head.root.to_string(), "time": time })
        });
        let witnessed = self.public.witnessed();
        let (open, since_ms) = self.ledger.open_segment();
        let [from, to] = [&stats.gap_ms[0], &stats.gap_ms[1]].map(load);
        let gap = (to > 0).then(|| json!({ "from": time(from), "to": time(to) }));
        let witness = |witness: &WitnessStats| {
            json!({
                "name": witness.name,
                "url": witness.url,
                "size": load(&witness.size),
                "lag": stats.lag(witness),
                "cosigned": time(load(&witness.cosigned_ms)),
                "requests": load(&witness.requests),
                "failures": load(&witness.failures),
                "error": witness.error(),
            })
        };
        json!({
            "origin": self.identity.keys.origin(),
            "site": self.identity.site,
            "boot": self.identity.boot,
            "paused": self.ledger.paused(),
            "size": load(&stats.spine_size),
            "checkpoint": checkpoint,
            "witnessed": witnessed.map(|signed| signed.checkpoint().head().size),
            "unwitnessed": stats.is_unwitnessed(),
            "segments": load(&stats.segments),
            "waiting": load(&stats.waiting),
            "open_segment": { "n": open, "since": time(since_ms) },
            "gap": gap,
            "witnesses": stats.witnesses.iter().map(witness).collect::<Vec<_>>(),
        })
    }
}

/// Reads what is asked for of an account.
fn parse_query(query: &str) -> Option<Query> {
    let (mut account, mut at, mut end) = (None, None, None);
    let (mut from_ms, mut to_ms) = (0, u64::MAX);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let value = percent_decode_str(value).decode_utf8().ok()?;
        match name {
            "account" => account = Some(value.into_owned()),
            "from" => from_ms = parse_time(&value)?,
            "to" => to_ms = parse_time(&value)?,
            "at" => at = Some(value.parse::<Cursor>().ok()?),
            "end" => end = Some(value.parse::<u64>().ok()?),
            _ => return None,
        }
    }
    let mut account = account?;
    if account == STORE_NAME {
        STORE_ACCOUNT.clone_into(&mut account);
    }
    Some(Query { account, from_ms, to_ms, at, end })
}

fn binary(body: Bytes, immutable: bool) -> Answer {
    Answer { content_type: "application/octet-stream", body, immutable }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn times_are_read_in_two_forms_and_written_in_one() {
        assert_eq!(parse_time("1760000000123"), Some(1_760_000_000_123));
        assert_eq!(parse_time("2025-10-09T08:53:20.123Z"), Some(1_760_000_000_123));
        assert_eq!(parse_time("2025-10-09T10:53:20.123+02:00"), Some(1_760_000_000_123));
        assert_eq!(time(1_760_000_000_123).as_deref(), Some("2025-10-09T08:53:20.123Z"));
        for text in ["", "now", "-5", "1969-12-31T23:59:59Z", "99999999999999999999"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
        assert_eq!((time(0), time(u64::MAX)), (None, None));
    }
}
