//! Tables: finding, creating, deleting, listing, access policy.

use std::borrow::Cow;

use lazuli_model::acl::SignedIdentifier;
use lazuli_model::edm::EdmValue;
use lazuli_model::filter::{Filter, Record};
use lazuli_model::names::TableName;
use lazuli_model::{ErrorCode, Refusal};

use crate::Store;
use crate::journal::{Entry, Kind};
use crate::list::Page;
use crate::rows::{GarbageRow, Stored as _, TableRow};
use crate::schema::{self, Garbage, TableId};
use crate::txn::{Attempts, Txn, damaged};

/// Tables that a page of a listing looks at, however few match.
const EXAMINED_MAX: usize = 10_000;

/// Finds a table inside a transaction: its row must be the same when the change commits.
pub(crate) async fn open_table(
    txn: &mut Txn<'_>,
    account: &str,
    table: &TableName,
) -> Result<TableRow, Refusal> {
    let row = txn.get(&schema::table(account, &table.folded())).await?;
    row.ok_or_else(|| ErrorCode::TableNotFound.into())
}

/// A table as a filter of tables sees it.
struct TableRecord<'a>(&'a TableRow);

impl Record for TableRecord<'_> {
    fn value(&self, name: &str) -> Option<Cow<'_, EdmValue>> {
        (name == "TableName").then(|| Cow::Owned(EdmValue::String(self.0.name.clone())))
    }
}

impl Store {
    /// The table's row, if there is one of the name, letter case aside.
    pub async fn find_table(
        &self,
        account: &str,
        table: &str,
    ) -> Result<Option<TableRow>, Refusal> {
        self.row(&schema::table(account, &table.to_ascii_lowercase())).await
    }

    /// The table's row. `TableNotFound` if there is none.
    pub async fn get_table(&self, account: &str, table: &TableName) -> Result<TableRow, Refusal> {
        let row = self.find_table(account, table.as_str()).await?;
        row.ok_or_else(|| ErrorCode::TableNotFound.into())
    }

    /// Makes a table. `TableAlreadyExists` if there is one of the name.
    pub async fn create_table(&self, account: &str, table: &TableName) -> Result<(), Refusal> {
        let key = schema::table(account, &table.folded());
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            if txn.get::<TableRow>(&key).await?.is_some() {
                return Err(ErrorCode::TableAlreadyExists.into());
            }
            let row = TableRow {
                id: TableId(self.new_id().await?),
                name: table.as_str().to_owned(),
                created: txn.now(),
                policies: Vec::new(),
            };
            txn.put(key.clone(), &row)?;
            txn.record(&Entry::new(Kind::Control, "CreateTable", account).container(&row.name));
            if self.commit(txn, &mut attempts).await? {
                return Ok(());
            }
        }
    }

    /// Deletes a table with everything in it, at once; the collector removes what it held. The name
    /// is free for another table. `ResourceNotFound` if there is none.
    pub async fn delete_table(&self, account: &str, table: &TableName) -> Result<(), Refusal> {
        let key = schema::table(account, &table.folded());
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let Some(row) = txn.get::<TableRow>(&key).await? else {
                return Err(ErrorCode::ResourceNotFound.into());
            };
            txn.delete(key.clone());
            let garbage = GarbageRow { account: account.to_owned() };
            txn.put(schema::garbage(Garbage::Table(row.id)), &garbage)?;
            txn.record(&Entry::new(Kind::Delete, "DeleteTable", account).container(&row.name));
            if self.commit(txn, &mut attempts).await? {
                self.collect_soon();
                return Ok(());
            }
        }
    }

    /// Replaces a table's stored access policies.
    pub async fn set_table_acl(
        &self,
        account: &str,
        table: &TableName,
        policies: &[SignedIdentifier],
    ) -> Result<(), Refusal> {
        let mut attempts = Attempts::default();
        loop {
            let mut txn = self.begin();
            let mut row = open_table(&mut txn, account, table).await?;
            row.policies = policies.to_vec();
            txn.put(schema::table(account, &table.folded()), &row)?;
            txn.record(&Entry::new(Kind::Control, "SetTableAcl", account).container(&row.name));
            if self.commit(txn, &mut attempts).await? {
                return Ok(());
            }
        }
    }

    /// A page of at most `max` of an account's tables that match, from the name `from` on, by their
    /// names in lower case.
    pub async fn list_tables(
        &self,
        account: &str,
        from: Option<&str>,
        (filter, max): (Option<&Filter>, usize),
    ) -> Result<Page<TableRow>, Refusal> {
        let mut range = schema::tables(account);
        if let Some(from) = from {
            range.start = schema::table(account, &from.to_ascii_lowercase());
        }
        let mut page = Page { items: Vec::new(), next: None };
        for (examined, row) in self.rows(range, EXAMINED_MAX + 1).await?.iter().enumerate() {
            let table = TableRow::decode(&row.value).map_err(|error| damaged(&error))?;
            if page.items.len() == max || examined == EXAMINED_MAX {
                page.next = Some(table.name.to_ascii_lowercase().into_bytes());
                break;
            }
            if filter.is_none_or(|filter| filter.matches(&TableRecord(&table))) {
                page.items.push(table);
            }
        }
        Ok(page)
    }
}
