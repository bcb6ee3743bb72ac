//! The arrows between crates: which crate may know which, and which foreign crates it may not.
//!
//! The table is the drawing of the house in `ARCHITECTURE.md` as data. A crate that is not in the
//! table is a finding, so a new crate comes with its place in the house.

use std::fs;

use serde_json::Value;

use super::{Finding, manifest, packages, text};
use crate::workspace;

/// What one crate may depend on.
struct Place {
    name: &'static str,
    /// Crates of the workspace.
    may: &'static [&'static str],
    /// Foreign crates that would break what the crate promises.
    may_not: &'static [&'static str],
}

/// Crates that speak to a network or a protocol.
const TRANSPORT: &[&str] =
    &["http", "http-body", "http-body-util", "httpdate", "hyper", "hyper-util"];

/// Crates with which a pure function would not be pure.
const EFFECTS: &[&str] = &["lsm-tree", "hyper", "rand", "rustix", "tokio", "tracing"];

/// What an independent verifier does without: a network, effects, and the formats' own encoders.
const VERIFIER_MAY_NOT: &[&str] =
    &["aws-lc-rs", "bytes", "chacha20", "clap", "http", "rand", "serde", "tokio", "tracing"];

/// Crates that a test may hold its own crate against, though the crate must not know them.
const ORACLES: &[(&str, &str)] = &[
    ("lazuli-verify", "lazuli-evidence"),
    ("lazuli-server", "lazuli-tlog"),
    ("lazuli-server", "lazuli-verify"),
];

/// The house, from the ground up.
const HOUSE: &[Place] = &[
    Place { name: "lazuli-base", may: &[], may_not: &["http", "hyper", "tokio", "lsm-tree"] },
    Place { name: "lazuli-engine", may: &["lazuli-base"], may_not: TRANSPORT },
    Place { name: "lazuli-model", may: &["lazuli-base"], may_not: EFFECTS },
    Place { name: "lazuli-evidence", may: &[], may_not: EFFECTS },
    Place { name: "lazuli-wire", may: &["lazuli-base", "lazuli-model"], may_not: EFFECTS },
    Place {
        name: "lazuli-auth",
        may: &["lazuli-base", "lazuli-model", "lazuli-wire"],
        may_not: EFFECTS,
    },
    Place {
        name: "lazuli-query",
        may: &["lazuli-base", "lazuli-model", "lazuli-wire"],
        may_not: EFFECTS,
    },
    Place { name: "lazuli-tlog", may: &[], may_not: EFFECTS },
    // The verifier shares nothing with the server but the public rules of transparency logs.
    Place { name: "lazuli-verify", may: &["lazuli-tlog"], may_not: VERIFIER_MAY_NOT },
    Place {
        name: "lazuli-log",
        may: &["lazuli-base", "lazuli-engine", "lazuli-evidence", "lazuli-tlog"],
        may_not: TRANSPORT,
    },
    Place {
        name: "lazuli-store",
        may: &["lazuli-base", "lazuli-engine", "lazuli-evidence", "lazuli-model"],
        may_not: TRANSPORT,
    },
    // Whoever fetches knows nothing of what it is fetched for.
    Place { name: "lazuli-fetch", may: &[], may_not: &["http", "hyper", "lsm-tree", "rustix"] },
    Place {
        name: "lazuli-api",
        may: &[
            "lazuli-base",
            "lazuli-engine",
            "lazuli-evidence",
            "lazuli-fetch",
            "lazuli-model",
            "lazuli-wire",
            "lazuli-query",
            "lazuli-auth",
            "lazuli-store",
        ],
        may_not: &["lsm-tree", "hyper", "hyper-util", "rustix"],
    },
    Place {
        name: "lazuli-server",
        may: &[
            "lazuli-base",
            "lazuli-engine",
            "lazuli-log",
            "lazuli-model",
            "lazuli-wire",
            "lazuli-auth",
            "lazuli-store",
            "lazuli-api",
        ],
        may_not: &["lsm-tree"],
    },
    Place {
        name: "lazuli",
        may: &[
            "lazuli-evidence",
            "lazuli-fetch",
            "lazuli-log",
            "lazuli-tlog",
            "lazuli-base",
            "lazuli-engine",
            "lazuli-model",
            "lazuli-wire",
            "lazuli-auth",
            "lazuli-store",
            "lazuli-api",
            "lazuli-server",
        ],
        may_not: &["lsm-tree"],
    },
    Place {
        name: "lazuli-testkit",
        may: &[
            "lazuli-evidence",
            "lazuli-tlog",
            // Its tests hold the server to what it promised as a client would.
            "lazuli-verify",
            "lazuli-base",
            "lazuli-model",
            "lazuli-wire",
            "lazuli-auth",
        ],
        may_not: &[],
    },
    Place {
        name: "lazuli-witness",
        may: &["lazuli-tlog"],
        may_not: &["hyper", "http", "tokio", "lsm-tree"],
    },
    Place { name: "lazuli-loadgen", may: &[], may_not: &["hyper"] },
    Place { name: "xtask", may: &[], may_not: &["tokio", "hyper"] },
];

/// The crate that only tests may use.
const TESTS_ONLY: &str = "lazuli-testkit";

/// Checks every dependency of every crate of the workspace.
pub(super) fn check(metadata: &Value) -> Result<Vec<Finding>, String> {
    let members = metadata["workspace_members"].as_array().ok_or("cargo names no members")?;
    let mut findings = Vec::new();
    for package in packages(metadata)?.iter().filter(|package| members.contains(&package["id"])) {
        let path = manifest(package);
        let manifest = fs::read_to_string(workspace::root().join(&path)).unwrap_or_default();
        let name = text(package, "name");
        let Some(place) = HOUSE.iter().find(|place| place.name == name) else {
            let message = format!("`{name}` has no place in the table of xtask/src/tidy/arrows.rs");
            findings.push(Finding::new(&path, 1, "arrows", message));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            if let Some(message) = complaint(place, dependency) {
                let line = line_of(&manifest, text(dependency, "name"));
                findings.push(Finding::new(&path, line, "arrows", message));
            }
        }
    }
    Ok(findings)
}

/// What is wrong with a dependency of the crate at `place`, if anything is.
fn complaint(place: &Place, dependency: &Value) -> Option<String> {
    let name = text(dependency, "name");
    let is_for_tests = dependency["kind"].as_str() == Some("dev");
    let is_ours = !dependency["path"].is_null();
    if is_ours {
        let is_allowed = place.may.contains(&name)
            || (is_for_tests && (name == TESTS_ONLY || name == place.name))
            || (is_for_tests && ORACLES.contains(&(place.name, name)));
        return (!is_allowed).then(|| format!("`{}` may not depend on `{name}`", place.name));
    }
    (!is_for_tests && place.may_not.contains(&name))
        .then(|| format!("`{}` may not use the crate `{name}`", place.name))
}

/// The line of a manifest that names a dependency.
fn line_of(manifest: &str, name: &str) -> usize {
    manifest
        .lines()
        .position(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
        })
        .map_or(0, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::{HOUSE, complaint, line_of};
    use serde_json::json;

    #[test]
    fn the_table_itself_points_down_only() {
        // A crate may only know crates that stand before it, so the table can hold no circle.
        for (index, place) in HOUSE.iter().enumerate() {
            for name in place.may {
                let position = HOUSE.iter().position(|other| other.name == *name);
                assert!(position.is_some_and(|found| found < index), "{} -> {name}", place.name);
            }
        }
    }

    #[test]
    fn an_arrow_up_is_found_and_a_test_may_use_the_testkit() {
        let engine = &HOUSE[1];
        let up = json!({ "name": "lazuli-model", "path": "/x", "kind": null });
        assert!(complaint(engine, &up).is_some());
        let down = json!({ "name": "lazuli-base", "path": "/x", "kind": null });
        assert_eq!(complaint(engine, &down), None);
        let testkit = json!({ "name": "lazuli-testkit", "path": "/x", "kind": "dev" });
        assert_eq!(complaint(engine, &testkit), None);
        let transport = json!({ "name": "http", "path": null, "kind": null });
        assert!(complaint(engine, &transport).is_some());
    }

    #[test]
    fn only_the_tests_of_the_verifier_know_the_encoders() {
        let verify = HOUSE.iter().find(|place| place.name == "lazuli-verify").expect("a place");
        let evidence = json!({ "name": "lazuli-evidence", "path": "/x", "kind": null });
        assert!(complaint(verify, &evidence).is_some());
        let oracle = json!({ "name": "lazuli-evidence", "path": "/x", "kind": "dev" });
        assert_eq!(complaint(verify, &oracle), None);
    }

    #[test]
    fn the_line_is_the_dependency_and_not_one_that_begins_alike() {
        assert_eq!(line_of("http-body = 1\nhttp.workspace = true\n", "http"), 2);
    }
}
