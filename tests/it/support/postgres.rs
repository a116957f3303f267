//! A PostgreSQL of the test process's own.
//!
//! It lies in a temporary directory, listens on a free port of the loopback address, and ends with
//! the process however that ends: a shell that holds the reading end of a pipe from here stops the
//! server and removes the directory when the pipe closes, which a `kill -9` does as well. A server
//! that is already there is never touched, unless `CARNET_TEST_POSTGRES` names one by URL; then
//! databases are made in that one and nothing is started.

mod account;
mod binaries;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};

use account::Account;

/// How long a server may take to answer: installing is not in it, a busy machine is.
const START_TIMEOUT: Duration = Duration::from_mins(2);

/// How many free ports are tried: another process may take one before the server has it.
const PORT_ATTEMPTS_MAX: u32 = 5;

/// Stops the server and removes its directory once standard input ends.
///
/// `$1` is the directory, the rest starts the server. It is asked again and again, because it may
/// still be initialising when the test process is already gone.
const WATCHER: &str = r#"
directory=$1; shift
"$@" </dev/null &
server=$!
cat >/dev/null
while kill -0 "$server" 2>/dev/null; do
    pid=$(head -n 1 "$directory/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
    sleep 0.1
done
wait "$server"
rm -rf "$directory"
"#;

/// Whether a commit of the server survives a crash of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Commits do not wait for the disk: for the plain suite.
    Off,
    /// Commits wait for the disk, as in production: for crash tests and measurements.
    Full,
}

/// A PostgreSQL server that tests make their databases in.
#[derive(Debug)]
pub(crate) struct Server {
    /// `postgres://user@host:port`, without a database.
    base: String,
    /// What follows the database in a URL, from the question mark on.
    parameters: String,
    private: Option<Private>,
}

/// The server of this process.
#[derive(Debug)]
struct Private {
    directory: PathBuf,
    watcher: Child,
    /// Held open for as long as the server is wanted.
    lifeline: Option<ChildStdin>,
}

/// The server of the plain suite: one for the whole process, started at its first use.
pub(crate) fn shared() -> &'static Server {
    static SHARED: LazyLock<Server> = LazyLock::new(|| {
        match std::env::var_os("CARNET_TEST_POSTGRES").and_then(|url| url.into_string().ok()) {
            Some(url) => Server::external(&url),
            None => Server::start(Durability::Off),
        }
    });
    &SHARED
}

impl Server {
    /// The server at `url`, which is somebody else's.
    fn external(url: &str) -> Self {
        let (address, parameters) = match url.split_once('?') {
            Some((address, parameters)) => (address, format!("?{parameters}")),
            None => (url, String::new()),
        };
        let scheme_end = address.find("://").map_or(0, |at| at + 3);
        let host_end = address[scheme_end..]
            .find('/')
            .map_or(address.len(), |at| scheme_end + at);
        Self {
            base: address[..host_end].to_owned(),
            parameters,
            private: None,
        }
    }

    /// Starts a server of its own; it stops when it is dropped, at the latest with the process.
    pub(crate) fn start(durability: Durability) -> Self {
        let binaries = binaries::find_or_install();
        let account = Account::for_server();
        let mut log = String::new();
        for _ in 0..PORT_ATTEMPTS_MAX {
            match Private::start(&binaries, account.as_ref(), durability) {
                Ok((private, port)) => {
                    return Self {
                        base: format!("postgres://postgres@127.0.0.1:{port}"),
                        parameters: "?sslmode=disable".to_owned(),
                        private: Some(private),
                    };
                }
                Err(failed) => log = failed,
            }
        }
        panic!(
            "PostgreSQL of {} does not start:\n{log}",
            binaries.display()
        );
    }

    /// Makes an empty database, or a copy of the one that `template` names or is the URL of.
    ///
    /// A template must have no connections while it is copied. The answer is the new one's URL.
    pub(crate) async fn create_database(&self, template: Option<&str>) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("carnet_{}_{count}", std::process::id());
        let template = template.map_or("template1", database_name);
        self.administer(&format!(
            r#"CREATE DATABASE "{name}" TEMPLATE "{template}""#
        ))
        .await;
        self.url_of(&name)
    }

    /// Drops the database of `url` and whatever is connected to it.
    pub(crate) async fn drop_database(&self, url: &str) {
        let name = database_name(url);
        self.administer(&format!(r#"DROP DATABASE IF EXISTS "{name}" WITH (FORCE)"#))
            .await;
    }

    /// A program of PostgreSQL's own, such as `pg_dump`, in its version.
    pub(crate) fn program(name: &str) -> PathBuf {
        binaries::beside_the_server(name)
    }

    /// Runs one statement on the database that every server has.
    async fn administer(&self, sql: &str) {
        let database = connect(&self.url_of("postgres")).await;
        database
            .execute_unprepared(sql)
            .await
            .unwrap_or_else(|err| panic!("{sql}: {err}"));
        database.close().await.unwrap();
    }

    pub(crate) fn url_of(&self, database: &str) -> String {
        format!("{}/{database}{}", self.base, self.parameters)
    }

    /// Ends it as `pg_ctl stop -m immediate` does, without a word to anybody, and starts it again.
    pub(crate) async fn crash(&self) {
        let directory = self.directory().to_owned();
        let crash = move || {
            let status = directory.join("data/postmaster.pid");
            let process = |status: &str| status.lines().next().map(str::to_owned);
            let before = process(&fs::read_to_string(&status).unwrap()).unwrap();
            fs::write(directory.join("again"), "").unwrap();
            let kill = Command::new("kill").args(["-QUIT", &before]).status();
            assert!(kill.unwrap().success());
            let deadline = Instant::now() + START_TIMEOUT;
            while Instant::now() < deadline {
                let now = fs::read_to_string(&status).unwrap_or_default();
                let is_new = process(&now).is_some_and(|process| process != before);
                if is_new && now.lines().any(|line| line.trim() == "ready") {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
            panic!("PostgreSQL does not come back after it was stopped");
        };
        tokio::task::spawn_blocking(crash).await.unwrap();
    }

    /// The URL of the same database over TLS, where the server must prove that it is this one.
    pub(crate) fn tls_url(&self, url: &str) -> String {
        let authority = self.certificate_authority();
        format!(
            "{}/{}?sslmode=verify-full&sslrootcert={}",
            self.base,
            database_name(url),
            authority.display()
        )
    }

    /// The PEM file of the authority that signed the server's certificate.
    pub(crate) fn certificate_authority(&self) -> PathBuf {
        self.directory().join("ca.pem")
    }

    /// The directory that is removed with the server.
    pub(crate) fn directory(&self) -> &Path {
        let private = self.private.as_ref();
        &private.expect("the server is somebody else's").directory
    }
}

/// A connection of a single session to `url`.
pub(crate) async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options)
        .await
        .unwrap_or_else(|err| panic!("{url}: {err}"))
}

/// What the roles have as password that tests make; a private server asks for none.
pub(crate) const PASSWORD_OF_ROLES: &str = "carnet";

/// The URL of the same database for another role.
pub(crate) fn url_of_role(url: &str, role: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let address = rest.split_once('@').map_or(rest, |(_, address)| address);
    format!("{scheme}://{role}:{PASSWORD_OF_ROLES}@{address}")
}

/// The host and port in a URL that has both.
pub(crate) fn address_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}

/// The database that a URL ends with; a bare name is its own.
fn database_name(url: &str) -> &str {
    let path = url.split_once('?').map_or(url, |(path, _)| path);
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

impl Private {
    /// Starts the server and waits until it answers; a failure is the server's log.
    fn start(
        binaries: &Path,
        account: Option<&Account>,
        durability: Durability,
    ) -> Result<(Self, u16), String> {
        let directory = tempfile::Builder::new()
            .prefix("carnet-postgres-")
            .tempdir_in(account::temporary_directory(account))
            .unwrap()
            .keep();
        let port = free_port();
        write_certificates(&directory);
        let script = directory.join("server.sh");
        fs::write(
            &script,
            server_script(&directory, binaries, port, durability),
        )
        .unwrap();
        if let Some(account) = account {
            account.own(&directory);
        }
        let log = fs::File::create(directory.join("log")).unwrap();
        let mut watcher = Command::new("/bin/sh")
            .args(["-c", WATCHER, "watcher"])
            .arg(&directory)
            .args(account::command_as(account, &script))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            // A Ctrl-C is for the tests; the watcher has to live on to clean up.
            .process_group(0)
            .spawn()
            .unwrap();
        let mut private = Self {
            directory,
            lifeline: watcher.stdin.take(),
            watcher,
        };
        match private.wait_until_ready() {
            Ok(()) => Ok((private, port)),
            Err(log) => Err(log),
        }
    }

    /// Waits for the server's own word that it accepts connections.
    fn wait_until_ready(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let status = fs::read_to_string(self.directory.join("data/postmaster.pid"));
            if status.is_ok_and(|status| status.lines().any(|line| line.trim() == "ready")) {
                return Ok(());
            }
            if self.directory.join("stopped").exists() || Instant::now() > deadline {
                let log = fs::read_to_string(self.directory.join("log"));
                return Err(log.unwrap_or_default());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        self.lifeline = None;
        let _ = self.watcher.wait();
    }
}

/// The script that initialises and runs the server, as the account that it runs under.
fn server_script(directory: &Path, binaries: &Path, port: u16, durability: Durability) -> String {
    let fsync = match durability {
        Durability::Off => "-c fsync=off -c synchronous_commit=off -c full_page_writes=off",
        Durability::Full => "-c fsync=on",
    };
    let (directory, binaries) = (quoted(directory), quoted(binaries));
    format!(
        "directory={directory}
binaries={binaries}
umask 077
serve() {{
  \"$binaries/postgres\" -D \"$directory/data\" -c port={port} -c listen_addresses=127.0.0.1 \\
    -c unix_socket_directories=\"$directory\" -c max_connections=300 {fsync} \\
    -c ssl=on -c ssl_cert_file=\"$directory/server.pem\" -c ssl_key_file=\"$directory/server.key\"
}}
\"$binaries/initdb\" -D \"$directory/data\" -U postgres --auth=trust --encoding=UTF8 --locale=C --no-sync \\
  && serve
while [ -e \"$directory/again\" ]; do rm -f \"$directory/again\"; serve; done
: >\"$directory/stopped\"
"
    )
}

/// The path as one word of a shell script.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// A port that nobody listens on at this moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Writes an authority made for this server (`ca.pem`) and the certificate that it signed.
fn write_certificates(directory: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names)
        .and_then(|params| params.signed_by(&key, &authority))
        .unwrap();
    fs::write(directory.join("ca.pem"), authority.pem()).unwrap();
    fs::write(directory.join("server.pem"), certificate.pem()).unwrap();
    let key_path = directory.join("server.key");
    let mut key_file = fs::File::create(key_path).unwrap();
    let private = fs::Permissions::from_mode(0o600);
    key_file.set_permissions(private).unwrap();
    key_file.write_all(key.serialize_pem().as_bytes()).unwrap();
}
