//! What the operations on a service's own settings and state have in common, whichever service it is.

use lazuli_model::service_properties::ServicePropertiesPatch;
use lazuli_model::{ErrorCode, Refusal, Service};
use lazuli_wire::body::{service_properties, stats};

use crate::call::Call;
use crate::reply::Reply;

/// Tells that the secondary, which is this store, is live: it is asked on the secondary's name.
pub(crate) fn stats(call: &Call<'_>) -> Result<Reply, Refusal> {
    if !call.head.address.secondary {
        let reason = "The statistics are those of the secondary location.";
        return Err(Refusal::query_value("comp", "stats", reason));
    }
    Ok(Reply::new(200).xml(stats::write("live", Some(call.head.now))))
}

/// Changes the settings the body has.
pub(crate) async fn set_properties(mut call: Call<'_>) -> Result<Reply, Refusal> {
    let body = call.read_announced_body(service_properties::BODY_BYTES_MAX as u64).await?;
    let patch = service_properties::read(&body)?;
    if call.head.service != Service::Blob {
        refuse_settings_of_blobs(&patch)?;
    }
    let service = (call.head.service, call.account());
    call.store().set_service_properties(service, call.spec.name, &patch).await?;
    Ok(Reply::new(202))
}

/// Refuses the settings that only the Blob service has.
fn refuse_settings_of_blobs(patch: &ServicePropertiesPatch) -> Result<(), Refusal> {
    for (name, is_there) in [
        ("DefaultServiceVersion", patch.default_service_version.is_some()),
        ("DeleteRetentionPolicy", patch.delete_retention.is_some()),
        ("StaticWebsite", patch.static_website.is_some()),
    ] {
        if is_there {
            return Err(
                Refusal::new(ErrorCode::UnsupportedXmlNode).with_detail("XmlNodeName", name)
            );
        }
    }
    Ok(())
}
