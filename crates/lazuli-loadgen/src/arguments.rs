//! The command line: `lazuli-loadgen MODE --url URL [--container C] [--connections N]
//! [--seconds S] [--ops N] [--bytes N] [--first N] [--blob NAME]`.

use std::time::Duration;

/// What the generator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Puts blobs of `--bytes` under new names.
    Put,
    /// Gets blobs that `put` or `fill` made, in a scattered order.
    Get,
    /// Puts one large blob of `--bytes` under new names, one Put Blob each.
    PutLarge,
    /// Puts one blob of `--bytes` as Put Blocks of 8 MiB and a Put Block List.
    Blocks,
    /// Gets one large blob, over and over.
    GetLarge,
    /// Walks a listing page by page (5,000 names each); a page is one operation.
    List,
    /// Makes `--ops` small blobs as fast as it can.
    Fill,
    /// Overwrites `--count` blobs of `--bytes`, round after round.
    Churn,
    /// Makes `--ops` empty append blobs.
    AppendBlobs,
    /// Appends blocks of `--bytes` to one blob; to the next of `--count` once that is full.
    Append,
    /// Puts one blob of `--bytes` of delimited text, in blocks.
    Csv,
    /// Queries the blob that `csv` made, of `--bytes`, for the half of its records.
    Query,
    /// Makes `--ops` page blobs of `--bytes`, all of them zeros.
    PageBlobs,
    /// Writes `--bytes` to one of `--count` places of a page blob, in a scattered order.
    PutPage,
    /// The same in the order of the places.
    FillPages,
    /// Copies one blob to new names, each complete when it is answered.
    Copy,
    /// Tags `--ops` blobs: all alike, and the first ten with a rare tag.
    Tag,
    /// Finds the blobs with both tags, of which there must be `--count`.
    Find,
    /// Takes snapshots of `--count` blobs, round after round.
    Snapshot,
    /// Makes the container.
    Container,
    /// Makes the table.
    Table,
    /// Inserts entities under new row keys, a thousand to a partition.
    Insert,
    /// Upserts entities in transactions of 100.
    Upsert,
    /// Gets entities by their keys, in a scattered order.
    Point,
    /// Queries 100 entities of a partition by a range of row keys, in a scattered order.
    Range,
    /// Makes the queue.
    Queue,
    /// Puts messages of a kilobyte.
    PutMessage,
    /// Puts messages from half of the connections; gets and deletes them from the others.
    Cycle,
}

/// The modes and their names.
const MODES: &[(&str, Mode)] = &[
    ("put", Mode::Put),
    ("get", Mode::Get),
    ("put-large", Mode::PutLarge),
    ("blocks", Mode::Blocks),
    ("get-large", Mode::GetLarge),
    ("list", Mode::List),
    ("fill", Mode::Fill),
    ("churn", Mode::Churn),
    ("append-blobs", Mode::AppendBlobs),
    ("append", Mode::Append),
    ("csv", Mode::Csv),
    ("query", Mode::Query),
    ("page-blobs", Mode::PageBlobs),
    ("put-page", Mode::PutPage),
    ("fill-pages", Mode::FillPages),
    ("copy", Mode::Copy),
    ("tag", Mode::Tag),
    ("find", Mode::Find),
    ("snapshot", Mode::Snapshot),
    ("container", Mode::Container),
    ("table", Mode::Table),
    ("insert", Mode::Insert),
    ("upsert", Mode::Upsert),
    ("point", Mode::Point),
    ("range", Mode::Range),
    ("queue", Mode::Queue),
    ("put-message", Mode::PutMessage),
    ("cycle", Mode::Cycle),
];

impl Mode {
    /// The mode's name on the command line.
    pub(crate) fn name(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }
}

/// Everything that the command line says.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    /// What to do.
    pub(crate) mode: Mode,
    /// Host and port of the server.
    pub(crate) authority: String,
    /// The account, as the last part of the URL names it.
    pub(crate) account: String,
    /// The account's key, base64.
    pub(crate) key: String,
    /// The container, table or queue that everything lies in.
    pub(crate) container: String,
    /// The number of connections, each with one request at a time.
    pub(crate) connections: usize,
    /// Stop after this time, if no number of operations is given.
    pub(crate) duration: Duration,
    /// Stop after this many operations; 0 means that the time decides.
    pub(crate) ops: u64,
    /// The size of a blob, in bytes.
    pub(crate) bytes: usize,
    /// The number of the first blob, so that two runs do not share names.
    pub(crate) first: u64,
    /// The number of blobs that `get`, `churn` and `append` choose among.
    pub(crate) count: u64,
}

impl Arguments {
    /// Parses the words after the program's name.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let name = words.next().ok_or("wants a mode")?;
        let mode = MODES.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode);
        let mut arguments = Self {
            mode: mode.ok_or_else(|| format!("unknown mode `{name}`"))?,
            authority: String::new(),
            account: String::new(),
            key: DEVELOPMENT_KEY.to_owned(),
            container: "bench".to_owned(),
            connections: 1,
            duration: Duration::from_secs(5),
            ops: 0,
            bytes: 4096,
            first: 0,
            count: 1,
        };
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| format!("{name} wants a value"))?;
            arguments.set(&name, value)?;
        }
        if arguments.authority.is_empty() || arguments.connections == 0 || arguments.count == 0 {
            return Err("wants --url, and connections and a count above 0".to_owned());
        }
        Ok(arguments)
    }

    /// Takes one option.
    fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        let number = || value.parse::<u64>().map_err(|_| format!("{name} wants a number"));
        match name {
            "--url" => (self.authority, self.account) = split_url(&value)?,
            "--key" => self.key = value,
            "--container" => self.container = value,
            "--connections" => self.connections = number()? as usize,
            "--seconds" => self.duration = Duration::from_secs(number()?),
            "--ops" => self.ops = number()?,
            "--bytes" => self.bytes = number()? as usize,
            "--first" => self.first = number()?,
            "--count" => self.count = number()?,
            _ => return Err(format!("unknown option `{name}`")),
        }
        Ok(())
    }
}

/// The well-known key of the development account.
const DEVELOPMENT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Splits `http://HOST:PORT/ACCOUNT` into the authority and the account.
fn split_url(url: &str) -> Result<(String, String), String> {
    url.strip_prefix("http://")
        .and_then(|rest| rest.trim_end_matches('/').split_once('/'))
        .map(|(authority, account)| (authority.to_owned(), account.to_owned()))
        .ok_or_else(|| format!("`{url}` is not http://HOST:PORT/ACCOUNT"))
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Mode};

    fn parse(text: &str) -> Result<Arguments, String> {
        Arguments::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_command_line_is_read() {
        let arguments =
            parse("get --url http://127.0.0.1:10000/dev --connections 16 --count 9").expect("ok");
        assert_eq!(arguments.mode, Mode::Get);
        assert_eq!(
            (arguments.authority.as_str(), arguments.account.as_str()),
            ("127.0.0.1:10000", "dev")
        );
        assert_eq!((arguments.connections, arguments.count), (16, 9));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", "fly --url http://h/a", "get", "get --url h", "get --url http://h/a --ops x"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
