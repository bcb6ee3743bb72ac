//! Every setting, once: its key in the file, its environment variable, its default.

/// What a setting's text must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// `true` or `false`.
    Switch,
    /// 0 to 65535.
    Port,
    /// A positive whole number.
    Count,
    /// Seconds, as a positive number.
    Seconds,
    /// One of these words.
    Word(&'static [&'static str]),
    /// `NAME:KEY` or `NAME:KEY1:KEY2`, several of them separated by `;`. All layers add up.
    Accounts,
    /// `ACCOUNT:PRINCIPAL:ROLE[:SCOPE]`, several of them separated by `;`. All layers add up. In the
    /// file each is a table of its own, `[[identity.assignment]]`.
    Assignments,
    /// Texts, separated by `;`.
    List,
}

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its key in the configuration file; with a dot, it is in a table.
    pub(crate) key: &'static str,
    /// Its environment variable.
    pub(crate) env: &'static str,
    /// What its text must look like.
    pub(crate) kind: Kind,
    /// Its value if nobody says anything; empty means none.
    pub(crate) default: &'static str,
}

const fn setting(
    key: &'static str,
    env: &'static str,
    kind: Kind,
    default: &'static str,
) -> Setting {
    Setting { key, env, kind, default }
}

/// The directory that is used if none is named.
pub(crate) const DATA_DEFAULT: &str = "./lazuli-data";

/// Where copy sources on other servers may be if nobody says otherwise: the Blob endpoints of
/// Azure's clouds.
pub(crate) const COPY_SOURCE_HOSTS_DEFAULT: &str = "*.blob.core.windows.net;\
    *.blob.core.usgovcloudapi.net;*.blob.core.chinacloudapi.cn;*.blob.storage.azure.net";

/// What lies beside the data directory, unless a setting says where: its key, and what its name there
/// ends with. None of it may lie in the directory.
pub(crate) const BESIDE: [(&str, &str); 3] =
    [("head-store", ".heads"), ("log-keys", ".keys"), ("log-directory", ".log")];

/// All settings, in the order `lazuli config explain` prints them.
pub(crate) const SETTINGS: &[Setting] = &[
    setting("data", "LAZULI_DATA", Kind::Text, DATA_DEFAULT),
    setting("in-memory", "LAZULI_IN_MEMORY", Kind::Switch, "false"),
    setting("durability", "LAZULI_DURABILITY", Kind::Word(&["sync", "relaxed"]), "sync"),
    setting("accounts", "LAZULI_ACCOUNTS", Kind::Accounts, ""),
    setting("host", "LAZULI_HOST", Kind::Text, "127.0.0.1"),
    setting("blob-port", "LAZULI_BLOB_PORT", Kind::Port, "10000"),
    setting("queue-port", "LAZULI_QUEUE_PORT", Kind::Port, "10001"),
    setting("table-port", "LAZULI_TABLE_PORT", Kind::Port, "10002"),
    setting("dfs-port", "LAZULI_DFS_PORT", Kind::Port, "10003"),
    setting("admin-port", "LAZULI_ADMIN_PORT", Kind::Port, "10004"),
    setting("strict-versions", "LAZULI_STRICT_VERSIONS", Kind::Switch, "false"),
    setting("log", "LAZULI_LOG", Kind::Word(&["text", "json"]), "text"),
    setting("log-filter", "LAZULI_LOG_FILTER", Kind::Text, "info"),
    setting("ready-file", "LAZULI_READY_FILE", Kind::Text, ""),
    setting("transparency-log", "LAZULI_TRANSPARENCY_LOG", Kind::Word(&["on", "off"]), "on"),
    setting("head-store", "LAZULI_HEAD_STORE", Kind::Text, ""),
    setting("log-keys", "LAZULI_LOG_KEYS", Kind::Text, ""),
    setting("log-directory", "LAZULI_LOG_DIRECTORY", Kind::Text, ""),
    setting("log-origin", "LAZULI_LOG_ORIGIN", Kind::Text, ""),
    setting("log-strict-reads", "LAZULI_LOG_STRICT_READS", Kind::Text, ""),
    setting("witness-policy", "LAZULI_WITNESS_POLICY", Kind::Text, ""),
    setting("ca-file", "LAZULI_CA_FILE", Kind::Text, ""),
    setting("copy-source-hosts", "LAZULI_COPY_SOURCE_HOSTS", Kind::Text, COPY_SOURCE_HOSTS_DEFAULT),
    setting("copy-source-networks", "LAZULI_COPY_SOURCE_NETWORKS", Kind::Text, ""),
    setting("copy-source-ca-file", "LAZULI_COPY_SOURCE_CA_FILE", Kind::Text, ""),
    setting("tls.certificate", "LAZULI_TLS_CERTIFICATE", Kind::Text, ""),
    setting("tls.key", "LAZULI_TLS_KEY", Kind::Text, ""),
    setting("identity.tenant", "LAZULI_IDENTITY_TENANT", Kind::Text, ""),
    setting("identity.issuers", "LAZULI_IDENTITY_ISSUERS", Kind::List, ""),
    setting("identity.keys", "LAZULI_IDENTITY_KEYS", Kind::Text, ""),
    setting("identity.assignments", "LAZULI_IDENTITY_ASSIGNMENTS", Kind::Assignments, ""),
    setting("limits.connections", "LAZULI_LIMITS_CONNECTIONS", Kind::Count, "10000"),
    setting("limits.head-bytes", "LAZULI_LIMITS_HEAD_BYTES", Kind::Count, "65536"),
    setting("limits.headers", "LAZULI_LIMITS_HEADERS", Kind::Count, "256"),
    setting("limits.head-seconds", "LAZULI_LIMITS_HEAD_SECONDS", Kind::Seconds, "15"),
    setting("limits.idle-seconds", "LAZULI_LIMITS_IDLE_SECONDS", Kind::Seconds, "120"),
    setting("limits.body-stall-seconds", "LAZULI_LIMITS_BODY_STALL_SECONDS", Kind::Seconds, "30"),
    setting("limits.write-stall-seconds", "LAZULI_LIMITS_WRITE_STALL_SECONDS", Kind::Seconds, "30"),
    setting("limits.bytes-per-second", "LAZULI_LIMITS_BYTES_PER_SECOND", Kind::Count, "512"),
    setting("limits.rate-window-seconds", "LAZULI_LIMITS_RATE_WINDOW_SECONDS", Kind::Seconds, "30"),
    setting("limits.linger-seconds", "LAZULI_LIMITS_LINGER_SECONDS", Kind::Seconds, "5"),
    setting(
        "rehydration.standard-seconds",
        "LAZULI_REHYDRATION_STANDARD_SECONDS",
        Kind::Seconds,
        "10",
    ),
    setting("rehydration.high-seconds", "LAZULI_REHYDRATION_HIGH_SECONDS", Kind::Seconds, "1"),
];

/// The setting with a key, if there is one.
pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The key that `wrong` was probably meant to be.
pub(crate) fn nearest(wrong: &str) -> Option<&'static str> {
    SETTINGS
        .iter()
        .map(|setting| (distance(wrong, setting.key), setting.key))
        .min()
        .filter(|(distance, key)| *distance <= (key.len() / 3).max(2))
        .map(|(_, key)| key)
}

/// The least number of characters to insert, remove or replace to get from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, have) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, want) in row.iter_mut().skip(1).zip(b.chars()) {
            let replaced = diagonal + usize::from(have != want);
            diagonal = *cell;
            *cell = replaced.min(diagonal + 1).min(left + 1);
            left = *cell;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, want) in
            [("", "", 0), ("abc", "", 3), ("", "abc", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(a, b), want, "{a} {b}");
        }
    }

    #[test]
    fn a_wrong_key_finds_its_neighbour() {
        assert_eq!(nearest("acount"), Some("accounts"));
        assert_eq!(nearest("blob_port"), Some("blob-port"));
        assert_eq!(nearest("limits.idle"), None);
        assert_eq!(nearest("colour"), None);
    }

    #[test]
    fn variables_are_named_after_keys() {
        for setting in SETTINGS {
            let name = setting.key.replace(['.', '-'], "_").to_uppercase();
            assert_eq!(setting.env, format!("LAZULI_{name}"));
        }
    }
}
