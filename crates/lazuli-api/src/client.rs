//! Which library a client calls with: its family and major version, and nothing else of what a
//! user agent tells.
//!
//! <https://azure.github.io/azure-sdk/general_azurecore.html#telemetry-policy>

/// Families, and what the product token of each begins with.
const FAMILIES: &[(&str, &str)] = &[
    ("azsdk-net", "azsdk-net-"),
    ("azsdk-java", "azsdk-java-"),
    ("azsdk-python", "azsdk-python-"),
    ("azsdk-js", "azsdk-js-"),
    ("azsdk-go", "azsdk-go-"),
    ("azsdk-cpp", "azsdk-cpp-"),
    ("azsdk-rust", "azsdk-rust-"),
    ("azsdk-android", "azsdk-android-"),
    ("azsdk-ios", "azsdk-ios-"),
    ("azcopy", "AzCopy/"),
    ("azure-storage", "Azure-Storage/"),
];

/// The family and major version that a user agent tells, if it is a library's that is known.
pub(crate) fn library(user_agent: &str) -> Option<(&'static str, u16)> {
    user_agent.split(' ').find_map(|product| {
        let (family, _) = FAMILIES.iter().find(|(_, begin)| product.starts_with(begin))?;
        let (_, version) = product.split_once('/')?;
        let version = version.strip_prefix('v').unwrap_or(version);
        let major = version.split('.').next()?;
        // Longer numbers are no versions, and could tell apart one client from all others.
        let is_version = major.len() <= 3 && major.bytes().all(|digit| digit.is_ascii_digit());
        Some((*family, major.parse().ok().filter(|_| is_version)?))
    })
}

#[cfg(test)]
mod tests {
    use super::library;

    #[test]
    fn libraries_are_told_by_family_and_major_version() {
        for (user_agent, told) in [
            ("azsdk-python-storage-blob/12.19.0 Python/3.11.2 (Linux)", Some(("azsdk-python", 12))),
            ("app azsdk-js-azure-storage-blob/12.17.0 (NODE-VERSION v18)", Some(("azsdk-js", 12))),
            ("azsdk-go-azblob/v1.2.0 (go1.21; linux)", Some(("azsdk-go", 1))),
            ("AzCopy/10.21.0 azsdk-go-azblob/v1.0.0", Some(("azcopy", 10))),
            ("azsdk-net-Storage.Blobs/12.13.0 (.NET 6.0)", Some(("azsdk-net", 12))),
            ("azsdk-python-storage-blob/8675309.1", None),
            ("azsdk-python-storage-blob/x", None),
            ("azsdk-python-storage-blob", None),
            ("curl/8.0", None),
            ("", None),
        ] {
            assert_eq!(library(user_agent), told, "{user_agent}");
        }
    }
}
