//! Cross-origin resource sharing: which rule a request from a browser meets.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/cross-origin-resource-sharing--cors--support-for-the-azure-storage-services>

use serde::{Deserialize, Serialize};

/// Who may call from a browser, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRule {
    /// Origins, or `*`.
    pub allowed_origins: Vec<String>,
    /// Methods.
    pub allowed_methods: Vec<String>,
    /// Request headers; one that ends with `*` is a prefix.
    pub allowed_headers: Vec<String>,
    /// Response headers a script may see; one that ends with `*` is a prefix.
    pub exposed_headers: Vec<String>,
    /// How long a browser may keep the answer, in seconds.
    pub max_age_seconds: u32,
}

impl CorsRule {
    /// Whether the rule is for every origin.
    pub fn any_origin(&self) -> bool {
        self.allowed_origins.iter().any(|origin| origin == "*")
    }

    fn covers(&self, origin: &str, method: &str) -> bool {
        (self.any_origin() || self.allowed_origins.iter().any(|allowed| allowed == origin))
            && self.allowed_methods.iter().any(|allowed| allowed.eq_ignore_ascii_case(method))
    }

    /// Whether every one of these request headers is allowed, letter case aside.
    pub fn allows_headers<'h>(&self, mut headers: impl Iterator<Item = &'h str>) -> bool {
        headers.all(|header| {
            self.allowed_headers.iter().any(|allowed| match allowed.strip_suffix('*') {
                Some(prefix) => {
                    header.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
                }
                None => allowed.eq_ignore_ascii_case(header),
            })
        })
    }
}

/// The first rule for an origin and a method: it alone decides.
pub fn matching<'r>(rules: &'r [CorsRule], origin: &str, method: &str) -> Option<&'r CorsRule> {
    rules.iter().find(|rule| rule.covers(origin, method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_covers_decides() {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        let rule = |origins: &[&str], methods: &[&str], age| CorsRule {
            allowed_origins: list(origins),
            allowed_methods: list(methods),
            allowed_headers: list(&["x-ms-meta-*", "Content-Type"]),
            exposed_headers: Vec::new(),
            max_age_seconds: age,
        };
        let rules = [rule(&["http://a"], &["GET"], 1), rule(&["*"], &["GET", "PUT"], 2)];
        let age = |origin, method| matching(&rules, origin, method).map(|r| r.max_age_seconds);
        assert_eq!(age("http://a", "GET"), Some(1));
        assert_eq!(age("http://b", "get"), Some(2));
        assert_eq!(age("http://a", "PUT"), Some(2));
        assert_eq!(age("http://a", "DELETE"), None);
        assert!(rules[0].allows_headers(["X-MS-META-a", "content-type"].into_iter()));
        assert!(!rules[0].allows_headers(["x-ms-met", "range"].into_iter()));
    }
}
