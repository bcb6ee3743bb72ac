//! The declarations against the official description of the API.
//!
//! `conformance/ops-blob.tsv` and its like are the descriptions as tables; what the declarations
//! intend to do otherwise stands in `conformance/deviations-blob.tsv` and its like with a reason
//! each. A difference that is not listed fails, and so does a listed one that is no more.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use lazuli_api::operations::{self, Operation};
use lazuli_api::spec::{Effect, REQUEST_HEADERS, RESPONSE_HEADERS, Spec};
use lazuli_model::Service;

/// A service, its description, and its deviations.
type Described = (Service, &'static str, &'static str);

const SERVICES: [Described; 3] = [
    (
        Service::Blob,
        include_str!("../../../conformance/ops-blob.tsv"),
        include_str!("../../../conformance/deviations-blob.tsv"),
    ),
    (
        Service::Queue,
        include_str!("../../../conformance/ops-queue.tsv"),
        include_str!("../../../conformance/deviations-queue.tsv"),
    ),
    (
        Service::Table,
        include_str!("../../../conformance/ops-table.tsv"),
        include_str!("../../../conformance/deviations-table.tsv"),
    ),
];

/// A difference: the description's row, what differs, and its name.
type Difference = (String, String, String);

fn columns(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().skip(1).map(|line| line.split('\t').collect())
}

/// Names in a cell such as `a=1, b(default 0), x-ms-meta*`.
fn names(cell: &str) -> impl Iterator<Item = String> + '_ {
    // A range in braces has a comma of its own.
    let is_name = |item: &&str| !item.is_empty() && (item.contains('{') || !item.ends_with('}'));
    cell.split(',').map(str::trim).filter(is_name).map(|item| {
        let name = item.split(['=', '(', '{']).next().unwrap_or(item).trim().to_ascii_lowercase();
        match name.strip_suffix('*') {
            Some(collection) => format!("{collection}-*"),
            None => name,
        }
    })
}

fn declared(operations: &'static [Operation]) -> BTreeMap<&'static str, Vec<&'static Spec>> {
    let mut rows: BTreeMap<&str, Vec<&Spec>> = BTreeMap::new();
    for operation in operations {
        for row in operation.spec.rows {
            rows.entry(row).or_default().push(operation.spec);
        }
    }
    rows
}

fn differences((service, table, _): &Described) -> BTreeSet<Difference> {
    let declared = declared(operations::of(*service));
    let mut found = BTreeSet::new();
    let mut described = BTreeSet::new();
    for cells in columns(table) {
        let row = cells[0];
        described.insert(row.to_owned());
        let mut differs = |kind: &str, name: &str| {
            found.insert((row.to_owned(), kind.to_owned(), name.to_owned()));
        };
        let Some(specs) = declared.get(row) else {
            differs("operation", "missing");
            continue;
        };
        let any = |holds: &dyn Fn(&Spec) -> bool| specs.iter().any(|spec| holds(spec));
        if !any(&|spec| spec.methods.iter().any(|method| method.as_str() == cells[2])) {
            differs("method", cells[2]);
        }
        for name in names(cells[5]).chain(names(cells[6])) {
            if !any(&|spec| spec.reads_query(&name)) {
                differs("query", &name);
            }
        }
        for name in names(cells[7]).chain(names(cells[8])) {
            let everywhere = REQUEST_HEADERS.contains(&name.as_str()) || name == "accept";
            if !everywhere && !any(&|spec| spec.reads_header(&name)) {
                differs("request header", &name);
            }
        }
        for status in cells[10].split(',') {
            if !any(&|spec| spec.success.iter().any(|code| code.to_string() == status)) {
                differs("status", status);
            }
        }
        for answer in cells[11].split(" | ") {
            let Some((_, headers)) = answer.split_once(':') else { continue };
            for name in names(headers) {
                let everywhere = RESPONSE_HEADERS.contains(&name.as_str());
                if !everywhere && !any(&|spec| spec.sets_header(&name)) {
                    differs("response header", &name);
                }
            }
        }
    }
    for row in declared.keys().filter(|row| !described.contains(**row)) {
        found.insert(((*row).to_owned(), "operation".to_owned(), "not described".to_owned()));
    }
    found
}

#[test]
fn declarations_follow_the_description() {
    for described in &SERVICES {
        let found = differences(described);
        let listed: BTreeSet<Difference> = columns(described.2)
            .map(|cells| {
                assert!(cells.len() == 4 && !cells[3].is_empty(), "a deviation needs a reason");
                (cells[0].to_owned(), cells[1].to_owned(), cells[2].to_owned())
            })
            .collect();
        let unlisted: Vec<_> = found.difference(&listed).collect();
        let stale: Vec<_> = listed.difference(&found).collect();
        if std::env::var_os("LAZULI_SHOW_DEVIATIONS").is_some() {
            for (row, kind, name) in &unlisted {
                println!("{row}\t{kind}\t{name}\t");
            }
        }
        assert!(unlisted.is_empty(), "differences without a reason: {unlisted:#?}");
        assert!(stale.is_empty(), "deviations that are no more: {stale:#?}");
    }
}

/// Operations that change although they are asked with GET, or read although they are not.
const NOT_AS_THEIR_METHOD: [(&str, Effect); 2] =
    [("GetMessages", Effect::Changes), ("QueryBlobContents", Effect::Reads)];

#[test]
fn an_operation_declares_whether_it_reads() {
    let mut others = Vec::new();
    for operation in SERVICES.iter().flat_map(|(service, ..)| operations::of(*service)) {
        let spec = operation.spec;
        let gets = |method: &Method| matches!(*method, Method::GET | Method::HEAD);
        assert!(
            spec.methods.iter().all(gets) || !spec.methods.iter().any(gets),
            "{} is asked with methods that read and with others",
            spec.name
        );
        if spec.methods.iter().all(gets) != (spec.effect == Effect::Reads) {
            others.push((spec.name, spec.effect));
        }
    }
    others.sort_by_key(|(name, _)| *name);
    assert_eq!(others, NOT_AS_THEIR_METHOD);
}

#[test]
fn every_declaration_names_its_page() {
    for operation in SERVICES.iter().flat_map(|(service, ..)| operations::of(*service)) {
        let spec = operation.spec;
        assert!(spec.page.starts_with("https://learn.microsoft.com/rest/api/storageservices/"));
        assert!(!spec.success.is_empty(), "{} has no success", spec.name);
    }
}
