//! The transparency log of a server: opened before the first request, ended after the last.

use std::path::Path;
use std::sync::Arc;

use lazuli_api::PublicLog;
use lazuli_api::public_log::{Cache, PublicAnswer};
use lazuli_base::{Clock, Entropy};
use lazuli_engine::{BoxFuture, Engine};
use lazuli_log::admin::AdminLog;
use lazuli_log::keys::Keys;
use lazuli_log::ledger::Ledger;
use lazuli_log::public::{Answer, Public};
use lazuli_log::stats::LogStats;
use lazuli_log::witness::Witnesses;
use lazuli_log::{Log, Parts, Running};

use crate::config::Config;
use crate::failure::{Failure, While as _};

/// The number of the site: there is one.
const SITE: u64 = 1;

/// A log that is written.
pub(super) struct Transparency {
    running: Running,
    /// Who takes entries, or says why not.
    pub(super) ledger: Arc<Ledger>,
    public: Arc<Public>,
    admin: Arc<AdminLog>,
    /// What it counts.
    pub(super) stats: Arc<LogStats>,
}

/// What outsiders may ask, as the listeners of the storage services show it.
struct Shown(Arc<Public>);

impl PublicLog for Shown {
    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Option<PublicAnswer>> {
        Box::pin(async move { shown(self.0.answer(path.strip_prefix("log/")?).await?) })
    }
}

/// What the operator may ask, as the admin listener shows it.
struct ShownToOperator(Arc<AdminLog>);

impl PublicLog for ShownToOperator {
    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Option<PublicAnswer>> {
        Box::pin(async move { shown(self.0.get(path.strip_prefix("log/")?).await?) })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "both callers have it end in this")]
fn shown(Answer { content_type, body, immutable }: Answer) -> Option<PublicAnswer> {
    let cache = if immutable { Cache::Immutable } else { Cache::No };
    Some(PublicAnswer { content_type, body, cache })
}

/// Reads the policy that names the witnesses, and the roots that they are trusted by.
fn witnesses(path: &Path, ca_file: Option<&Path>) -> Result<Witnesses, Failure> {
    let doing = || format!("use the witnesses of {}", path.display());
    let bytes = std::fs::read(path).or_fail(doing())?;
    let witnesses = Witnesses::parse(&bytes).or_fail(doing())?;
    let Some(file) = ca_file else { return witnesses.trusting(None).or_fail(doing()) };
    let doing = || format!("use the roots of {}", file.display());
    let pem = std::fs::read(file).or_fail(doing())?;
    witnesses.trusting(Some(&pem)).or_fail(doing())
}

/// Opens the log of a store and has it written from now on; `None` if there is to be none.
pub(super) async fn start(
    config: &Config,
    engine: &Engine,
    clock: Arc<dyn Clock>,
    entropy: &dyn Entropy,
) -> Result<Option<Transparency>, Failure> {
    let Some(settings) = &config.transparency else { return Ok(None) };
    let accounts: Vec<_> = config.accounts.iter().map(|account| account.name.clone()).collect();
    let keys = settings.keys.as_deref();
    let keys = Keys::open(keys, settings.origin.as_deref(), &accounts, entropy);
    let keys = keys.or_fail("open the keys of the transparency log")?;
    let parts = Parts {
        meta: Arc::clone(&engine.meta),
        clock,
        keys,
        files: settings.directory.clone(),
        head_store: settings.head_store.clone(),
        site: SITE,
        config: config.digest,
        witnesses: {
            let ca_file = settings.ca_file.as_deref();
            settings.witnesses.as_deref().map(|path| witnesses(path, ca_file)).transpose()?
        },
    };
    let log = Log::open(parts).await.or_fail("open the transparency log")?;
    let Log { ledger, public, sealer, stats, admin } = log;
    engine.write_journal_with(Arc::clone(&ledger) as _);
    let running = Running::start(sealer).or_fail("start to seal the transparency log")?;
    Ok(Some(Transparency { running, ledger, public, admin, stats }))
}

impl Transparency {
    /// What the listeners show of the log.
    pub(super) fn public_log(&self) -> Arc<dyn PublicLog> {
        Arc::new(Shown(Arc::clone(&self.public)))
    }

    /// What the admin listener shows of it.
    pub(super) fn operator_log(&self) -> Arc<dyn PublicLog> {
        Arc::new(ShownToOperator(Arc::clone(&self.admin)))
    }

    /// Seals everything entered. To be called after the last commit but those of the log itself.
    pub(super) async fn stop(self) {
        self.running.stop().await;
    }
}
