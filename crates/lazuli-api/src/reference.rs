//! The reference of operations, made from their declarations.

use std::fmt::Write as _;

use lazuli_auth::RoleAccess;
use lazuli_model::Service;

use crate::operations;
use crate::spec::{Selector, Spec, Status};

/// The services, as the reference names them.
const SERVICES: [(Service, &str); 3] =
    [(Service::Blob, "Blob"), (Service::Queue, "Queue"), (Service::Table, "Table")];

/// `docs/reference/operations.md`, as the declarations have it.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Operations\n\n\
         Made from the declarations in `crates/lazuli-api/src/`; do not edit. \
         `LAZULI_BLESS=1 cargo test -p lazuli-api --test reference` makes it anew.\n\n\
         What roles must permit is the data action of Azure, without \
         `Microsoft.Storage/storageAccounts/`.\n",
    );
    for (service, name) in SERVICES {
        let operations = operations::of(service);
        if operations.is_empty() {
            continue;
        }
        let _ = write!(
            out,
            "\n## {name} service\n\n\
             | operation | level | request | roles must permit | success | state |\n\
             | --- | --- | --- | --- | --- | --- |\n"
        );
        for operation in operations {
            row(&mut out, operation.spec);
        }
    }
    out
}

fn row(out: &mut String, spec: &Spec) {
    let level = spec.level.name();
    let methods: Vec<&str> = spec.methods.iter().map(http::Method::as_str).collect();
    let selectors: Vec<String> = spec.selectors.iter().filter_map(selector).collect();
    let mut request = methods.join("/");
    if !selectors.is_empty() {
        let _ = write!(request, " {}", selectors.join(", "));
    }
    let success: Vec<String> = spec.success.iter().map(u16::to_string).collect();
    let state = match spec.status {
        Status::Built => "built".to_owned(),
        Status::NotYet(reason) => format!("501: {reason}"),
    };
    let (title, page) = (spec.title, spec.page);
    let success = success.join(", ");
    let roles = roles(spec.access.roles);
    let _ = writeln!(
        out,
        "| [{title}]({page}) | {level} | {request} | {roles} | {success} | {state} |"
    );
}

/// What the roles of an identity must permit.
fn roles(access: RoleAccess) -> String {
    let any_of = match access {
        RoleAccess::AnyOf(any_of) | RoleAccess::Since(_, any_of) => any_of,
        RoleAccess::Management(action) => return format!("`{action}`: no role has it here"),
        RoleAccess::EachPart => return "what each part needs".to_owned(),
        RoleAccess::Never => return "not for identities".to_owned(),
    };
    let sets: Vec<String> = any_of
        .iter()
        .map(|set| {
            let names: Vec<String> =
                set.iter().map(|action| format!("`{}`", action.name())).collect();
            names.join(" and ")
        })
        .collect();
    let since = match access {
        RoleAccess::Since(version, _) => format!(" since {version}"),
        _ => String::new(),
    };
    format!("{}{since}", sets.join(", or "))
}

fn selector(selector: &Selector) -> Option<String> {
    match *selector {
        Selector::Query(name, value) => Some(format!("`{name}={value}`")),
        Selector::Header(name, value) => Some(format!("`{name}: {value}`")),
        Selector::HasHeader(name) => Some(format!("`{name}`")),
        Selector::QueryNot(..)
        | Selector::NoQuery(_)
        | Selector::HeaderNot(..)
        | Selector::NoHeader(_) => None,
    }
}
