//! Decimal numbers as the specifications of C2SP write them: ASCII digits, no leading zero.

/// Reads a number that is written in its one shortest form and fits into 63 bits.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let is_shortest = text == "0" || !text.starts_with('0');
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_shortest || !is_number {
        return None;
    }
    text.parse().ok().filter(|number| *number <= crate::TREE_SIZE_MAX)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_the_shortest_form_within_63_bits_is_read() {
        assert_eq!(parse("0"), Some(0));
        assert_eq!(parse("20852163"), Some(20_852_163));
        assert_eq!(parse("9223372036854775807"), Some(crate::TREE_SIZE_MAX));
        for bad in ["", "00", "01", "+1", "-1", " 1", "1 ", "0x1", "9223372036854775808", "1e3"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        assert_eq!(parse(&"9".repeat(100)), None);
    }
}
