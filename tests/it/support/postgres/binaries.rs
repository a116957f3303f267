//! Where PostgreSQL's server programs are, or how they get here.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Folders, each followed by one level that has a version in its name, that systems use.
const VERSIONED: [(&str, &str, &str); 6] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
];

/// A package manager and the script that installs the server with it. Debian's package would also
/// start a cluster; that is switched off for the time of the installation.
const INSTALLERS: [(&str, &str); 4] = [
    (
        "apt-get",
        "switch=/etc/postgresql-common/createcluster.d/carnet-tests.conf
         mkdir -p \"${switch%/*}\" && echo 'create_main_cluster = false' >\"$switch\"
         export DEBIAN_FRONTEND=noninteractive
         apt-get -o DPkg::Lock::Timeout=300 update \
             && apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends postgresql
         result=$?
         rm -f \"$switch\"
         exit $result",
    ),
    ("dnf", "dnf install -y postgresql-server"),
    ("apk", "apk add --no-cache postgresql"),
    ("pacman", "pacman -Sy --noconfirm --needed postgresql"),
];

/// The folder of `initdb` and `postgres`; installs them if they are missing and that can be done.
pub(super) fn find_or_install() -> PathBuf {
    find().unwrap_or_else(|| {
        let attempt = install();
        find().unwrap_or_else(|| {
            panic!(
                "the tests need PostgreSQL's server programs (initdb, postgres) and found none: \
                 {attempt}. Install them (Debian, Ubuntu: postgresql; Fedora: postgresql-server; \
                 Alpine, Arch: postgresql; macOS: brew install postgresql), put their folder on \
                 the PATH, or name a server by CARNET_TEST_POSTGRES=postgres://…"
            )
        })
    })
}

/// Another program of the server's version: where `initdb` leads, a folder of links may have but a few.
pub(super) fn beside_the_server(name: &str) -> PathBuf {
    let initdb = find_or_install().join("initdb");
    let initdb = initdb.canonicalize().unwrap_or(initdb);
    initdb.with_file_name(name)
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(VERSIONED.into_iter().flat_map(versioned))
        .chain(pg_config())
        .find(|folder| is_program(&folder.join("initdb")) && is_program(&folder.join("postgres")))
}

/// The folders of `parent` whose name starts with `prefix`, newest version first, each with `below`.
fn versioned((parent, prefix, below): (&str, &str, &str)) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(parent)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let rest = name.strip_prefix(prefix)?;
            let version = rest.trim_start_matches(['@', '-']).split('.').next()?;
            Some((version.parse().unwrap_or(0), entry.path().join(below)))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, folder)| folder).collect()
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(folder.trim()))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Installs the server with the first package manager there is; the answer says how it went.
fn install() -> String {
    let prefix: &[&str] = if runs("id -u | grep -qx 0", &[]) {
        &[]
    } else if runs("true", &["sudo", "-n"]) {
        &["sudo", "-n"]
    } else {
        return "they are not installed, and only root could install them".to_owned();
    };
    let present = |program: &str| runs(&format!("command -v {program} >/dev/null"), &[]);
    match INSTALLERS.into_iter().find(|(program, _)| present(program)) {
        None => "no package manager is known here".to_owned(),
        Some((program, script)) if runs(script, prefix) => format!("{program} brought none"),
        Some((program, _)) => format!("{program} failed"),
    }
}

/// Whether the shell script succeeds, behind `prefix`; what it says goes to the test's log.
fn runs(script: &str, prefix: &[&str]) -> bool {
    let command: Vec<&str> = prefix
        .iter()
        .copied()
        .chain(["/bin/sh", "-c", script])
        .collect();
    Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
