//! Tags: setting them, and finding the few blobs that have a rare one among all.

use super::{Client, expect};
use crate::connection::Sink;
use crate::sign::{Request, encode};

/// How many blobs, the first ones, have the rare tag.
const RARE: u64 = 10;

/// What is searched for: the tag of all blobs and the rare one.
const SEARCH: &str = "all='yes' AND rare='yes'";

impl Client {
    /// Tags the blob with this number.
    pub(super) async fn tag(&mut self, path: &str, number: u64) -> Result<u64, String> {
        let rare = if number < RARE { "<Tag><Key>rare</Key><Value>yes</Value></Tag>" } else { "" };
        let body = format!(
            "<Tags><TagSet><Tag><Key>all</Key><Value>yes</Value></Tag>{rare}</TagSet></Tags>"
        );
        let query = [("comp", "tags")];
        let length = body.len();
        let request = Request { query: &query, length, ..Request::new("PUT", path) };
        let answer = self.send(&request, body.as_bytes(), Sink::Discard).await?;
        expect(&answer, 204)?;
        Ok(length as u64)
    }

    /// Finds the blobs with the rare tag, which must be `wanted`.
    pub(super) async fn find(&mut self, wanted: u64) -> Result<u64, String> {
        let search = encode(SEARCH);
        let query = [("comp", "blobs"), ("where", &*search)];
        let request = Request { query: &query, ..Request::new("GET", "/") };
        let mut page = Vec::new();
        let answer = self.send(&request, &[], Sink::Keep(&mut page)).await?;
        expect(&answer, 200)?;
        let found = String::from_utf8_lossy(&page).matches("<Name>").count() as u64;
        if found != wanted {
            return Err(format!("{found} blobs were found where {wanted} were expected"));
        }
        Ok(answer.body_bytes)
    }
}
