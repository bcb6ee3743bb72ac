//! `docs/reference/operations.md` says what the declarations say.

#[test]
fn the_reference_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/operations.md");
    let made = lazuli_api::reference::markdown();
    if std::env::var_os("LAZULI_BLESS").is_some() {
        std::fs::write(path, &made).expect("the reference can be written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == made,
        "docs/reference/operations.md differs from the declarations: \
         LAZULI_BLESS=1 cargo test -p lazuli-api --test reference"
    );
}
