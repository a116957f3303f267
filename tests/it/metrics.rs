//! `/metrics` tells of calls and batches, and what the alerts and the dashboard ask for is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::scrape::{get, metric};
use crate::support::shop::{Shop, never};

/// How many calls of Consume ended with this code. The metrics are the process's: other tests call as well.
fn consumed(page: &str, code: &str) -> f64 {
    let name =
        format!("carnet_grpc_calls_total{{method=\"CreditService/Consume\",code=\"{code}\"}}");
    metric(page, &name).unwrap_or_default()
}

#[rstest]
#[tokio::test]
async fn calls_are_counted_by_method_and_code_and_batches_by_size(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("2", never()).await;
        let before = get(app, "/metrics").await;
        let uses = ["1", "1", "1"].map(|units| shop.use_lessons_of(&package.id, units));
        let [one, two, three] = uses;
        shop.consume(one).await.unwrap();
        shop.consume(two).await.unwrap();
        let refusal = shop.consume(three).await;
        refused(refusal, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        let after = get(app, "/metrics").await;
        assert!(
            consumed(&after, "Ok") >= consumed(&before, "Ok") + 2.0,
            "{after}"
        );
        let refusals = |page| consumed(page, "FailedPrecondition");
        assert!(refusals(&after) >= refusals(&before) + 1.0, "{after}");
        let long = "carnet_grpc_call_seconds_bucket{method=\"CreditService/Consume\",le=\"30\"}";
        assert!(metric(&after, long) >= Some(3.0), "{after}");
        let batches =
            |page: &str| metric(page, "carnet_ledger_batch_calls_count").unwrap_or_default();
        assert!(batches(&after) >= batches(&before) + 3.0, "{after}");
    })
    .await;
}

/// Every `carnet_…` name in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|it: char| !(it.is_ascii_alphanumeric() || it == '_'));
    words
        .filter(|word| word.starts_with("carnet_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn alerts_and_dashboard_ask_only_for_metrics_that_the_sources_have() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    collect(&root.join("src"), &mut sources);
    let known = names(&sources);
    for file in [
        "prometheus/alerts.yml",
        "prometheus/alerts_test.yml",
        "grafana/carnet.json",
    ] {
        let asked = names(&fs::read_to_string(root.join("deploy").join(file)).unwrap());
        assert!(!asked.is_empty(), "{file}");
        for name in asked {
            let bare = ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|suffix| name.strip_suffix(suffix));
            let is_known = known.contains(&name) || bare.is_some_and(|bare| known.contains(bare));
            assert!(is_known, "{file} asks for {name}, which nothing sets");
        }
    }
}

fn collect(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else {
            into.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}
