//! `carnet business export` and `import`: what was taken along is the same business, on either database.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use carnet::ledger::verify::instant;
use carnet::store::whole::TABLES;
use chrono::TimeDelta;
use rstest::rstest;
use serde_json::{Map, Value};

use super::{done, export, import, lived};
use crate::access::script::steps;
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on, settings};
use crate::support::day::Day;
use crate::support::fresh::Fresh;

/// The rows of an export by table, in an order of their own; JSON as what it says, since a database may write it
/// in another way.
fn rows(folder: &Path) -> BTreeMap<&'static str, Vec<String>> {
    let tables = TABLES.iter().map(|table| {
        let text = fs::read_to_string(folder.join(format!("{}.jsonl", table.name))).unwrap();
        let mut rows: Vec<String> = text.lines().map(row).collect();
        rows.sort_unstable();
        (table.name, rows)
    });
    tables.collect()
}

fn row(line: &str) -> String {
    let mut row: Map<String, Value> = serde_json::from_str(line).unwrap();
    // A server notes it now and then.
    row.remove("last_used_at");
    for cell in row.values_mut() {
        let text = cell.as_str().filter(|text| text.starts_with(['{', '[']));
        if let Some(json) = text.and_then(|text| serde_json::from_str(text).ok()) {
            *cell = json;
        }
    }
    Value::Object(row).to_string()
}

#[rstest]
#[case(Sqlite, Postgres)]
#[case(Postgres, Sqlite)]
#[case(Sqlite, Partitioned)]
#[tokio::test]
async fn a_business_is_the_same_elsewhere_and_back(
    #[case] here: Database,
    #[case] there: Database,
) {
    Box::pin(on(here, async |app| {
        let tenant = app.second_business().await;
        let day = Box::pin(lived(app, &tenant)).await;
        app.clock.advance(TimeDelta::minutes(1));
        let seen = day.seen(steps()).await;
        let folder = tempfile::tempdir().unwrap();
        let [first, second, third] = ["first", "second", "third"].map(|it| folder.path().join(it));
        export(app.database_url(), tenant.business_id, &first).await;

        let fresh = Fresh::migrated(there).await;
        let told = done(&import(&first), &fresh.url).await;
        assert!(told.out.contains("its ledger is proved"), "{}", told.out);
        let (as_of, id) = (instant(app.clock.now()), tenant.business_id.to_string());
        let verify = ["verify", "--business", &id, "--as-of", &as_of];
        let head = done(&verify, app.database_url()).await.out;
        assert!(head.contains(" faults 0"), "{head}");
        assert_eq!(done(&verify, &fresh.url).await.out, head);

        let mut moved = settings(&fresh.url);
        moved.mail.mail_capture_folder = fresh.folder.path().join("mail");
        let moved = Box::pin(TestApp::start(fresh, moved)).await;
        moved.clock.set(app.clock.now());
        let mut elsewhere = Day::new(&moved.channel, &tenant);
        elsewhere.known.clone_from(&day.known);
        assert_eq!(elsewhere.seen(steps()).await, seen);

        export(moved.database_url(), tenant.business_id, &second).await;
        assert_eq!(rows(&second), rows(&first));
        let back = Fresh::migrated(here).await;
        done(&import(&second), &back.url).await;
        export(&back.url, tenant.business_id, &third).await;
        assert_eq!(rows(&third), rows(&first));
        back.remove().await;
        Box::pin(moved.finish()).await;
    }))
    .await;
}

#[tokio::test]
async fn what_was_exported_is_for_its_owner_and_has_no_secret_to_call_with() {
    on(Sqlite, async |app| {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("export");
        export(app.database_url(), app.business_id, &folder).await;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let secret = app.token.strip_prefix("carnet_").unwrap();
        for file in fs::read_dir(&folder).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains(secret), "{}", path.display());
        }
    })
    .await;
}
