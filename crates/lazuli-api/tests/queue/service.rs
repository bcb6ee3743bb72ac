//! The settings of the service, its stats, requests from browsers, and what is not built.

use crate::harness::{Queues, call, get, send};

#[test]
fn settings_are_the_queues_own() {
    let queues = Queues::new();
    let target = "/?restype=service&comp=properties";
    let told = queues.send(&get(target)).is(200);
    told.says("<Logging>").says("<HourMetrics>").says("<MinuteMetrics>").says("<Cors />");
    told.hides("StaticWebsite").hides("DeleteRetentionPolicy").hides("DefaultServiceVersion");
    let logging = "<StorageServiceProperties><Logging><Version>1.0</Version><Delete>true</Delete>\
                   <Read>true</Read><Write>false</Write><RetentionPolicy><Enabled>true</Enabled>\
                   <Days>3</Days></RetentionPolicy></Logging></StorageServiceProperties>";
    queues.send(&send("PUT", target, logging)).is(202);
    queues.send(&get(target)).is(200).says("<Days>3</Days>");
    queues.send(&send("PUT", target, "<x")).refused(400, "InvalidXmlDocument");
}

#[test]
fn browsers_are_admitted_by_rules() {
    let queues = Queues::with_queue();
    let cors = "<StorageServiceProperties><Cors><CorsRule><AllowedOrigins>http://a</AllowedOrigins>\
                <AllowedMethods>GET,POST</AllowedMethods><MaxAgeInSeconds>5</MaxAgeInSeconds>\
                <ExposedHeaders>x-ms-*</ExposedHeaders><AllowedHeaders>*</AllowedHeaders>\
                </CorsRule></Cors></StorageServiceProperties>";
    queues.send(&send("PUT", "/?restype=service&comp=properties", cors)).is(202);
    let preflight = |origin: &str, method: &str| {
        let call = call("OPTIONS", "/things/messages").header("origin", origin);
        queues.send(&call.header("access-control-request-method", method))
    };
    preflight("http://a", "POST").is(200).has("access-control-allow-origin", "http://a");
    preflight("http://a", "DELETE").refused(403, "CorsPreflightFailure");
    preflight("http://b", "POST").refused(403, "CorsPreflightFailure");
    let actual = get("/things/messages?peekonly=true").header("origin", "http://a");
    let answer = queues.send(&actual).is(200);
    answer.has("access-control-allow-origin", "http://a");
    answer.has("access-control-expose-headers", "x-ms-*");
}

#[test]
fn stats_are_told_by_the_secondary() {
    let queues = Queues::new();
    let stats = get("/?restype=service&comp=stats");
    queues.send(&stats).refused(400, "InvalidQueryParameterValue");
    queues.send_to(&stats, true).is(200).says("<Status>live</Status>").says("<LastSyncTime>");
}

#[test]
fn what_is_not_built_says_so() {
    let queues = Queues::new();
    let key = send("POST", "/?restype=service&comp=userdelegationkey", "<KeyInfo/>");
    queues.send(&key).refused(501, "NotImplemented").says("Get User Delegation Key");
}

#[test]
fn every_answer_says_who_gave_it() {
    let queues = Queues::with_queue();
    let answer = queues.send(&get("/things?comp=metadata").header("x-ms-client-request-id", "me"));
    let answer = answer.is(200);
    answer.has("server", "Windows-Azure-Queue/1.0 Microsoft-HTTPAPI/2.0");
    answer.has("x-ms-version", "2026-10-06").has("x-ms-client-request-id", "me");
    assert_eq!(answer.header("x-ms-request-id").len(), 36);
}
