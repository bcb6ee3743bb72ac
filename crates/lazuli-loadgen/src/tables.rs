//! What is sent to the Table service: entities of a few properties, a thousand to a partition.

use std::fmt::Write as _;

use crate::arguments::{Arguments, Mode};

/// The type of a transaction's body.
pub(crate) const BATCH: &str = "multipart/mixed; boundary=batch_0";

/// Entities of one partition.
const PARTITION: u64 = 1000;

/// Entities of one transaction; a partition holds whole ones.
const TOGETHER: u64 = 100;

/// Whether the mode talks to the Table service.
pub(crate) const fn is_mode(mode: Mode) -> bool {
    matches!(mode, Mode::Table | Mode::Insert | Mode::Upsert | Mode::Point | Mode::Range)
}

fn keys(number: u64) -> (String, String) {
    (format!("p{:06}", number / PARTITION), format!("r{:06}", number % PARTITION))
}

/// The entity of a number.
pub(crate) fn entity(number: u64) -> String {
    let (partition, row) = keys(number);
    format!(
        "{{\"PartitionKey\":\"{partition}\",\"RowKey\":\"{row}\",\"number\":{},\
         \"text\":\"the quick brown fox jumps over the lazy dog\",\"even\":{},\
         \"share@odata.type\":\"Edm.Double\",\"share\":0.5}}",
        number % 1_000_000_000,
        number.is_multiple_of(2)
    )
}

/// The address of the entity of a number.
pub(crate) fn address(table: &str, number: u64) -> String {
    let (partition, row) = keys(number);
    format!("/{table}(PartitionKey='{partition}',RowKey='{row}')")
}

/// A filter that picks the hundred entities around a number.
pub(crate) fn range(number: u64) -> String {
    let first = number - number % TOGETHER;
    let (partition, row) = keys(first);
    let (_, last) = keys(first + TOGETHER - 1);
    format!("PartitionKey eq '{partition}' and RowKey ge '{row}' and RowKey le '{last}'")
}

/// The body of the transaction of a number: a hundred upserts.
pub(crate) fn transaction(arguments: &Arguments, number: u64) -> String {
    let Arguments { authority, account, container, .. } = arguments;
    let mut body =
        String::from("--batch_0\r\nContent-Type: multipart/mixed; boundary=changeset_0\r\n\r\n");
    for place in number * TOGETHER..(number + 1) * TOGETHER {
        let (path, entity) = (address(container, place), entity(place));
        // Writing to a string cannot fail.
        let _ = write!(
            body,
            "--changeset_0\r\nContent-Type: application/http\r\n\
             Content-Transfer-Encoding: binary\r\n\r\n\
             PUT http://{authority}/{account}{path} HTTP/1.1\r\n\
             Content-Type: application/json\r\nAccept: application/json\r\n\
             DataServiceVersion: 3.0\r\n\r\n{entity}\r\n"
        );
    }
    body.push_str("--changeset_0--\r\n--batch_0--\r\n");
    body
}

#[cfg(test)]
mod tests {
    use super::{address, range};

    #[test]
    fn a_hundred_entities_lie_in_one_partition() {
        assert_eq!(address("t", 12_345), "/t(PartitionKey='p000012',RowKey='r000345')");
        let wanted = "PartitionKey eq 'p000012' and RowKey ge 'r000300' and RowKey le 'r000399'";
        assert_eq!(range(12_345), wanted);
    }
}
