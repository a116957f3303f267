//! Fresh databases: a copy of a migrated one, made once for each kind.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use carnet::store::db::Database as Connection;
use carnet::store::migrate::migrate;
use sea_orm::ConnectionTrait;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::support::{partition, postgres};

/// Which of the databases a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
    /// PostgreSQL, with every table of tenants' data partitioned by hash of the business: the key rule of a
    /// distributed database, enforced by one that is here. Its calls stand behind row level security.
    Partitioned,
}

/// A migrated database without data; it goes when it is dropped, at the latest with the process.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) url: String,
    /// What a server is told in place of `url`.
    pub(crate) roles: Option<Roles>,
    /// A folder of the test's own.
    pub(crate) folder: TempDir,
}

impl Fresh {
    /// A migrated database.
    pub(crate) async fn migrated(database: Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match database {
            Database::Sqlite => {
                let path = folder.path().join("carnet.db");
                fs::write(&path, sqlite_template().await).unwrap();
                sqlite_url(&path)
            }
            Database::Postgres => {
                let template = postgres_template().await;
                postgres::shared().create_database(Some(template)).await
            }
            Database::Partitioned => {
                let template = partitioned_template().await;
                postgres::shared().create_database(Some(template)).await
            }
        };
        let roles = (database == Database::Partitioned).then(|| Roles::of(&url));
        Self { url, roles, folder }
    }

    /// A database without even a schema.
    pub(crate) async fn empty(database: Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = match database {
            Database::Sqlite => sqlite_url(&folder.path().join("carnet.db")),
            Database::Postgres | Database::Partitioned => {
                postgres::shared().create_database(None).await
            }
        };
        Self {
            url,
            roles: None,
            folder,
        }
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> Connection {
        Connection::connect(&self.url, 2).await.unwrap()
    }

    /// Removes the database, whatever is connected to it.
    pub(crate) async fn remove(self) {
        if self.url.starts_with("postgres") {
            postgres::shared().drop_database(&self.url).await;
        }
    }
}

/// The URLs of the roles of `deploy/postgres/roles.sql`.
#[derive(Clone, Debug)]
pub(crate) struct Roles {
    /// Crosses businesses.
    pub(crate) jobs: String,
    /// Sees that of a call alone.
    pub(crate) calls: String,
}

impl Roles {
    fn of(url: &str) -> Self {
        Self {
            jobs: postgres::url_of_role(url, &role("carnet_jobs")),
            calls: postgres::url_of_role(url, &role("carnet_calls")),
        }
    }

    /// Makes them in the database of `url`, whose copies have them too.
    async fn make(url: &str) {
        let sql = fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/postgres/roles.sql"),
        );
        let mut sql = sql.unwrap();
        for name in ["carnet_jobs", "carnet_calls"] {
            sql = sql.replace(name, &role(name));
            let password = postgres::PASSWORD_OF_ROLES;
            write!(sql, "ALTER ROLE {} PASSWORD '{password}';", role(name)).unwrap();
        }
        let connection = postgres::connect(url).await;
        connection.execute_unprepared(&sql).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// A role's name in this process: roles belong to no database, and a server may have more who test.
fn role(name: &str) -> String {
    format!("{name}_{}", std::process::id())
}

fn sqlite_url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

async fn make_schema(url: &str) {
    let connection = Connection::connect(url, 2).await.unwrap();
    migrate(&connection).await.unwrap();
    connection.close().await.unwrap();
}

/// The bytes of a migrated file.
async fn sqlite_template() -> &'static [u8] {
    static TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
    TEMPLATE
        .get_or_init(async || {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("template.db");
            make_schema(&sqlite_url(&path)).await;
            assert!(!folder.path().join("template.db-wal").exists());
            fs::read(path).unwrap()
        })
        .await
}

/// The URL of a migrated database that nobody is connected to.
async fn postgres_template() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE
        .get_or_init(async || {
            let url = postgres::shared().create_database(None).await;
            make_schema(&url).await;
            url
        })
        .await
}

/// The same with partitioned tables.
async fn partitioned_template() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE
        .get_or_init(async || {
            let url = postgres::shared().create_database(None).await;
            make_schema(&url).await;
            partition::remake_schema(&url).await;
            Roles::make(&url).await;
            url
        })
        .await
}
