//! Requests from browsers: preflight, and what actual answers tell.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/cross-origin-resource-sharing--cors--support-for-the-azure-storage-services>

use crate::harness::{Blobs, Call, call, get, put};

const ONE: &str = "https://one.example";
const TWO: &str = "https://two.example";

/// A rule: origins, methods, allowed headers, exposed headers.
fn rule(origins: &str, methods: &str, allowed: &str, exposed: &str) -> String {
    format!(
        "<CorsRule><AllowedOrigins>{origins}</AllowedOrigins>\
         <AllowedMethods>{methods}</AllowedMethods><AllowedHeaders>{allowed}</AllowedHeaders>\
         <ExposedHeaders>{exposed}</ExposedHeaders><MaxAgeInSeconds>300</MaxAgeInSeconds>\
         </CorsRule>"
    )
}

fn set(rules: &str) -> Call {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <StorageServiceProperties><Cors>{rules}</Cors></StorageServiceProperties>"
    );
    put("/?restype=service&comp=properties").body(xml)
}

fn with_rules(rules: &[String]) -> Blobs {
    let blobs = Blobs::with_blob("content");
    blobs.send(&set(&rules.concat())).is(202);
    blobs
}

fn preflight(origin: &str, method: &str, headers: &str) -> Call {
    let call = call("OPTIONS", "/box/b").unsigned().version("");
    [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", headers),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .fold(call, |call, (name, value)| call.header(name, value))
}

#[test]
fn preflight_requests() {
    let blobs = with_rules(&[
        rule(ONE, "GET,PUT", "x-ms-meta-*,content-type", "x-ms-*"),
        rule(&format!("{ONE},{TWO}"), "DELETE", "", ""),
    ]);
    for (origin, method, headers, allowed) in [
        (ONE, "GET", "", true),
        (ONE, "PUT", "x-ms-meta-a,Content-Type", true),
        (ONE, "PUT", "x-ms-meta-a, x-ms-blob-type", false),
        (ONE, "DELETE", "", true),
        (ONE, "DELETE", "x-ms-meta-a", false),
        (ONE, "POST", "", false),
        (TWO, "DELETE", "", true),
        (TWO, "GET", "", false),
        ("https://three.example", "GET", "", false),
        ("http://one.example", "GET", "", false),
    ] {
        let answer = blobs.send(&preflight(origin, method, headers));
        if !allowed {
            let answer = answer.refused(403, "CorsPreflightFailure");
            answer.has("access-control-allow-origin", "");
            continue;
        }
        let answer = answer.is(200);
        answer.has("access-control-allow-origin", origin).has("vary", "Origin");
        answer.has("access-control-allow-methods", method);
        answer.has("access-control-allow-headers", headers);
        answer.has("access-control-allow-credentials", "true");
        answer.has("access-control-max-age", "300");
    }
    for (origin, method) in [("", "GET"), (ONE, "")] {
        let answer = blobs.send(&preflight(origin, method, "")).refused(400, "InvalidHeaderValue");
        answer.says("A required CORS header is not present.");
    }
}

#[test]
fn a_rule_for_everybody() {
    let blobs = with_rules(&[rule("*", "GET", "*", "*")]);
    let answer = blobs.send(&preflight(ONE, "GET", "anything")).is(200);
    answer.has("access-control-allow-origin", "*").has("access-control-allow-headers", "anything");
    answer.has("access-control-allow-credentials", "").has("vary", "");
    let answer = blobs.send(&get("/box/b").header("origin", TWO)).is(200);
    answer.has("access-control-allow-origin", "*").has("access-control-expose-headers", "*");
}

#[test]
fn without_rules_nobody_is_allowed() {
    let blobs = Blobs::with_blob("content");
    blobs.send(&preflight(ONE, "GET", "")).refused(403, "CorsPreflightFailure");
    let answer = blobs.send(&get("/box/b").header("origin", ONE)).is(200);
    answer.has("access-control-allow-origin", "").has("vary", "");
}

#[test]
fn actual_requests() {
    let blobs = with_rules(&[rule(ONE, "GET", "", "x-ms-*,etag")]);
    let answer = blobs.send(&get("/box/b").header("origin", ONE)).is(200);
    answer.has("access-control-allow-origin", ONE).has("vary", "Origin");
    answer.has("access-control-expose-headers", "x-ms-*,etag");
    answer.has("access-control-allow-credentials", "true");
    // A script may read why it was refused.
    let answer = blobs.send(&get("/box/missing").header("origin", ONE));
    answer.refused(404, "BlobNotFound").has("access-control-allow-origin", ONE);
    // No rule matches: the request is served, and its answer is not for scripts.
    for call in
        [get("/box/b").header("origin", TWO), put("/box/b?comp=metadata").header("origin", ONE)]
    {
        let answer = blobs.send(&call).is(200);
        answer.has("access-control-allow-origin", "").has("vary", "Origin");
    }
    blobs.send(&get("/box/b")).is(200).has("access-control-allow-origin", "");
}

#[test]
fn rules_are_kept_until_they_are_replaced() {
    let blobs = with_rules(&[rule(ONE, "GET", "a", "b")]);
    let properties = || get("/?restype=service&comp=properties");
    let answer = blobs.send(&properties()).is(200);
    answer.says(&format!("<AllowedOrigins>{ONE}</AllowedOrigins>"));
    answer.says("<MaxAgeInSeconds>300</MaxAgeInSeconds>");
    // What a request leaves out stays as it is.
    let other = "<StorageServiceProperties><DefaultServiceVersion>2020-10-02\
                 </DefaultServiceVersion></StorageServiceProperties>";
    blobs.send(&put("/?restype=service&comp=properties").body(other)).is(202);
    blobs.send(&preflight(ONE, "GET", "a")).is(200);
    let answer = blobs.send(&properties()).is(200);
    answer.says("<DefaultServiceVersion>2020-10-02</DefaultServiceVersion>");
    blobs.send(&set("")).is(202);
    blobs.send(&preflight(ONE, "GET", "a")).refused(403, "CorsPreflightFailure");
}

#[test]
fn at_most_five_rules_that_are_whole() {
    let blobs = Blobs::with_blob("content");
    let good = rule(ONE, "GET", "a", "b");
    blobs.send(&set(&good.repeat(5))).is(202);
    for rules in [
        good.repeat(6),
        rule(ONE, "FETCH", "a", "b"),
        rule(ONE, "", "a", "b"),
        rule("", "GET", "a", "b"),
        good.replace("300", "-1"),
        good.replace("300", "soon"),
        good.replace("<MaxAgeInSeconds>300</MaxAgeInSeconds>", ""),
        good.replace("AllowedMethods", "Methods"),
        rule(ONE, "GET", &"a,".repeat(65), "b"),
        rule(ONE, "GET", "a", "a*,b*,c*"),
        rule(&format!("{ONE},").repeat(120), "GET", "a", "b"),
    ] {
        let answer = blobs.send(&set(&rules));
        let code = answer.header("x-ms-error-code");
        let xml = ["InvalidXmlDocument", "InvalidXmlNodeValue", "MissingRequiredXmlNode"];
        assert!(xml.contains(&code.as_str()) || code == "UnsupportedXmlNode", "{answer}");
        answer.refused(400, &code);
    }
    blobs.send(&preflight(ONE, "GET", "a")).is(200);
    blobs.send(&set(&rule(ONE, "GET", &"a,".repeat(64), "a*,b*"))).is(202);
}
