//! The settings of an account's Blob service.

use lazuli_model::service_properties::{ServiceProperties, ServicePropertiesPatch};
use lazuli_model::{ApiVersion, Refusal};

use crate::Store;
use crate::journal::{Entry, Kind};
use crate::rows::AccountRow;
use crate::schema;
use crate::txn::Attempts;

impl Store {
    /// The settings; those of a new account if none were made.
    pub async fn service_properties(&self, account: &str) -> Result<ServiceProperties, Refusal> {
        let row: Option<AccountRow> = self.row(&schema::account(account)).await?;
        Ok(row.unwrap_or_default().blob_service)
    }

    /// The version of requests that name none, if one was set.
    pub async fn default_version(&self, account: &str) -> Result<Option<ApiVersion>, Refusal> {
        Ok(self.service_properties(account).await?.default_service_version)
    }

    /// Changes the settings that `patch` has.
    pub async fn set_service_properties(
        &self,
        account: &str,
        patch: &ServicePropertiesPatch,
    ) -> Result<(), Refusal> {
        let key = schema::account(account);
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let mut row = txn.get::<AccountRow>(&key).await?.unwrap_or_default();
            row.blob_service.apply(patch.clone());
            txn.put(key.clone(), &row)?;
            txn.record(&Entry::new(Kind::Control, "SetBlobServiceProperties", account));
            if self.commit(txn, &mut attempts).await? {
                return Ok(());
            }
        }
    }
}
