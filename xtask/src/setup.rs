//! Installing what the tests and the benchmark need: Python environments and Node modules inside
//! `target/`, and Debian packages for the tools that come from nowhere else.
//!
//! Each part looks first whether it is there, so a second run costs nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::{process, workspace};

/// Python packages: the official SDKs, the HTTP client of their asynchronous half, the reader of Arrow
/// streams, the signatures of the transparency log (ML-DSA-44 came with version 48), and what others
/// build on queues.
const PYTHON_PACKAGES: &[&str] = &[
    "azure-storage-blob==12.31.1",
    "azure-storage-queue==12.18.1",
    "azure-data-tables==12.7.0",
    "aiohttp>=3.14,<4",
    "nanoarrow>=0.9,<1",
    "cryptography>=48",
    "kombu[azurestoragequeues]==5.6.2",
    "celery==5.6.3",
];

/// The Azure CLI. It asks for every management library of Azure, half a gigabyte more than its
/// storage commands import, so it comes without what it asks for.
const AZ_PACKAGE: &str = "azure-cli==2.91.0";

/// What the storage commands of that version import, in the versions that it asks for.
const AZ_STORAGE_PACKAGES: &[&str] = &[
    "azure-cli-core==2.91.0",
    "azure-common>=1.1,<2",
    "azure-data-tables==12.4.0",
    "azure-mgmt-storage==25.0.0",
    "azure-storage-blob==12.29.0b1",
    "azure-storage-file-datalake==12.24.0b1",
    "azure-storage-file-share==12.25.0b1",
    "azure-storage-queue==12.16.0b1",
    "chardet>=5.2,<6",
    "colorama>=0.4.4,<0.5",
    "python-dateutil>=2",
    "six>=1.10",
];

/// Node packages: azcopy (a binary inside a package) and the official SDKs.
const NODE_PACKAGES: &[&str] = &[
    "@azure-tools/azcopy-linux@10.32.2",
    "@azure/storage-blob@12",
    "@azure/storage-queue@12",
    "@azure/data-tables@13",
    "@azure/core-rest-pipeline@1",
];

/// The baseline of the benchmark, and the Node it asks for.
const AZURITE_PACKAGES: &[&str] = &["azurite@3.37.0", "node@22"];

/// Debian packages, each with a file that shows that it is there.
const DEBIAN_PACKAGES: &[(&str, &[&str])] = &[
    ("rclone", &["/usr/bin/rclone"]),
    ("bc", &["/usr/bin/bc"]),
    ("curl", &["/usr/bin/curl"]),
    (
        "libsecret-1-0",
        &[
            "/usr/lib/x86_64-linux-gnu/libsecret-1.so.0",
            "/usr/lib/aarch64-linux-gnu/libsecret-1.so.0",
        ],
    ),
    ("g++", &["/usr/bin/g++", "/usr/bin/c++"]),
];

/// The longest that one installation may take.
const INSTALL_LIMIT: Duration = Duration::from_mins(8);

/// The folder of the Python environment.
pub(crate) fn venv() -> PathBuf {
    workspace::target().join("venv")
}

/// The folder of the Python environment of the Azure CLI, which asks for older SDKs than the tests.
pub(crate) fn az() -> PathBuf {
    workspace::target().join("az")
}

/// The Python interpreter of the Azure CLI's environment.
pub(crate) fn az_python() -> PathBuf {
    az().join("bin").join("python")
}

/// The folder that holds `node_modules`.
pub(crate) fn node() -> PathBuf {
    workspace::target().join("node")
}

/// The folder that holds the baseline's `node_modules`.
pub(crate) fn azurite() -> PathBuf {
    workspace::target().join("azurite")
}

/// The Python interpreter of the environment.
pub(crate) fn python() -> PathBuf {
    venv().join("bin").join("python")
}

/// The azcopy binary, as its npm package places it.
pub(crate) fn azcopy() -> PathBuf {
    node().join("node_modules/@azure-tools/azcopy-linux/dist/bin/azcopy_linux_amd64")
}

/// Makes the Python environment.
pub(crate) fn install_python() -> Result<(), String> {
    install_environment(&venv(), &[PYTHON_PACKAGES])
}

/// Makes the Python environment of the Azure CLI.
pub(crate) fn install_az() -> Result<(), String> {
    // Modules are compiled when they are first imported: most of them never are.
    let options = ["--no-compile", "--no-deps", AZ_PACKAGE];
    install_environment(&az(), &[AZ_STORAGE_PACKAGES, &options])
}

/// Makes a Python environment and installs into it, with one call of pip for each of `calls`.
fn install_environment(folder: &Path, calls: &[&[&str]]) -> Result<(), String> {
    let wanted = calls.concat().join("\n");
    let marker = folder.join("lazuli-packages.txt");
    let python = folder.join("bin").join("python");
    if is_marked(&marker, &wanted) && python.is_file() {
        return Ok(());
    }
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let log = log(&name);
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(folder);
    process::run(&mut make, &log, INSTALL_LIMIT)?.ok("`python3 -m venv` (Debian: python3-venv)")?;
    for arguments in calls {
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        install.args(*arguments);
        process::run(&mut install, &log, INSTALL_LIMIT)?
            .ok(&format!("`pip install` into target/{name}"))?;
    }
    mark(&marker, &wanted)
}

/// Installs the Node modules.
pub(crate) fn install_node() -> Result<(), String> {
    install_modules(&node(), NODE_PACKAGES)?;
    make_executable(&azcopy())
}

/// Installs the baseline of the benchmark.
pub(crate) fn install_azurite() -> Result<(), String> {
    install_modules(&azurite(), AZURITE_PACKAGES)
}

/// The baseline's name and version, as installed.
pub(crate) fn azurite_version() -> &'static str {
    AZURITE_PACKAGES.first().copied().unwrap_or_default()
}

/// Held while Debian packages are installed: there is one such installation at a time.
static DEBIAN: Mutex<()> = Mutex::new(());

/// Installs the Debian packages that are missing.
pub(crate) fn install_debian() -> Result<(), String> {
    let _alone = DEBIAN.lock().unwrap_or_else(PoisonError::into_inner);
    let missing: Vec<&str> = DEBIAN_PACKAGES
        .iter()
        .filter(|(_, files)| !files.iter().any(|file| Path::new(file).exists()))
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !process::is_installed("apt-get") {
        return Err(format!("please install these by hand: {}", missing.join(" ")));
    }
    let log = log("debian");
    let what = format!("`apt-get install {}` (needs root)", missing.join(" "));
    let mut update = Command::new("apt-get");
    update.args(["update", "-q"]);
    process::run(&mut update, &log, INSTALL_LIMIT)?.ok("`apt-get update` (needs root)")?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    install.args(["install", "-q", "-y", "--no-install-recommends"]).args(&missing);
    process::run(&mut install, &log, INSTALL_LIMIT)?.ok(&what)?;
    Ok(())
}

/// Installs npm packages into a folder of their own.
fn install_modules(folder: &Path, packages: &[&str]) -> Result<(), String> {
    let wanted = packages.join("\n");
    let marker = folder.join("lazuli-packages.txt");
    if is_marked(&marker, &wanted) && folder.join("node_modules").is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    // Without a manifest of its own npm would look for one in the folders above.
    let manifest = folder.join("package.json");
    fs::write(&manifest, "{ \"private\": true }\n")
        .map_err(|error| format!("{}: {error}", manifest.display()))?;
    let mut install = Command::new("npm");
    install.current_dir(folder);
    install.args(["install", "--no-audit", "--no-fund", "--loglevel=error"]).args(packages);
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    process::run(&mut install, &log(&name), INSTALL_LIMIT)?
        .ok(&format!("`npm install {}`", packages.join(" ")))?;
    mark(&marker, &wanted)
}

/// Where the output of an installation goes.
fn log(name: &str) -> PathBuf {
    workspace::scratch().join("logs").join(format!("setup-{name}.log"))
}

/// Whether the marker says that exactly this was installed.
fn is_marked(marker: &Path, wanted: &str) -> bool {
    fs::read_to_string(marker).is_ok_and(|found| found.trim() == wanted)
}

/// Notes what was installed.
fn mark(marker: &Path, wanted: &str) -> Result<(), String> {
    fs::write(marker, format!("{wanted}\n"))
        .map_err(|error| format!("{}: {error}", marker.display()))
}

/// Sets the executable bits, which npm packages lose.
fn make_executable(file: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
        .map_err(|error| format!("{}: {error}", file.display()))
}
