//! The settings of a service.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-service-properties>

use serde::{Deserialize, Serialize};

use crate::ApiVersion;
use crate::cors::CorsRule;

/// Settings as a request has them: `None` leaves a setting as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePropertiesPatch {
    /// `Logging`.
    pub logging: Option<Logging>,
    /// `HourMetrics`.
    pub hour_metrics: Option<Metrics>,
    /// `MinuteMetrics`.
    pub minute_metrics: Option<Metrics>,
    /// `Cors`; an empty list clears the rules.
    pub cors: Option<Vec<CorsRule>>,
    /// `DefaultServiceVersion`.
    pub default_service_version: Option<ApiVersion>,
    /// `DeleteRetentionPolicy`.
    pub delete_retention: Option<DeleteRetention>,
    /// `StaticWebsite`.
    pub static_website: Option<StaticWebsite>,
}

/// All settings, with the values a new account has as default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceProperties {
    /// `Logging`.
    pub logging: Logging,
    /// `HourMetrics`.
    pub hour_metrics: Metrics,
    /// `MinuteMetrics`.
    pub minute_metrics: Metrics,
    /// `Cors`.
    pub cors: Vec<CorsRule>,
    /// `DefaultServiceVersion`, if one was set.
    pub default_service_version: Option<ApiVersion>,
    /// `DeleteRetentionPolicy`.
    pub delete_retention: DeleteRetention,
    /// `StaticWebsite`.
    pub static_website: StaticWebsite,
}

/// What is logged of requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// The version of the log's form.
    pub version: String,
    /// Whether deletes are logged.
    pub delete: bool,
    /// Whether reads are logged.
    pub read: bool,
    /// Whether writes are logged.
    pub write: bool,
    /// For how many days the log is kept; `None` for ever.
    pub retention_days: Option<u32>,
}

/// What is counted of requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metrics {
    /// The version of the metrics' form.
    pub version: String,
    /// Whether anything is counted.
    pub enabled: bool,
    /// Whether it is counted by operation; `None` when nothing is counted.
    pub include_apis: Option<bool>,
    /// For how many days the counts are kept; `None` for ever.
    pub retention_days: Option<u32>,
}

/// For how long deleted blobs can be restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteRetention {
    /// The days; `None` when soft delete is off.
    pub days: Option<u32>,
    /// Whether a soft-deleted blob may be deleted for good before.
    pub allow_permanent_delete: bool,
}

/// The static website in `$web`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticWebsite {
    /// Whether there is one.
    pub enabled: bool,
    /// The name that is added to a directory's path.
    pub index_document: Option<String>,
    /// The page for what is not found.
    pub error_document_404_path: Option<String>,
    /// The page for every directory; excludes an index document.
    pub default_index_document_path: Option<String>,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            version: "1.0".to_owned(),
            delete: false,
            read: false,
            write: false,
            retention_days: None,
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self { version: "1.0".to_owned(), enabled: false, include_apis: None, retention_days: None }
    }
}

impl ServiceProperties {
    /// Replaces what `patch` has.
    pub fn apply(&mut self, patch: ServicePropertiesPatch) {
        fn set<T>(setting: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *setting = value;
            }
        }
        set(&mut self.logging, patch.logging);
        set(&mut self.hour_metrics, patch.hour_metrics);
        set(&mut self.minute_metrics, patch.minute_metrics);
        set(&mut self.cors, patch.cors);
        set(&mut self.delete_retention, patch.delete_retention);
        set(&mut self.static_website, patch.static_website);
        if patch.default_service_version.is_some() {
            self.default_service_version = patch.default_service_version;
        }
    }
}
