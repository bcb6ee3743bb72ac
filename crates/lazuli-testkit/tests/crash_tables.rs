//! A server killed again and again while entities are written: what it acknowledged reads back,
//! what was deleted stays away, and of a transaction without an answer there is all or nothing.
//!
//! `LAZULI_CRASH_ROUNDS` says how many rounds (200), `LAZULI_CRASH_SEED` which ones.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use lazuli_testkit::{Client, Random, Request, Server, check_directory, kill_under_load};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Clients at work at the same time, each on a partition of its own.
const ACTORS: u64 = 4;

/// How many row keys an actor has: few, so that they are written often.
const ROWS: u64 = 12;

/// Every so many rounds the data directory is checked whole.
const FSCK_EVERY: u64 = 20;

/// A partition: what each row says.
type Rows = BTreeMap<String, u64>;

/// One client and what it knows: it alone writes its partition.
struct Actor {
    partition: String,
    random: Random,
    /// What was acknowledged.
    rows: Rows,
    /// What the one request without an answer would make of it.
    pending: Option<Rows>,
    acknowledged: u64,
}

fn number(variable: &str, otherwise: u64) -> Outcome<u64> {
    match std::env::var(variable) {
        Ok(text) => Ok(text.parse()?),
        Err(_) => Ok(otherwise),
    }
}

impl Actor {
    fn path(&self, row: &str) -> String {
        format!("/crash(PartitionKey='{}',RowKey='{row}')", self.partition)
    }

    /// Works until the server no longer answers.
    fn work(&mut self, address: SocketAddr) -> Result<(), String> {
        let mut client = Client::of_tables(address).map_err(|error| error.to_string())?;
        while self.step(&mut client)? {}
        Ok(())
    }

    fn step(&mut self, client: &mut Client) -> Result<bool, String> {
        if self.random.between(0, 3) == 0 { self.together(client) } else { self.one(client) }
    }

    /// Writes or deletes one entity; `false` once the server is gone.
    fn one(&mut self, client: &mut Client) -> Result<bool, String> {
        let row = format!("r{}", self.random.between(0, ROWS));
        let (path, value) = (self.path(&row), self.random.between(0, 1 << 40));
        let body = format!("{{\"v@odata.type\":\"Edm.Int64\",\"v\":\"{value}\"}}");
        let deletes = self.rows.contains_key(&row) && self.random.between(0, 3) == 0;
        let headers: &[(&str, &str)] =
            if deletes { &[("if-match", "*")] } else { &[("content-type", "application/json")] };
        let mut after = self.rows.clone();
        let (method, body) = if deletes {
            after.remove(&row);
            ("DELETE", "")
        } else {
            after.insert(row, value);
            ("PUT", body.as_str())
        };
        let request = Request { method, path: &path, query: "", headers, body: body.as_bytes() };
        self.attempt(client, &request, (204, ""), after)
    }

    /// Writes and deletes several entities in a transaction; `false` once the server is gone.
    fn together(&mut self, client: &mut Client) -> Result<bool, String> {
        let mut after = self.rows.clone();
        let mut body = String::from("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n");
        let first = self.random.between(0, ROWS);
        for place in first..first + self.random.between(2, 9) {
            let row = format!("r{}", place % ROWS);
            let url = client.url(&self.path(&row));
            let part = "--c\r\nContent-Type: application/http\r\n\r\n";
            // Writing to a String cannot fail.
            let _ = if after.contains_key(&row) && self.random.between(0, 3) == 0 {
                after.remove(&row);
                write!(body, "{part}DELETE {url} HTTP/1.1\r\nIf-Match: *\r\n\r\n\r\n")
            } else {
                let value = self.random.between(0, 1 << 40);
                after.insert(row, value);
                let entity = format!("{{\"v@odata.type\":\"Edm.Int64\",\"v\":\"{value}\"}}");
                write!(body, "{part}PUT {url} HTTP/1.1\r\n\r\n{entity}\r\n")
            };
        }
        body.push_str("--c--\r\n--b--\r\n");
        let headers = [("content-type", "multipart/mixed; boundary=b")];
        let (path, body) = ("/$batch", body.as_bytes());
        let request = Request { method: "POST", path, query: "", headers: &headers, body };
        self.attempt(client, &request, (202, "HTTP/1.1 4"), after)
    }

    fn attempt(
        &mut self,
        client: &mut Client,
        request: &Request<'_>,
        (status, never): (u16, &str),
        after: Rows,
    ) -> Result<bool, String> {
        self.pending = Some(after.clone());
        let Ok(response) = client.send(request) else { return Ok(false) };
        let text = response.text();
        if response.status != status || (!never.is_empty() && text.contains(never)) {
            return Err(format!("{} answered {}: {text}", request.path, response.status));
        }
        self.pending = None;
        self.rows = after;
        self.acknowledged += 1;
        Ok(true)
    }

    /// Reads the partition and holds it against what is known of it.
    fn verify(&mut self, client: &mut Client) -> Result<(), String> {
        let query = format!("$filter=PartitionKey%20eq%20'{}'", self.partition);
        let headers = [("accept", "application/json;odata=nometadata")];
        let request = Request {
            method: "GET",
            path: "/crash()",
            query: &query,
            headers: &headers,
            body: b"",
        };
        let response = client.send(&request).map_err(|error| error.to_string())?;
        if response.status != 200 {
            return Err(response.text());
        }
        let found = rows_in(&response.text());
        let pending = self.pending.take();
        if found != self.rows && pending.as_ref() != Some(&found) {
            let partition = &self.partition;
            let known = &self.rows;
            return Err(format!(
                "{partition} has\n{found:?}\nacknowledged:\n{known:?}\nasked for: {pending:?}"
            ));
        }
        self.rows = found;
        Ok(())
    }
}

/// The rows in an answer without metadata.
fn rows_in(text: &str) -> Rows {
    let value = |part: &str, name: &str| {
        let after = part.split(&format!("\"{name}\":\"")).nth(1)?;
        after.split('"').next().map(str::to_owned)
    };
    let parts = text.split("\"PartitionKey\"").skip(1);
    parts
        .filter_map(|part| Some((value(part, "RowKey")?, value(part, "v")?.parse().ok()?)))
        .collect()
}

fn verify(server: &Server, actors: &mut [Actor]) -> Result<(), String> {
    for actor in actors {
        let client = Client::of_tables(server.tables());
        actor.verify(&mut client.map_err(|error| error.to_string())?)?;
    }
    Ok(())
}

#[test]
#[ignore = "needs the release binary and takes a minute; cargo xtask test --only crash runs it"]
fn acknowledged_entities_survive_kills() -> Outcome<()> {
    let rounds = number("LAZULI_CRASH_ROUNDS", 200)?;
    let seed = number("LAZULI_CRASH_SEED", u64::from(std::process::id()))?;
    println!("LAZULI_CRASH_SEED={seed} LAZULI_CRASH_ROUNDS={rounds}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("crash-tables-{seed}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let data = folder.join("data");
    let mut random = Random::new(seed);
    let actor = |index| Actor {
        partition: format!("p{index}"),
        random: random.split(),
        rows: Rows::new(),
        pending: None,
        acknowledged: 0,
    };
    let mut actors: Vec<Actor> = (0..ACTORS).map(actor).collect();
    for round in 0..rounds {
        let server = Server::start_logged(&folder, &data)?;
        if round == 0 {
            let headers = [("content-type", "application/json")];
            let (path, body) = ("/Tables", b"{\"TableName\":\"crash\"}".as_slice());
            let request = Request { method: "POST", path, query: "", headers: &headers, body };
            let made = Client::of_tables(server.tables())?.send(&request)?;
            assert_eq!(made.status, 201, "{}", made.text());
        }
        verify(&server, &mut actors).map_err(|error| format!("round {round}: {error}"))?;
        let lifetime = Duration::from_millis(random.between(20, 250));
        let address = server.tables();
        kill_under_load(server, &mut actors, lifetime, |actor| actor.work(address))?;
        if round % FSCK_EVERY == FSCK_EVERY - 1 {
            check_directory(&data)?;
        }
    }
    let server = Server::start_logged(&folder, &data)?;
    verify(&server, &mut actors)?;
    server.kill()?;
    check_directory(&data)?;
    let acknowledged: u64 = actors.iter().map(|actor| actor.acknowledged).sum();
    println!("{rounds} rounds, {acknowledged} acknowledged changes");
    assert!(acknowledged > 0, "nothing was acknowledged");
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
