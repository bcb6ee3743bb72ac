//! Get User Delegation Key, whichever service it is asked of: a key that signs tokens on behalf of
//! whoever asks, and whose tokens reach as far as his roles do.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key>

use http::Method;
use lazuli_auth::{
    AccessSpec, AccountKeys as _, DELEGATION_KEY_MAX, DelegationKey, Guid, delegation_service,
    parse_iso8601,
};
use lazuli_base::Timestamp;
use lazuli_model::{ApiVersion, ErrorCode, Refusal, Service};
use lazuli_wire::body::user_delegation_key as body;
use lazuli_wire::date;

use crate::call::Call;
use crate::pipeline::not_implemented;
use crate::reply::Reply;
use crate::spec::{Effect, Level, Selector, Spec, Status};

/// The first versions that know the operation.
const OF_BLOBS: ApiVersion = ApiVersion::new(2018, 11, 9);
const OF_OTHERS: ApiVersion = ApiVersion::new(2026, 2, 6);

/// The operation in a service: who may call it there, and its rows in the service's description.
pub(crate) const fn spec(access: AccessSpec, rows: &'static [&'static str]) -> Spec {
    Spec {
        name: "GetUserDelegationKey",
        title: "Get User Delegation Key",
        rows,
        page: "https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key",
        level: Level::Account,
        methods: &[Method::POST],
        effect: Effect::Changes,
        selectors: &[
            Selector::Query("restype", "service"),
            Selector::Query("comp", "userdelegationkey"),
        ],
        access,
        query: &["timeout"],
        headers: &[&["content-type"]],
        success: &[200],
        response: &[&["content-type"]],
        status: Status::Built,
    }
}

/// Makes a key. Nothing is kept of it but the entry that somebody was given one.
///
/// `AuthenticationFailed` for a caller without a bearer token, `InvalidXmlNodeValue` for times that
/// a key cannot have.
pub(crate) async fn get(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let first = match call.head.service {
        Service::Blob | Service::Dfs => OF_BLOBS,
        Service::Queue | Service::Table => OF_OTHERS,
    };
    if call.version() < first {
        let reason = "The value is not supported.";
        return Err(Refusal::query_value("comp", "userdelegationkey", reason));
    }
    if call.api.identities.is_none() {
        return Err(not_implemented(call.spec.title, "no identities are configured"));
    }
    let bearer = call.granted.bearer().cloned().ok_or_else(|| {
        Refusal::new(ErrorCode::AuthenticationFailed).with_detail(
            "AuthenticationErrorDetail",
            "Only authentication scheme Bearer is supported.",
        )
    })?;
    let info = call.read_announced_body(body::BODY_BYTES_MAX as u64).await?;
    let info = body::read(&info)?;
    let (start, expiry) = times(&info, call.head.now)?;
    let user_tenant = info.delegated_user_tenant.as_deref().map(str::parse::<Guid>).transpose();
    let user_tenant = user_tenant.map_err(|_| {
        let text = info.delegated_user_tenant.as_deref().unwrap_or_default();
        body::unacceptable("DelegatedUserTid", text)
    })?;
    call.store().note_delegation_key((call.spec.name, call.account())).await?;
    let keys = call.api.accounts.keys(call.account()).unwrap_or_default();
    let account_key = keys.first().ok_or_else(|| Refusal::new(ErrorCode::InternalError))?;
    let (start, expiry) = (iso_seconds(start), iso_seconds(expiry));
    let version = call.version().to_string();
    let key = DelegationKey {
        object_id: bearer.object_id.as_str(),
        tenant: bearer.tenant.as_str(),
        start: &start,
        expiry: &expiry,
        service: delegation_service(call.head.service),
        version: &version,
        user_tenant: user_tenant.as_ref().map_or("", Guid::as_str),
    };
    Ok(Reply::new(200).xml(body::write(&body::UserDelegationKey {
        object_id: key.object_id,
        tenant: key.tenant,
        start: key.start,
        expiry: key.expiry,
        service: key.service,
        version: key.version,
        delegated_user_tenant: key.user_tenant,
        value: &key.value(account_key, call.account()),
    })))
}

/// When a key begins and ends: it begins within a week of now, either way, and ends within the next.
fn times(info: &body::KeyInfo, now: Timestamp) -> Result<(Timestamp, Timestamp), Refusal> {
    let parse = |name, text: &str| {
        let time = parse_iso8601(text).map(Timestamp::truncate_to_second);
        time.ok_or_else(|| body::unacceptable(name, text))
    };
    let start = match info.start.as_deref() {
        Some(text) => {
            let start = parse("Start", text)?;
            if start.since(now).max(now.since(start)) > DELEGATION_KEY_MAX {
                return Err(body::unacceptable("Start", text));
            }
            start
        }
        None => now.truncate_to_second(),
    };
    let expiry = parse("Expiry", &info.expiry)?;
    if expiry <= start || expiry <= now || expiry.since(now) > DELEGATION_KEY_MAX {
        return Err(body::unacceptable("Expiry", &info.expiry));
    }
    Ok((start, expiry))
}

/// A moment without its fraction of a second, as clients write it.
fn iso_seconds(at: Timestamp) -> String {
    let text = date::iso7(at);
    let (seconds, _) = text.split_once('.').unwrap_or((&text, ""));
    format!("{seconds}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_begins_and_ends_within_seven_days() {
        let now = parse_iso8601("2026-11-24T08:00:00.5Z").unwrap();
        let ask = |start: &str, expiry: &str| {
            let start = (!start.is_empty()).then(|| start.to_owned());
            let info = body::KeyInfo { start, expiry: expiry.to_owned(), ..Default::default() };
            times(&info, now).map(|(start, expiry)| (iso_seconds(start), iso_seconds(expiry)))
        };
        let pair = |start: &str, expiry: &str| Ok((start.to_owned(), expiry.to_owned()));
        assert_eq!(
            ask("", "2026-12-01T08:00:00Z"),
            pair("2026-11-24T08:00:00Z", "2026-12-01T08:00:00Z")
        );
        assert_eq!(
            ask("2026-11-18", "2026-11-24T08:00:01.9Z"),
            pair("2026-11-18T00:00:00Z", "2026-11-24T08:00:01Z")
        );
        for (start, expiry) in [
            ("", "2026-12-01T08:00:01Z"),
            ("", "2026-11-24T08:00:00Z"),
            ("", "soon"),
            ("2026-11-25", "2026-11-25"),
            ("2026-11-17T08:00:00Z", "2026-11-25"),
            ("2026-12-02", "2026-12-03"),
            ("then", "2026-11-25"),
        ] {
            let refusal = ask(start, expiry).unwrap_err();
            assert_eq!(refusal.code(), ErrorCode::InvalidXmlNodeValue, "{start} {expiry}");
        }
    }
}
