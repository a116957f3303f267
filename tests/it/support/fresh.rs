//! Fresh databases: a copy of a migrated one, made once for each kind.

use std::fs;
use std::path::Path;

use carnet::store::db::Database as Connection;
use carnet::store::migrate::migrate;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::support::{partition, postgres};

/// Which of the databases a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
    /// PostgreSQL, with every table of tenants' data partitioned by hash of the business: the key rule of a
    /// distributed database, enforced by one that is here.
    Partitioned,
}

/// A migrated database without data; it goes when it is dropped, at the latest with the process.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) url: String,
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
        Self { url, folder }
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
        Self { url, folder }
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
            url
        })
        .await
}
