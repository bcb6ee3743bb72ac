//! Leases and access policies under kills: each client has a container and a blob of its own for them.

use lazuli_testkit::{Client, Random, Request, Response};

use crate::model::Endings;

/// The blob that is leased.
const BLOB: &str = "leased";

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    /// The id of the container's stored access policy.
    policy: Option<String>,
    /// The id of the blob's lease.
    lease: Option<String>,
}

/// A request that was sent and not answered.
#[derive(Debug)]
struct Pending {
    asked: &'static str,
    /// What the client calls the request.
    id: String,
    /// What it makes.
    new: State,
}

/// A change to try.
#[derive(Debug)]
pub(crate) struct Change {
    /// What it is called.
    pub(crate) asked: &'static str,
    /// What it is done to, as its entry names it.
    pub(crate) object: String,
    path: String,
    query: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
    status: u16,
}

/// What one client knows of its leases and policies.
#[derive(Debug, Default)]
pub(crate) struct Controls {
    container: String,
    known: State,
    pending: Option<Pending>,
    acknowledged: usize,
}

/// Sends what must be answered with a status.
fn must(client: &mut Client, request: &Request<'_>, status: u16) -> Result<Response, String> {
    let what = format!("{} {}?{}", request.method, request.path, request.query);
    let response = client.send(request).map_err(|error| format!("{what}: {error}"))?;
    if response.status == status {
        return Ok(response);
    }
    Err(format!("{what} was answered {}: {}", response.status, response.text()))
}

impl Controls {
    /// Those of a client.
    pub(crate) fn of(client: u64) -> Self {
        Self { container: format!("controls-{client}"), ..Self::default() }
    }

    /// Makes the container and the blob.
    pub(crate) fn create(&self, client: &mut Client) -> Result<(), String> {
        let (container, blob) = (format!("/{}", self.container), self.blob_path());
        let query = "restype=container";
        let request = Request { method: "PUT", path: &container, query, ..Request::default() };
        must(client, &request, 201)?;
        let headers: &[_] = &[("x-ms-blob-type", "BlockBlob")];
        let request = Request { method: "PUT", path: &blob, headers, ..Request::default() };
        must(client, &request, 201).map(drop)
    }

    fn blob_path(&self) -> String {
        format!("/{}/{BLOB}", self.container)
    }

    /// The next change, which counts as one that may have been made until it is answered. The
    /// client calls it `id`.
    pub(crate) fn next(&mut self, random: &mut Random, id: &str) -> Change {
        let mut new = self.known.clone();
        let fresh = random.next();
        let uuid = format!("{:08x}-0000-4000-8000-{:012x}", fresh >> 32, fresh & 0xffff_ffff_ffff);
        let lease = |action: &str| vec![("x-ms-lease-action", action.to_owned())];
        let held = self.known.lease.clone();
        let (asked, status, headers) = match (random.between(0, 3), held) {
            (0, _) => {
                new.policy = Some(fresh.to_string());
                ("Set Container ACL", 200, Vec::new())
            }
            (_, None) => {
                let mut headers = lease("acquire");
                headers.push(("x-ms-lease-duration", "-1".to_owned()));
                headers.push(("x-ms-proposed-lease-id", uuid.clone()));
                new.lease = Some(uuid);
                ("Acquire Lease", 201, headers)
            }
            (1, Some(held)) => {
                let mut headers = lease("change");
                headers.extend([("x-ms-lease-id", held), ("x-ms-proposed-lease-id", uuid.clone())]);
                new.lease = Some(uuid);
                ("Change Lease", 200, headers)
            }
            (_, Some(held)) => {
                let mut headers = lease("release");
                headers.push(("x-ms-lease-id", held));
                new.lease = None;
                ("Release Lease", 200, headers)
            }
        };
        let change = self.change((asked, status, headers), &new, id);
        self.pending = Some(Pending { asked, id: id.to_owned(), new });
        change
    }

    fn change(
        &self,
        (asked, status, mut headers): (&'static str, u16, Vec<(&'static str, String)>),
        new: &State,
        id: &str,
    ) -> Change {
        headers.push(("x-ms-client-request-id", id.to_owned()));
        if asked != "Set Container ACL" {
            let (path, object) = (self.blob_path(), BLOB.to_owned());
            let (query, body) = ("comp=lease", String::new());
            return Change { asked, object, path, query, headers, body, status };
        }
        let policy = new.policy.as_deref().unwrap_or_default();
        let body = format!(
            "<SignedIdentifiers><SignedIdentifier><Id>{policy}</Id><AccessPolicy>\
             <Permission>r</Permission></AccessPolicy></SignedIdentifier></SignedIdentifiers>"
        );
        let (path, object) = (format!("/{}", self.container), self.container.clone());
        Change { asked, object, path, query: "restype=container&comp=acl", headers, body, status }
    }

    /// Notes that the last change was acknowledged.
    pub(crate) fn answered(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.known = pending.new;
            self.acknowledged += 1;
        }
    }

    /// How many changes were acknowledged.
    pub(crate) const fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// Holds what the server has against what is known, and settles the change without an answer.
    pub(crate) fn verify(
        &mut self,
        client: &mut Client,
        endings: &mut Endings,
    ) -> Result<(), String> {
        let is_old = self.is(&self.known, client)?;
        let Some(Pending { asked, id, new }) = self.pending.take() else {
            let (container, known) = (&self.container, &self.known);
            let lost = || format!("{container}: it is not as was acknowledged: {known:?}");
            return is_old.then_some(()).ok_or_else(lost);
        };
        let is_new = self.is(&new, client)?;
        endings.settle((is_old, is_new), id).map_err(|()| {
            let (container, known) = (&self.container, &self.known);
            format!("{container}: neither before nor after {asked}: {known:?} or {new:?}")
        })?;
        if is_new {
            self.known = new;
        }
        Ok(())
    }

    /// Whether the server has this.
    fn is(&self, state: &State, client: &mut Client) -> Result<bool, String> {
        let path = format!("/{}", self.container);
        let query = "restype=container&comp=acl";
        let request = Request { method: "GET", path: &path, query, ..Request::default() };
        let acl = must(client, &request, 200)?.text();
        let is_policy = match &state.policy {
            Some(policy) => acl.contains(&format!("<Id>{policy}</Id>")),
            None => !acl.contains("<Id>"),
        };
        let path = self.blob_path();
        let mut headers = Vec::new();
        if let Some(lease) = &state.lease {
            headers.push(("x-ms-lease-id", lease.as_str()));
        }
        let request =
            Request { method: "GET", path: &path, headers: &headers, ..Request::default() };
        let answer = client.send(&request).map_err(|error| format!("{path}: {error}"))?;
        let is_lease = match (&state.lease, answer.status) {
            (Some(_), 200) => true,
            (None, 200) => answer.header("x-ms-lease-state") == "available",
            // The lease is another, or there is none.
            (Some(_), 412) => false,
            (_, status) => return Err(format!("{path} was answered {status}: {}", answer.text())),
        };
        Ok(is_policy && is_lease)
    }
}

impl Change {
    /// Sends it; `None` where the server was gone before it answered.
    pub(crate) fn send(&self, client: &mut Client) -> Result<Option<Response>, String> {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (path, query, body) = (self.path.as_str(), self.query, self.body.as_bytes());
        let request = Request { method: "PUT", path, query, headers: &headers, body };
        let Ok(response) = client.send(&request) else { return Ok(None) };
        if response.status == self.status {
            return Ok(Some(response));
        }
        let (asked, status) = (self.asked, response.status);
        Err(format!("{asked} of {} was answered {status}: {}", self.path, response.text()))
    }
}
