//! The operations of the Table service, in the order of the reference.

use super::Operation;
use crate::table as service;

/// The operations of the Table service.
pub static TABLE: &[Operation] = &[
    operation!(get_table_service_properties::SPEC, get_table_service_properties::handle),
    operation!(set_table_service_properties::SPEC, set_table_service_properties::handle),
    operation!(get_table_service_stats::SPEC, get_table_service_stats::handle),
    operation!(get_user_delegation_key::SPEC, get_user_delegation_key::handle),
    operation!(query_tables::SPEC, query_tables::handle),
    operation!(query_tables::NAMED, query_tables::handle_named),
    operation!(create_table::SPEC, create_table::handle),
    operation!(delete_table::SPEC, delete_table::handle),
    operation!(get_table_acl::SPEC, get_table_acl::handle),
    operation!(set_table_acl::SPEC, set_table_acl::handle),
    operation!(query_entities::SPEC, query_entities::handle),
    operation!(query_entities::ONE, query_entities::handle_one),
    operation!(insert_entity::SPEC, insert_entity::handle),
    operation!(update_entity::SPEC, update_entity::handle),
    operation!(merge_entity::SPEC, merge_entity::handle),
    operation!(insert_or_replace_entity::SPEC, insert_or_replace_entity::handle),
    operation!(insert_or_merge_entity::SPEC, insert_or_merge_entity::handle),
    operation!(delete_entity::SPEC, delete_entity::handle),
    operation!(entity_group_transaction::SPEC, entity_group_transaction::handle),
];
