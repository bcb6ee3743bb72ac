//! What every file of the repository must look like, and the words that a layer may not say.

use super::Finding;

/// The most lines that a source file may have.
const LINES_MAX: usize = 600;

/// Names that say nothing about what a module holds.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

/// Marks of unfinished work; in two parts, for this file is checked too.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];

/// A word that the files of a layer may not contain.
struct Forbidden {
    layer: &'static str,
    word: &'static str,
    reason: &'static str,
}

/// The words by layer. They are looked for without regard to case, in code and comments.
const FORBIDDEN: &[Forbidden] = &[
    Forbidden {
        layer: "crates/lazuli-engine/src/",
        word: "azure",
        reason: "the engine knows nothing of the service above it",
    },
    Forbidden {
        layer: "crates/lazuli-base/src/",
        word: "hyper::",
        reason: "the base knows no transport",
    },
    Forbidden {
        layer: "crates/lazuli-store/src/",
        word: "http::",
        reason: "the store knows no transport",
    },
    Forbidden {
        layer: "crates/lazuli-store/src/",
        word: "status code",
        reason: "the store speaks of refusals, the wire of status codes",
    },
    Forbidden {
        layer: "crates/lazuli-auth/src/",
        word: "::now(",
        reason: "authentication is given the time and reads no clock",
    },
    Forbidden {
        layer: "crates/lazuli-model/src/",
        word: "::now(",
        reason: "the rules are given the time and read no clock",
    },
    Forbidden {
        layer: "crates/lazuli-wire/src/",
        word: "::now(",
        reason: "the codecs read no clock",
    },
    Forbidden {
        layer: "crates/lazuli-evidence/src/",
        word: "::now(",
        reason: "what is hashed depends on no clock",
    },
    Forbidden {
        layer: "crates/lazuli-evidence/src/",
        word: "std::fs",
        reason: "the encoders do no input or output",
    },
    Forbidden {
        layer: "crates/lazuli-verify/src/",
        word: "std::net",
        reason: "the verifier asks no network",
    },
    Forbidden {
        layer: "crates/lazuli-tlog/src/",
        word: "::now(",
        reason: "the log's rules are given the time and read no clock",
    },
    Forbidden {
        layer: "crates/lazuli-tlog/src/",
        word: "std::fs",
        reason: "the log's rules do no input or output",
    },
    Forbidden {
        layer: "crates/lazuli-store/src/",
        word: "systemtime::now(",
        reason: "the time comes through the clock of lazuli-base",
    },
    Forbidden {
        layer: "crates/lazuli-api/src/",
        word: "systemtime::now(",
        reason: "the time comes through the clock of lazuli-base",
    },
    Forbidden {
        layer: "crates/lazuli-auth/src/",
        word: "std::fs",
        reason: "authentication does no input or output",
    },
    Forbidden {
        layer: "crates/lazuli-model/src/",
        word: "std::fs",
        reason: "the rules do no input or output",
    },
    Forbidden {
        layer: "crates/lazuli-wire/src/",
        word: "std::fs",
        reason: "the codecs do no input or output",
    },
];

/// Checks one file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let extension = path.rsplit('.').next().unwrap_or_default();
    let is_rust = extension == "rs";
    let is_seed = path.starts_with("fuzz/seeds/");
    let is_snapshot = extension == "snap" || extension == "http";
    let mut findings = Vec::new();
    if is_seed || is_snapshot || path.starts_with("LICENSE") || path == "Cargo.lock" {
        return findings;
    }
    if matches!(extension, "rs" | "toml" | "md" | "py" | "mjs" | "js" | "txt" | "sh" | "yml") {
        findings.extend(whitespace(path, text, extension));
        findings.extend(unfinished(path, text));
    }
    if is_rust {
        findings.extend(header(path, text));
        findings.extend(length(path, text));
        findings.extend(name(path));
        findings.extend(unsafe_code(path, text));
        findings.extend(words(path, text));
    }
    findings
}

/// No tabs, no blanks at a line's end, one line feed at the file's.
fn whitespace(path: &str, text: &str, extension: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        // Lists for tools are tables whose fields a tab divides.
        if line.contains('\t') && extension != "txt" {
            findings.push(Finding::new(path, index + 1, "whitespace", "a tab"));
        }
        if line.ends_with([' ', '\t', '\r']) {
            findings.push(Finding::new(path, index + 1, "whitespace", "a blank at the end"));
        }
    }
    if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
        let lines = text.lines().count();
        findings.push(Finding::new(path, lines, "whitespace", "wants one line feed at the end"));
    }
    findings
}

/// No marks of unfinished work.
fn unfinished(path: &str, text: &str) -> Vec<Finding> {
    let found = |line: &str| UNFINISHED.iter().find(|mark| line.contains(**mark));
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let message = format!("`{}`: finish it or file it", found(line)?);
            Some(Finding::new(path, index + 1, "unfinished", message))
        })
        .collect()
}

/// A source file says in its first line what it is.
fn header(path: &str, text: &str) -> Option<Finding> {
    let first = text.lines().next().unwrap_or_default();
    let says = first.strip_prefix("//!").is_some_and(|rest| rest.trim().len() > 3);
    (!says).then(|| Finding::new(path, 1, "header", "the first line wants `//! ` and what this is"))
}

/// A source file has a bounded length. The finding's line is the number of lines.
fn length(path: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    let message = format!("{lines} lines; {LINES_MAX} is the most");
    (lines > LINES_MAX).then(|| Finding::new(path, lines, "length", message))
}

/// A module is named after what it holds.
fn name(path: &str) -> Option<Finding> {
    let parts: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    let empty = parts.iter().find(|part| EMPTY_NAMES.contains(part))?;
    Some(Finding::new(path, 1, "name", format!("`{empty}` says nothing about what is inside")))
}

/// Unsafe code needs an exception with a reason.
fn unsafe_code(path: &str, text: &str) -> Vec<Finding> {
    let keyword = concat!("un", "safe");
    text.lines()
        .enumerate()
        .filter(|(_, line)| {
            let code = line.split("//").next().unwrap_or_default();
            code.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '"')
                .any(|word| word == keyword)
        })
        .map(|(index, _)| Finding::new(path, index + 1, "unsafe", "unsafe code"))
        .collect()
}

/// A layer does not speak of the layers above it.
fn words(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Forbidden { layer, word, reason } in FORBIDDEN {
        if !path.starts_with(layer) {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            if line.to_ascii_lowercase().contains(word) {
                findings.push(Finding::new(path, index + 1, "word", format!("`{word}`: {reason}")));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::check;

    fn rules(path: &str, text: &str) -> Vec<(&'static str, usize)> {
        check(path, text).iter().map(|finding| (finding.rule, finding.line)).collect()
    }

    #[test]
    fn a_file_in_order_has_no_findings() {
        assert_eq!(rules("crates/lazuli-model/src/tier.rs", "//! The tiers.\n\nmod a;\n"), []);
    }

    #[test]
    fn each_rule_finds_its_breach() {
        let path = "crates/lazuli-engine/src/disk.rs";
        assert_eq!(rules(path, "mod a;\n"), [("header", 1)]);
        assert_eq!(rules(path, "//! Disk.\nlet a = 1; \n"), [("whitespace", 2)]);
        assert_eq!(rules(path, "//! Disk.\n\tlet a = 1;\n"), [("whitespace", 2)]);
        assert_eq!(rules(path, "//! Disk."), [("whitespace", 1)]);
        assert_eq!(rules(path, "//! Disk of Azure.\n"), [("word", 1)]);
        let code = format!("//! Disk.\n{} {{ }}\n", concat!("un", "safe"));
        assert_eq!(rules(path, &code), [("unsafe", 2)]);
        let mark = format!("//! Disk.\n// {}: more\n", concat!("TO", "DO"));
        assert_eq!(rules(path, &mark), [("unfinished", 2)]);
        let long = format!("//! Disk.\n{}", "// line\n".repeat(600));
        assert_eq!(rules(path, &long), [("length", 601)]);
        assert_eq!(rules("xtask/src/util.rs", "//! Things.\n"), [("name", 1)]);
    }

    #[test]
    fn unsafe_in_a_lint_name_or_comment_is_no_code() {
        let text = "//! The rules.\n#![deny(unsafe_code)]\n// unsafe here\n";
        assert_eq!(rules("crates/lazuli-model/src/lib.rs", text), []);
    }
}
