//! OData as tables speak it: addresses, filters, formats, and entities in JSON and Atom.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/payload-format-for-table-service-operations>

pub mod address;
pub mod atom;
pub mod changeset;
pub mod entity_json;
pub mod filter;
pub mod format;
pub mod json;
pub mod literal;
pub mod token;
