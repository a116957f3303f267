//! The nightly job, and what `/metrics` says of it.

use carnet::jobs::verify::{Verified, step};
use tokio_util::sync::CancellationToken;

use super::history;
use crate::support::app::{Postgres, Sqlite, on};
use crate::support::plant::{Tamperer, uuid_literal};
use crate::support::scrape::{get, metric};

/// One test for both databases, one after the other: metrics are the process's.
#[tokio::test]
async fn the_job_proves_the_ledger_and_metrics_tell_what_it_found() {
    for database in [Sqlite, Postgres] {
        on(database, async |app| {
            let lots = history(app).await;
            let go_on = CancellationToken::new();
            let sound = Verified {
                lots: 3,
                entries: 11,
                faults: 0,
            };
            // As on two replicas at once.
            let (one, other) =
                tokio::join!(step(app.context(), &go_on), step(app.context(), &go_on));
            assert_eq!((one.unwrap(), other.unwrap()), (Some(sound), Some(sound)));
            let page = get(app, "/metrics").await;
            assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
            assert!(
                page.contains("content-type: text/plain; version=0.0.4"),
                "{page}"
            );
            assert!(page.contains("# TYPE carnet_verify_faults gauge"), "{page}");
            assert_eq!(metric(&page, "carnet_verify_faults"), Some(0.0));
            assert_eq!(metric(&page, "carnet_verify_lots"), Some(3.0));
            assert_eq!(metric(&page, "carnet_verify_entries"), Some(11.0));
            let proved_at = "carnet_verify_last_success_timestamp_seconds";
            let wanted = f64::from(i32::try_from(app.clock.now().timestamp()).unwrap());
            assert_eq!(metric(&page, proved_at), Some(wanted));

            let tamperer = Tamperer::of(app).await;
            let id = uuid_literal(&app.context().db, lots[0].id.uuid());
            let plant = format!("UPDATE lots SET value_unused = value_unused + 1 WHERE id = {id}");
            tamperer.plant(&plant).await;
            app.clock.advance(chrono::TimeDelta::days(1));
            let found = step(app.context(), &go_on).await.unwrap();
            assert_eq!(found, Some(Verified { faults: 1, ..sound }));
            let page = get(app, "/metrics").await;
            assert_eq!(metric(&page, "carnet_verify_faults"), Some(1.0));
            assert_eq!(metric(&page, proved_at), Some(wanted), "it was no success");
            tamperer.restore().await;
            tamperer.done().await;

            // Told to stop, it ends early and claims nothing.
            let stop = CancellationToken::new();
            stop.cancel();
            assert_eq!(step(app.context(), &stop).await.unwrap(), None);
            let page = get(app, "/metrics").await;
            assert_eq!(metric(&page, "carnet_verify_faults"), Some(1.0));
        })
        .await;
    }
}
