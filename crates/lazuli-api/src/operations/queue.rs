//! The operations of the Queue service, in the order of the reference.

use super::Operation;
use crate::queue as service;

/// The operations of the Queue service.
pub static QUEUE: &[Operation] = &[
    operation!(list_queues::SPEC, list_queues::handle),
    operation!(get_queue_service_properties::SPEC, get_queue_service_properties::handle),
    operation!(set_queue_service_properties::SPEC, set_queue_service_properties::handle),
    operation!(get_queue_service_stats::SPEC, get_queue_service_stats::handle),
    operation!(get_user_delegation_key::SPEC, get_user_delegation_key::handle),
    operation!(create_queue::SPEC, create_queue::handle),
    operation!(delete_queue::SPEC, delete_queue::handle),
    operation!(get_queue_metadata::SPEC, get_queue_metadata::handle),
    operation!(set_queue_metadata::SPEC, set_queue_metadata::handle),
    operation!(get_queue_acl::SPEC, get_queue_acl::handle),
    operation!(set_queue_acl::SPEC, set_queue_acl::handle),
    operation!(put_message::SPEC, put_message::handle),
    operation!(get_messages::SPEC, get_messages::handle),
    operation!(peek_messages::SPEC, peek_messages::handle),
    operation!(delete_message::SPEC, delete_message::handle),
    operation!(update_message::SPEC, update_message::handle),
    operation!(clear_messages::SPEC, clear_messages::handle),
];
