//! What cannot be imported: each fault is told, and nothing is written.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use rstest::rstest;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{done, export, fails, import};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::dump::dump;
use crate::support::fresh::Fresh;
use crate::support::shop::{Shop, never};

/// An export of a business with a package that was used.
async fn exported(app: &TestApp) -> (TempDir, PathBuf) {
    let shop = Shop::open(app).await;
    let package = shop.sell_lessons("8", never()).await;
    let lessons = shop.use_lessons_of(&package.id, "3");
    shop.consume(lessons).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let export_folder = folder.path().join("export");
    export(app.database_url(), app.business_id, &export_folder).await;
    (folder, export_folder)
}

/// Changes a file.
fn edit(folder: &Path, file: &str, change: impl Fn(String) -> String) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(text.clone());
    assert_ne!(changed, text, "{file} is changed");
    fs::write(path, changed).unwrap();
}

/// Changes a number of the manifest.
fn edit_manifest(folder: &Path, change: impl Fn(&mut Value)) {
    edit(folder, "manifest.json", |text| {
        let mut manifest = serde_json::from_str(&text).unwrap();
        change(&mut manifest);
        manifest.to_string()
    });
}

/// Makes the manifest say what a file hashes to now.
fn sign(folder: &Path, table: &str) {
    let text = fs::read(folder.join(format!("{table}.jsonl"))).unwrap();
    let hash = Sha256::digest(text);
    let mut hex = String::new();
    for byte in hash {
        write!(hex, "{byte:02x}").unwrap();
    }
    edit_manifest(folder, |manifest| {
        let files = manifest["files"].as_array_mut().unwrap();
        let file = files.iter_mut().find(|file| file["table"] == table);
        file.unwrap()["sha256"] = hex.clone().into();
    });
}

/// A fault, how it comes about, and what is said of it.
type Fault = (&'static str, fn(&Path), &'static str);

const FAULTS: &[Fault] = &[
    (
        "no manifest",
        |folder| fs::remove_file(folder.join("manifest.json")).unwrap(),
        "no export, or one that broke off",
    ),
    (
        "another manifest",
        |folder| fs::write(folder.join("manifest.json"), "{\"a\": 1}").unwrap(),
        "is not the manifest of an export",
    ),
    (
        "a newer schema",
        |folder| edit_manifest(folder, |it| it["schema_version"] = 1_000.into()),
        "written by a newer program: its schema is at version 1000",
    ),
    (
        "another way of writing",
        |folder| edit_manifest(folder, |it| it["carnet_business_export"] = 2.into()),
        "written by a newer program",
    ),
    (
        "an older schema",
        |folder| edit_manifest(folder, |it| it["schema_version"] = 0.into()),
        "import it with the program that exported it",
    ),
    (
        "a table less",
        |folder| edit_manifest(folder, |it| drop(it["files"].as_array_mut().unwrap().pop())),
        "does not name each table once",
    ),
    (
        "a file less",
        |folder| fs::remove_file(folder.join("entries.jsonl")).unwrap(),
        "entries.jsonl",
    ),
    (
        "a changed byte",
        |folder| edit(folder, "customers.jsonl", |it| it.replace("Mari", "Mara")),
        "is not what was exported",
    ),
    (
        "a line less",
        |folder| {
            edit(folder, "entries.jsonl", |it| {
                it.lines().next().unwrap().to_owned() + "\n"
            });
        },
        "is not what was exported",
    ),
    (
        "a line that is cut off",
        |folder| edit(folder, "entries.jsonl", |it| it[..it.len() - 20].to_owned()),
        "the line is cut off",
    ),
    (
        "a row of another business",
        |folder| {
            let other = "\"business_id\":\"00112233445566778899aabbccddeeff\"";
            edit(folder, "customers.jsonl", |it| {
                let (before, rest) = it.split_once("\"business_id\":\"").unwrap();
                format!("{before}{other}{}", &rest[33..])
            });
            sign(folder, "customers");
        },
        "it is of another business",
    ),
    (
        "another column",
        |folder| {
            edit(folder, "customers.jsonl", |it| {
                it.replace("\"phone\"", "\"fax\"")
            });
            sign(folder, "customers");
        },
        "other columns",
    ),
    (
        "a row that refers to nothing",
        |folder| {
            edit(folder, "packages.jsonl", |_| String::new());
            sign(folder, "packages");
            edit_manifest(folder, |manifest| {
                let files = manifest["files"].as_array_mut().unwrap();
                let file = files.iter_mut().find(|file| file["table"] == "packages");
                file.unwrap()["rows"] = 0.into();
            });
        },
        "the rows up to",
    ),
];

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[rstest]
#[tokio::test]
async fn what_is_not_as_it_was_exported_is_refused_and_nothing_is_written(
    #[values(Sqlite, Postgres)] database: Database,
) {
    Box::pin(on(database, async |app| {
        let (folder, export) = exported(app).await;
        let target = Fresh::migrated(database).await;
        let connection = target.connect().await;
        let before = dump(&connection).await;
        for (name, spoil, why) in FAULTS {
            let spoilt = folder.path().join(name);
            copy(&export, &spoilt);
            spoil(&spoilt);
            fails(&import(&spoilt), &target.url, why).await;
            assert_eq!(dump(&connection).await, before, "{name}");
        }
        done(&import(&export), &target.url).await;
        fails(&import(&export), &target.url, "is here already").await;
        connection.close().await.unwrap();
        target.remove().await;
    }))
    .await;
}

#[rstest]
#[tokio::test]
async fn a_business_whose_ledger_does_not_add_up_is_not_opened(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let (_folder, export) = exported(app).await;
        edit(&export, "entries.jsonl", |it| {
            it.replace("\"amount\":3000000", "\"amount\":2000000")
        });
        sign(&export, "entries");
        let target = Fresh::migrated(database).await;
        fails(&import(&export), &target.url, "so it is not opened").await;
        let told = done(&["business", "list"], &target.url).await;
        assert!(told.out.contains("never arrived whole"), "{}", told.out);
        let business = app.business_id.to_string();
        let delete = ["business", "delete", &business, "--confirm", "Swim school"];
        done(&delete, &target.url).await;
        let told = done(&["business", "list"], &target.url).await;
        assert_eq!(told.out, "");
        target.remove().await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_export_needs_a_business_and_a_folder_of_its_own(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().to_str().unwrap();
        let business = app.business_id.to_string();
        let url = app.database_url();
        let export = ["business", "export", &business, "--to", here];
        fails(&export, url, "is there already").await;
        let nobody = "biz_01jd0c5hqbf9bvxk2mqnz8s6wt";
        let new = folder.path().join("new");
        let export = ["business", "export", nobody, "--to", new.to_str().unwrap()];
        fails(&export, url, "there is no business").await;
        assert!(!new.exists());
    })
    .await;
}
