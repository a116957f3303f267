//! The account that the server runs under: PostgreSQL refuses to run as root.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An unprivileged account, and how to become it from root.
#[derive(Debug)]
pub(super) struct Account {
    name: &'static str,
    user_id: u32,
    group_id: u32,
    /// What goes before a command of a shell and one script.
    prefix: Vec<String>,
}

impl Account {
    /// The account to drop to, or `None` where this process is not root and needs none.
    pub(super) fn for_server() -> Option<Self> {
        if id(&["-u"]) != Some(0) {
            return None;
        }
        let account = ["postgres", "nobody"].into_iter().find_map(Self::named);
        Some(account.expect(
            "the tests run as root, and there is no account `postgres` or `nobody` that setpriv, \
             runuser or su can change to: run them as another user",
        ))
    }

    fn named(name: &'static str) -> Option<Self> {
        let (user_id, group_id) = (id(&["-u", name])?, id(&["-g", name])?);
        let ways = [
            format!("setpriv --reuid={user_id} --regid={group_id} --clear-groups --"),
            format!("runuser -u {name} --"),
        ];
        ways.iter()
            .map(|way| way.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .find(|way| succeeds(way, &["true".to_owned()]))
            .or_else(|| {
                let way = ["su", "-s", "/bin/sh", name, "-c"]
                    .map(str::to_owned)
                    .to_vec();
                succeeds(&way, &["true".to_owned()]).then_some(way)
            })
            .map(|prefix| Self {
                name,
                user_id,
                group_id,
                prefix,
            })
    }

    /// The command that runs the shell script `script` as this account.
    fn command(&self, script: &str) -> Vec<String> {
        let mut command = self.prefix.clone();
        if command.last().is_some_and(|last| last == "-c") {
            command.push(format!("/bin/sh '{}'", script.replace('\'', r"'\''")));
        } else {
            command.extend(["/bin/sh".to_owned(), script.to_owned()]);
        }
        command
    }

    /// Gives `directory` and the files in it to this account.
    pub(super) fn own(&self, directory: &Path) {
        let own = |path: &Path| chown(path, Some(self.user_id), Some(self.group_id)).unwrap();
        own(directory);
        for entry in fs::read_dir(directory).unwrap() {
            own(&entry.unwrap().path());
        }
    }

    /// Whether this account gets into `directory`.
    fn enters(&self, directory: &Path) -> bool {
        let path = directory.display().to_string();
        let test = if self.prefix.last().is_some_and(|last| last == "-c") {
            vec![format!("test -x '{}'", path.replace('\'', r"'\''"))]
        } else {
            vec!["test".to_owned(), "-x".to_owned(), path]
        };
        succeeds(&self.prefix, &test)
    }
}

/// The command that runs the shell script `script` under `account`, or as the caller without one.
pub(super) fn command_as(account: Option<&Account>, script: &Path) -> Vec<String> {
    let script = script.display().to_string();
    match account {
        Some(account) => account.command(&script),
        None => vec!["/bin/sh".to_owned(), script],
    }
}

/// A directory for temporary files that `account` gets into.
pub(super) fn temporary_directory(account: Option<&Account>) -> PathBuf {
    let usual = std::env::temp_dir();
    let Some(account) = account else {
        return usual;
    };
    [usual, PathBuf::from("/tmp"), PathBuf::from("/var/tmp")]
        .into_iter()
        .find(|directory| account.enters(directory))
        .unwrap_or_else(|| panic!("`{}` gets into no temporary directory", account.name))
}

/// What `id` answers, as a number.
fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn succeeds(prefix: &[String], rest: &[String]) -> bool {
    let [program, arguments @ ..] = prefix else {
        return false;
    };
    Command::new(program)
        .args(arguments)
        .args(rest)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
