//! Where things are: the root of the repository, the build directory and what lies beside them.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Cargo's build directory; everything that the commands install or write lies in it.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}

/// The folder for logs and scratch data of the commands.
pub(crate) fn scratch() -> PathBuf {
    target().join("xtask")
}

/// The server that is tested and measured: `LAZULI_BINARY`, else the release binary.
pub(crate) fn lazuli_binary() -> PathBuf {
    given_binary().unwrap_or_else(|| target().join("release").join("lazuli"))
}

/// The server that the environment names; it is then taken as it is and not built.
pub(crate) fn given_binary() -> Option<PathBuf> {
    env::var_os("LAZULI_BINARY").map(|path| root().join(path))
}

/// The load generator's release binary.
pub(crate) fn loadgen_binary() -> PathBuf {
    target().join("release").join("lazuli-loadgen")
}

/// The folder of further client scripts kept outside the repository, when it is there:
/// `LAZULI_CLIENTS`, else `../shared/clients` beside the checkout.
pub(crate) fn shared_clients() -> Option<PathBuf> {
    let folder = match env::var_os("LAZULI_CLIENTS") {
        Some(folder) => PathBuf::from(folder),
        None => root().join("../shared/clients"),
    };
    folder.join("_t.py").is_file().then(|| folder.canonicalize().ok()).flatten()
}

/// `path` as seen from the root of the repository, for messages.
pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
