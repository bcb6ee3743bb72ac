//! The transparency log of a server: opened before the first request, ended after the last.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use lazuli_api::public_log::{Cache, PublicAnswer, Unlogged};
use lazuli_api::{OperatorLog, PublicLog};
use lazuli_base::{Clock, Entropy, Oldest};
use lazuli_engine::{BoxFuture, Engine};
use lazuli_log::admin::AdminLog;
use lazuli_log::belonging::{self, Beside, Place};
use lazuli_log::head_store::HeadStore;
use lazuli_log::keys::Keys;
use lazuli_log::ledger::Ledger;
use lazuli_log::public::{Answer, Public};
use lazuli_log::stats::LogStats;
use lazuli_log::witness::Witnesses;
use lazuli_log::{Log, Parts, Running};
use lazuli_store::origin::Network;

use crate::config::{Config, Data};
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
        Box::pin(async move { Some(shown(self.0.answer(path.strip_prefix("log/")?).await?)) })
    }
}

/// What the operator may ask, as the admin listener shows it.
struct ShownToOperator(Arc<AdminLog>);

impl OperatorLog for ShownToOperator {
    fn get<'a>(
        &'a self,
        path: &'a str,
        remote: IpAddr,
    ) -> BoxFuture<'a, Result<Option<PublicAnswer>, Unlogged>> {
        Box::pin(async move {
            let Some(path) = path.strip_prefix("log/") else { return Ok(None) };
            let source = Network::of(remote).to_string();
            match self.0.get(path, &source).await {
                Ok(answer) => Ok(answer.map(shown)),
                Err(error) => {
                    tracing::warn!(%error, "an account's entries were asked for and not shown");
                    Err(Unlogged)
                }
            }
        })
    }
}

fn shown(Answer { content_type, body, immutable }: Answer) -> PublicAnswer {
    let cache = if immutable { Cache::Immutable } else { Cache::No };
    PublicAnswer { content_type, body, cache }
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

/// The keys and the last signed head of a store's log: in memory for a store that is kept there.
async fn belongings(
    config: &Config,
    engine: &Engine,
    accounts: &[String],
    entropy: &dyn Entropy,
) -> Result<(Keys, HeadStore), Failure> {
    let doing = "open the transparency log";
    let Some(settings) = &config.transparency else {
        return Err(Failure::new("there is no transparency log"));
    };
    let origin = settings.origin.as_deref();
    let directories = (&config.data, engine.identity(), settings.directory.as_deref());
    let files = settings.keys.as_deref().zip(settings.head_store.as_deref());
    if let ((Data::Directory(directory), Some(identity), Some(public)), Some((keys, head_store))) =
        (directories, files)
    {
        let beside = Beside { keys, head_store, files: public };
        let place = Place { directory, identity, meta: &*engine.meta, beside };
        return belonging::open(place, origin, accounts, entropy).await.map_err(|error| {
            let failure = Failure::new(format!("cannot {doing}: {error}"));
            match error.hint() {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        });
    }
    let keys = Keys::open(None, origin, accounts, entropy).or_fail(doing)?;
    let heads = HeadStore::open(None, keys.origin()).or_fail(doing)?;
    Ok((keys, heads))
}

/// Opens the log of a store, which tells of its oldest read that is not logged, and has it
/// written from now on; `None` if there is to be none.
pub(super) async fn start(
    config: &Config,
    (engine, reads): (&Engine, Oldest),
    clock: Arc<dyn Clock>,
    entropy: &dyn Entropy,
) -> Result<Option<Transparency>, Failure> {
    let Some(settings) = &config.transparency else { return Ok(None) };
    let accounts: Vec<_> = config.accounts.iter().map(|account| account.name.clone()).collect();
    let (keys, heads) = belongings(config, engine, &accounts, entropy).await?;
    let parts = Parts {
        meta: Arc::clone(&engine.meta),
        clock,
        keys,
        files: settings.directory.clone(),
        heads,
        site: SITE,
        config: config.digest,
        witnesses: {
            let ca_file = settings.ca_file.as_deref();
            settings.witnesses.as_deref().map(|path| witnesses(path, ca_file)).transpose()?
        },
        reads,
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
    pub(super) fn operator_log(&self) -> Arc<dyn OperatorLog> {
        Arc::new(ShownToOperator(Arc::clone(&self.admin)))
    }

    /// Seals everything entered. To be called after the last commit but those of the log itself.
    pub(super) async fn stop(self) {
        self.running.stop().await;
    }
}
