//! The operations of the Queue service, one file each, and what they have in common.

pub mod clear_messages;
pub mod create_queue;
pub mod delete_message;
pub mod delete_queue;
pub mod get_messages;
pub mod get_queue_acl;
pub mod get_queue_metadata;
pub mod get_queue_service_properties;
pub mod get_queue_service_stats;
pub mod get_user_delegation_key;
mod item;
pub mod list_queues;
mod numbers;
pub mod peek_messages;
pub mod put_message;
pub mod set_queue_acl;
pub mod set_queue_metadata;
pub mod set_queue_service_properties;
mod text;
mod times;
pub mod update_message;
