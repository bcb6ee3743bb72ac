//! The settings of an account's services.

use lazuli_model::service_properties::{ServiceProperties, ServicePropertiesPatch};
use lazuli_model::{ApiVersion, Refusal, Service};

use crate::Store;
use crate::journal::{Entry, Kind};
use crate::rows::{AccountRow, ServiceRow};
use crate::schema;
use crate::txn::Attempts;

impl Store {
    /// The settings of a service; those of a new account if none were made.
    pub async fn service_properties(
        &self,
        service: Service,
        account: &str,
    ) -> Result<ServiceProperties, Refusal> {
        if matches!(service, Service::Blob | Service::Dfs) {
            let row: Option<AccountRow> = self.row(&schema::account(account)).await?;
            return Ok(row.unwrap_or_default().blob_service);
        }
        let row: Option<ServiceRow> = self.row(&schema::service(service, account)).await?;
        Ok(row.unwrap_or_default().properties)
    }

    /// The version of requests to the service that name none, if one was set. Only the Blob service
    /// has that setting.
    pub async fn default_version(
        &self,
        service: Service,
        account: &str,
    ) -> Result<Option<ApiVersion>, Refusal> {
        if matches!(service, Service::Queue | Service::Table) {
            return Ok(None);
        }
        Ok(self.service_properties(service, account).await?.default_service_version)
    }

    /// Enters in the journal that somebody was given a key to sign tokens with.
    pub async fn note_delegation_key(
        &self,
        (operation, account): (&str, &str),
    ) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            txn.record(&Entry::new(Kind::Control, operation, account));
            if self.commit(txn, &mut attempts).await? {
                return Ok(());
            }
        }
    }

    /// Changes the settings that `patch` has; `operation` is the name of what asks for it.
    pub async fn set_service_properties(
        &self,
        (service, account): (Service, &str),
        operation: &str,
        patch: &ServicePropertiesPatch,
    ) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            if matches!(service, Service::Blob | Service::Dfs) {
                let key = schema::account(account);
                let mut row = txn.get::<AccountRow>(&key).await?.unwrap_or_default();
                row.blob_service.apply(patch.clone());
                txn.put(key, &row)?;
            } else {
                let key = schema::service(service, account);
                let mut row = txn.get::<ServiceRow>(&key).await?.unwrap_or_default();
                row.properties.apply(patch.clone());
                txn.put(key, &row)?;
            }
            txn.record(&Entry::new(Kind::Control, operation, account));
            if self.commit(txn, &mut attempts).await? {
                return Ok(());
            }
        }
    }
}
