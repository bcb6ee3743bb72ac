//! Containers: finding, creating, deleting, metadata, access policy, lease.

use lazuli_base::Timestamp;
use lazuli_model::acl::{PublicAccess, SignedIdentifier};
use lazuli_model::conditions::Conditions;
use lazuli_model::etag::ETag;
use lazuli_model::lease::{Lease, LeaseId, LeaseKind};
use lazuli_model::metadata::Metadata;
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::blob::Written;
use crate::journal::{Entry, Kind};
use crate::rows::{ContainerRow, GarbageRow};
use crate::schema::{self, ContainerId, Garbage};
use crate::txn::{Attempts, Txn};

/// Finds a container inside a transaction: its row must be the same when the change commits.
pub(crate) async fn open_container(
    txn: &mut Txn<'_>,
    account: &str,
    container: &str,
) -> Result<ContainerRow, Refusal> {
    let row = txn.get(&schema::container(account, container)).await?;
    row.ok_or_else(|| ErrorCode::ContainerNotFound.into())
}

/// A container that is to be made.
#[derive(Clone, Debug, Default)]
pub struct NewContainer {
    /// Its metadata.
    pub metadata: Metadata,
    /// Who may read it without authorisation.
    pub public_access: PublicAccess,
}

impl Store {
    /// The container's row, if there is one.
    pub async fn find_container(
        &self,
        account: &str,
        container: &str,
    ) -> Result<Option<ContainerRow>, Refusal> {
        self.row(&schema::container(account, container)).await
    }

    /// The container's row; the lease, if one is given, must be the container's.
    pub async fn get_container(
        &self,
        account: &str,
        container: &str,
        lease: Option<&LeaseId>,
    ) -> Result<(ContainerRow, Timestamp), Refusal> {
        let row = self.find_container(account, container).await?;
        let row = row.ok_or_else(|| Refusal::new(ErrorCode::ContainerNotFound))?;
        let now = self.clock.now();
        row.lease.check_read(now, lease, LeaseKind::Container)?;
        Ok((row, now))
    }

    /// Makes a container. `ContainerAlreadyExists` if there is one of the name.
    pub async fn create_container(
        &self,
        account: &str,
        container: &str,
        new: &NewContainer,
    ) -> Result<Written, Refusal> {
        let key = schema::container(account, container);
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            if txn.get::<ContainerRow>(&key).await?.is_some() {
                return Err(ErrorCode::ContainerAlreadyExists.into());
            }
            let row = ContainerRow {
                id: ContainerId(self.new_id().await?),
                etag: ETag::after(txn.now(), None),
                modified: txn.now(),
                metadata: new.metadata.clone(),
                public_access: new.public_access,
                policies: Vec::new(),
                lease: Lease::default(),
            };
            txn.put(key.clone(), &row)?;
            let entry = control("CreateContainer", account, container);
            txn.record(&entry.etag(Some(row.etag)));
            if self.commit(txn, &mut attempts).await? {
                return Ok(Written { etag: row.etag, modified: row.modified });
            }
        }
    }

    /// Deletes a container with everything in it, at once; the collector removes what it held.
    pub async fn delete_container(
        &self,
        account: &str,
        container: &str,
        conditions: &Conditions,
        lease: Option<&LeaseId>,
    ) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let row = open_container(&mut txn, account, container).await?;
            conditions.check_container(row.modified)?;
            row.lease.check_write(txn.now(), lease, LeaseKind::Container)?;
            txn.delete(schema::container(account, container));
            let garbage = GarbageRow { account: account.to_owned() };
            txn.put(schema::garbage(Garbage::Container(row.id)), &garbage)?;
            let entry = Entry::new(Kind::Delete, "DeleteContainer", account).container(container);
            txn.record(&entry.etag(Some(row.etag)));
            if self.commit(txn, &mut attempts).await? {
                self.collect_soon();
                return Ok(());
            }
        }
    }

    /// Replaces a container's metadata.
    pub async fn set_container_metadata(
        &self,
        account: &str,
        container: &str,
        (conditions, lease): (&Conditions, Option<&LeaseId>),
        metadata: &Metadata,
    ) -> Result<Written, Refusal> {
        let change = |row: &mut ContainerRow| row.metadata = metadata.clone();
        self.change_container(
            account,
            container,
            ("SetContainerMetadata", conditions, lease),
            change,
        )
        .await
    }

    /// Replaces a container's access policies and public access.
    pub async fn set_container_acl(
        &self,
        account: &str,
        container: &str,
        (conditions, lease): (&Conditions, Option<&LeaseId>),
        (public_access, policies): (PublicAccess, &[SignedIdentifier]),
    ) -> Result<Written, Refusal> {
        let change = |row: &mut ContainerRow| {
            row.public_access = public_access;
            row.policies = policies.to_vec();
        };
        self.change_container(account, container, ("SetContainerAcl", conditions, lease), change)
            .await
    }

    async fn change_container(
        &self,
        account: &str,
        container: &str,
        (operation, conditions, lease): (&str, &Conditions, Option<&LeaseId>),
        change: impl Fn(&mut ContainerRow),
    ) -> Result<Written, Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let mut row = open_container(&mut txn, account, container).await?;
            conditions.check_container(row.modified)?;
            row.lease.check_read(txn.now(), lease, LeaseKind::Container)?;
            change(&mut row);
            row.etag = ETag::after(txn.now(), Some(row.etag));
            row.modified = txn.now().max(row.modified);
            txn.put(schema::container(account, container), &row)?;
            txn.record(&control(operation, account, container).etag(Some(row.etag)));
            if self.commit(txn, &mut attempts).await? {
                return Ok(Written { etag: row.etag, modified: row.modified });
            }
        }
    }

    /// Enters in the journal that somebody was given a session of a container, which must exist.
    pub async fn note_session(&self, account: &str, container: &str) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            open_container(&mut txn, account, container).await?;
            txn.record(&control("CreateSession", account, container));
            if self.commit(txn, &mut attempts).await? {
                return Ok(());
            }
        }
    }

    /// Changes a container's lease by `change`, which gives the lease after it and an answer.
    pub async fn lease_container<T>(
        &self,
        account: &str,
        container: &str,
        (operation, conditions): (&str, &Conditions),
        change: impl Fn(&Lease, Timestamp) -> Result<(Lease, T), Refusal>,
    ) -> Result<(Written, T), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let mut row = open_container(&mut txn, account, container).await?;
            conditions.check_container(row.modified)?;
            let (lease, answer) = change(&row.lease, txn.now())?;
            row.lease = lease;
            txn.put(schema::container(account, container), &row)?;
            txn.record(&control(operation, account, container).etag(Some(row.etag)));
            if self.commit(txn, &mut attempts).await? {
                return Ok((Written { etag: row.etag, modified: row.modified }, answer));
            }
        }
    }
}

/// The journal entry of a change to a container.
fn control<'a>(operation: &'a str, account: &'a str, container: &'a str) -> Entry<'a> {
    Entry::new(Kind::Control, operation, account).container(container)
}
