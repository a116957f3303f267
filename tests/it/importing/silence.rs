//! Nobody is told of what was imported, and nothing is issued for it: what happened, happened elsewhere.

use carnet::cli::import::{self, ImportArgs};
use carnet::cli::progress::ProgressStyle;
use carnet::jobs::triggers;
use carnet::proto::v1;
use carnet::proto::v1::TriggerEvent;
use clap::Parser;
use rstest::rstest;

use super::{CUSTOMERS, Move};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::mailroom::{Mailroom, emails, set_policy};

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    import: ImportArgs,
}

/// Imports in this process, at the time of the test's clock; what was said.
async fn import(it: &Move<'_>, files: &[String]) -> String {
    let mut arguments = vec!["carnet", "--cut-over", "2026-01-10"];
    arguments.extend(["--database-url", it.app.database_url()]);
    arguments.extend(files.iter().map(String::as_str));
    let args = Program::parse_from(arguments).import;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let streams = (&mut out, &mut err);
    let done = import::run(&args, &it.app.clock, ProgressStyle::Line, streams).await;
    done.unwrap();
    String::from_utf8(err).unwrap()
}

#[rstest]
#[tokio::test]
async fn reminders_begin_with_leads_after_the_day_of_the_import(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let it = Move::open(app).await;
        let all = v1::ReminderPolicy {
            confirmation: true,
            used_up: true,
            ..Default::default()
        };
        set_policy(app, &["confirmation", "used_up"], all).await;
        let packages = "\
external_id,customer,template,quantity,used,price,expires
p1,c1,Standard,10,3,120,2026-01-22
p2,c1,Standard,10,10,120,2026-01-22
";
        import(&it, &it.files(CUSTOMERS, packages)).await;
        let mut room = Mailroom::capturing(app);
        let sent = room.run_daily("2026-01-16", "2026-01-24").await;
        // Not with 7 days left, which is the day of the import.
        let wanted = [("2026-01-21".to_owned(), 1), ("2026-01-23".to_owned(), 1)];
        assert_eq!(sent, wanted);
        for kind in [v1::EmailKind::Confirmation, v1::EmailKind::UsedUp] {
            assert_eq!(emails(app, kind).await, [], "{kind:?}");
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn no_trigger_fires_for_what_is_imported(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let it = Move::open(app).await;
        let gift = it.shop.offer(it.shop.lessons("1", super::never())).await;
        for event in [
            TriggerEvent::CustomerCreated,
            TriggerEvent::PackageSold,
            TriggerEvent::PackageUsedUp,
        ] {
            let trigger = v1::Trigger {
                name: "A small present".to_owned(),
                event: event.into(),
                award: Some(v1::trigger::Award::TemplateId(gift.clone())),
                ..Default::default()
            };
            let request = v1::CreateTriggerRequest {
                trigger: Some(trigger),
                request_id: app.request_id(),
                ..Default::default()
            };
            app.triggers().create_trigger(request).await.unwrap();
        }
        let packages = "\
external_id,customer,credit_type,items,quantity,used,price,expires
p1,c1,lesson,Swimming lesson,10,10,120,never
";
        import(&it, &it.files(CUSTOMERS, packages)).await;
        assert_eq!(triggers::step(app.context()).await.unwrap().issued, 0);
        assert_eq!(it.count().await.1, 1);
    })
    .await;
}
