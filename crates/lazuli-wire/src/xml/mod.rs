//! XML 1.0 text, written fast and read with bounds.

mod reader;
mod writer;

pub use reader::{XmlElement, XmlLimits, XmlReader};
pub(crate) use reader::{missing_node, node_value};
pub use writer::XmlWriter;

/// Whether XML 1.0 can hold `c` at all, even as a character reference.
///
/// <https://www.w3.org/TR/xml/#charsets>
pub const fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}
