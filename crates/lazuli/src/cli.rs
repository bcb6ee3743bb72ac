//! The command line as types. Other tools rely on it: what is here stays.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::Flag;

/// An Azure Blob Storage server on your own disks.
#[derive(Debug, Parser)]
#[command(name = "lazuli", version, about, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the Blob service until SIGTERM or SIGINT.
    Serve(Settings),
    /// Check a data directory that no server has open; exit status 1 names what is damaged.
    Fsck(Fsck),
    /// Print the version.
    Version,
    /// Print a completion script.
    Completions {
        /// The shell to complete in.
        shell: Shell,
    },
    /// Print the manual page, or write one for each command.
    Man {
        /// The directory to write them to.
        dir: Option<PathBuf>,
    },
    /// Look at the transparency log of a running server, or follow that of any.
    #[command(subcommand)]
    Log(LogCommand),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print each setting with its value and where the value came from; keys are left out.
    Explain(Settings),
}

/// What to do with a transparency log.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Print how the log is: its size, its last signed checkpoint, which witnesses have cosigned it
    /// and how far each lags behind; exit status 1 if the log is stopped.
    Status(LogStatus),
    /// Print the checkpoint and the last leaves of the public log, one leaf, or the entries of a
    /// segment (a second of operations), whose fields stay sealed.
    Show(LogShow),
    /// Write the log as files that anybody can verify.
    Export(LogExport),
    /// Print the entries of an account and write them as a bundle of evidence, opened. Waits until
    /// witnesses vouch for them, if the log has some that answer.
    Entries(LogEntries),
    /// Follow a log and raise an alarm when it contradicts itself; exit status 1 if it does, and 3
    /// if a single look (`--once`) raised another alarm.
    Monitor(LogMonitor),
}

/// Where a server's admin listener is.
#[derive(Debug, Args)]
pub(crate) struct Admin {
    /// The address of the server's admin listener.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:10004")]
    pub(crate) admin: String,
}

/// `lazuli log status`.
#[derive(Debug, Args)]
pub(crate) struct LogStatus {
    #[command(flatten)]
    pub(crate) admin: Admin,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `lazuli log show`.
#[derive(Debug, Args)]
pub(crate) struct LogShow {
    #[command(flatten)]
    pub(crate) admin: Admin,
    /// The number of a segment whose entries to print: a receipt names it.
    #[arg(long, value_name = "N", conflicts_with = "leaf")]
    pub(crate) segment: Option<u64>,
    /// The index of a leaf of the public log to print, from 0.
    #[arg(long, value_name = "I")]
    pub(crate) leaf: Option<u64>,
}

/// `lazuli log export`.
#[derive(Debug, Args)]
pub(crate) struct LogExport {
    #[command(flatten)]
    pub(crate) admin: Admin,
    /// The address of a public log to mirror instead, such as `http://HOST:10000/.lazuli/log` or
    /// that of any log in tlog-tiles.
    #[arg(long, value_name = "URL", conflicts_with_all = ["admin", "segments"])]
    pub(crate) url: Option<String>,
    /// A PEM file of roots to trust where the URL begins with `https`, instead of the system's.
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The most bytes that a mirror may have: a log that claims more leaves than fit is refused.
    #[arg(long, value_name = "BYTES", requires = "url", default_value_t = 16 << 30)]
    pub(crate) bytes_max: u64,
    /// The directory to write to; what is there already is kept up to date.
    pub(crate) dir: PathBuf,
    /// Write the sealed entries of all segments, too.
    #[arg(long)]
    pub(crate) segments: bool,
}

/// `lazuli log entries`.
#[derive(Debug, Args)]
pub(crate) struct LogEntries {
    #[command(flatten)]
    pub(crate) admin: Admin,
    /// The account; `-` for the entries of the server itself.
    #[arg(long, value_name = "NAME")]
    pub(crate) account: String,
    /// The beginning of the time to look at: RFC 3339, or milliseconds since 1970.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// The end of the time to look at.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
    /// The directory to write the bundle to, which must be new.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

/// `lazuli log monitor`.
#[derive(Debug, Args)]
pub(crate) struct LogMonitor {
    /// Where the log is: `http://HOST:PORT/.lazuli/log` of a Lazuli server, or the prefix of any
    /// other C2SP tlog-tiles log.
    pub(crate) url: String,
    /// A C2SP tlog-policy file with the key of the log, its witnesses and the quorum.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: PathBuf,
    /// A PEM file with the roots that a log with an `https` address is trusted by, instead of those
    /// of the system.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The file that keeps what was seen last.
    #[arg(long, value_name = "FILE", default_value = "lazuli-monitor.json")]
    pub(crate) state: PathBuf,
    /// Look once and end.
    #[arg(long)]
    pub(crate) once: bool,
    /// Seconds from one look to the next.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) interval: u64,
}

/// `lazuli fsck`.
#[derive(Debug, Args)]
pub(crate) struct Fsck {
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

/// The settings of `lazuli serve`; each also has a key in the configuration file and a variable.
#[derive(Debug, Default, Args)]
pub(crate) struct Settings {
    /// A configuration file (TOML); the environment and the flags outdo it.
    #[arg(long, value_name = "FILE", env = "LAZULI_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The directory to keep data in [default: ./lazuli-data].
    #[arg(long, value_name = "DIR", conflicts_with = "in_memory")]
    data: Option<String>,
    /// Keep data in memory only.
    #[arg(long)]
    in_memory: bool,
    /// The address to listen on [default: 127.0.0.1].
    #[arg(long, value_name = "ADDR")]
    host: Option<String>,
    /// The Blob service's port, 0 for a free one [default: 10000].
    #[arg(long, value_name = "N")]
    blob_port: Option<u16>,
    /// The Queue service's port, 0 for a free one [default: 10001].
    #[arg(long, value_name = "N")]
    queue_port: Option<u16>,
    /// The Table service's port, 0 for a free one [default: 10002].
    #[arg(long, value_name = "N")]
    table_port: Option<u16>,
    /// The Data Lake service's port; the service is not built yet [default: 10003].
    #[arg(long, value_name = "N")]
    dfs_port: Option<u16>,
    /// The port of health and metrics, 0 for a free one [default: 10004].
    #[arg(long, value_name = "N")]
    admin_port: Option<u16>,
    /// An account to serve, NAME:KEY or NAME:KEY1:KEY2, instead of devstoreaccount1.
    #[arg(long, value_name = "NAME:KEY")]
    account: Vec<String>,
    /// When a write is acknowledged: `sync`, once it is on disk; `relaxed`, once the operating
    /// system has it, so that a power cut may lose the last second [default: sync].
    #[arg(long, value_name = "sync|relaxed")]
    durability: Option<String>,
    /// Refuse service versions newer than the newest known one, as Azure does.
    #[arg(long)]
    strict_versions: bool,
    /// The form of log lines on stderr [default: text].
    #[arg(long, value_name = "text|json")]
    log: Option<String>,
    /// Whether every operation is entered in the transparency log [default: on].
    #[arg(long, value_name = "on|off")]
    transparency_log: Option<String>,
    /// The file that keeps the last signed head of the transparency log, outside the data directory
    /// and its backups [default: beside the data directory, as NAME.heads].
    #[arg(long, value_name = "PATH")]
    head_store: Option<String>,
    /// The file that keeps the keys of the transparency log and of the accounts' entries, outside the
    /// data directory [default: beside it, as NAME.keys].
    #[arg(long, value_name = "PATH")]
    log_keys: Option<String>,
    /// The directory of the public files of the transparency log, which may be handed to anybody,
    /// outside the data directory [default: beside it, as NAME.log].
    #[arg(long, value_name = "DIR")]
    log_directory: Option<String>,
    /// The name of the transparency log, such as a host name, for a log that is new.
    #[arg(long, value_name = "NAME")]
    log_origin: Option<String>,
    /// A C2SP tlog-policy file whose witnesses are asked to cosign the transparency log.
    #[arg(long, value_name = "FILE")]
    witness_policy: Option<String>,
    /// A PEM file with the roots that witnesses with `https` addresses are trusted by
    /// [default: those of the system].
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
    /// The hosts that copy sources on other servers may be on, separated by `;`: `NAME`, `*.NAME` or
    /// `*`, each with or without `:PORT` [default: the Blob endpoints of Azure].
    #[arg(long, value_name = "HOSTS")]
    copy_source_hosts: Option<String>,
    /// Networks, such as `10.0.0.0/8`, separated by `;`, in which copy sources may be although they
    /// are private [default: none].
    #[arg(long, value_name = "NETWORKS")]
    copy_source_networks: Option<String>,
    /// A PEM file of authorities that are trusted for copy sources besides the system's.
    #[arg(long, value_name = "FILE")]
    copy_source_ca_file: Option<String>,
    /// A file to write (JSON: endpoints, account, process id) once all listeners accept.
    #[arg(long, value_name = "PATH")]
    ready_file: Option<String>,
}

impl Settings {
    /// What was given, by the settings' keys.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let text = |text: &Option<String>| text.clone();
        let port = |port: Option<u16>| port.map(|port| port.to_string());
        let switch = |on: bool| on.then(|| true.to_string());
        let account = (!self.account.is_empty()).then(|| self.account.join(";"));
        [
            ("data", "--data", text(&self.data)),
            ("in-memory", "--in-memory", switch(self.in_memory)),
            ("host", "--host", text(&self.host)),
            ("blob-port", "--blob-port", port(self.blob_port)),
            ("queue-port", "--queue-port", port(self.queue_port)),
            ("table-port", "--table-port", port(self.table_port)),
            ("dfs-port", "--dfs-port", port(self.dfs_port)),
            ("admin-port", "--admin-port", port(self.admin_port)),
            ("accounts", "--account", account),
            ("durability", "--durability", text(&self.durability)),
            ("strict-versions", "--strict-versions", switch(self.strict_versions)),
            ("log", "--log", text(&self.log)),
            ("transparency-log", "--transparency-log", text(&self.transparency_log)),
            ("head-store", "--head-store", text(&self.head_store)),
            ("log-keys", "--log-keys", text(&self.log_keys)),
            ("log-directory", "--log-directory", text(&self.log_directory)),
            ("log-origin", "--log-origin", text(&self.log_origin)),
            ("witness-policy", "--witness-policy", text(&self.witness_policy)),
            ("ca-file", "--ca-file", text(&self.ca_file)),
            ("copy-source-hosts", "--copy-source-hosts", text(&self.copy_source_hosts)),
            ("copy-source-networks", "--copy-source-networks", text(&self.copy_source_networks)),
            ("copy-source-ca-file", "--copy-source-ca-file", text(&self.copy_source_ca_file)),
            ("ready-file", "--ready-file", text(&self.ready_file)),
        ]
        .into_iter()
        .filter_map(|(key, name, text)| text.map(|text| Flag { key, name, text }))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::config::settings;

    fn flags_of(line: &str) -> Vec<(&'static str, String)> {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Serve(settings) => {
                settings.flags().into_iter().map(|flag| (flag.key, flag.text)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_types_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_serve_reaches_its_setting() {
        let line = "lazuli serve --data d --host h --blob-port 1 --queue-port 2 --table-port 3 \
                    --dfs-port 4 --admin-port 5 --account one:YQ== --account two:YQ== \
                    --durability relaxed --strict-versions --log json --ready-file r \
                    --transparency-log on --head-store h --log-keys k \
                    --log-directory d --log-origin o --witness-policy w --ca-file c";
        let want = [
            ("data", "d"),
            ("host", "h"),
            ("blob-port", "1"),
            ("queue-port", "2"),
            ("table-port", "3"),
            ("dfs-port", "4"),
            ("admin-port", "5"),
            ("accounts", "one:YQ==;two:YQ=="),
            ("durability", "relaxed"),
            ("strict-versions", "true"),
            ("log", "json"),
            ("transparency-log", "on"),
            ("head-store", "h"),
            ("log-keys", "k"),
            ("log-directory", "d"),
            ("log-origin", "o"),
            ("witness-policy", "w"),
            ("ca-file", "c"),
            ("ready-file", "r"),
        ];
        assert_eq!(flags_of(line), want.map(|(key, text)| (key, text.to_owned())));
        assert!(want.iter().all(|(key, _)| settings::find(key).is_some()));
        assert_eq!(flags_of("lazuli serve"), []);
        assert_eq!(flags_of("lazuli serve --in-memory"), [("in-memory", "true".to_owned())]);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "lazuli serve --data d --in-memory",
            "lazuli serve --blob-port 70000",
            "lazuli serve --bolb-port 1",
            "lazuli serve extra",
            "lazuli fsck",
            "lazuli completions cobol",
            "lazuli config",
            "lazuli log",
            "lazuli log show --segment 1 --leaf 2",
            "lazuli log show --leaf x",
            "lazuli log export",
            "lazuli log entries --account a",
            "lazuli log monitor http://a",
            "lazuli log monitor http://a --policy p --interval 0",
        ] {
            assert_eq!(Cli::try_parse_from(line.split(' ')).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
