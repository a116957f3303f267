//! Several servers run the same jobs at the same time, and each customer is told once.

use carnet::jobs::mail_day;
use carnet::proto::v1::{EmailKind, EmailState};
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::mailroom::{Mailroom, emails, local, set_leads};
use crate::support::shop::{Shop, until};
use crate::support::smtp::{Mode, SmtpServer};

const CUSTOMERS: usize = 6;

#[rstest]
#[tokio::test]
async fn what_several_servers_do_at_once_is_done_once(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let mut shop = Shop::open(app).await;
        set_leads(app, &[7]).await;
        let template_id = shop.offer(shop.lessons("8", until("2026-02-10"))).await;
        for number in 0..CUSTOMERS {
            shop.customer = shop.customer(&format!("Customer {number}")).await;
            shop.sell(&template_id).await;
        }
        let mut one = Mailroom::posting_to(app, &server);
        let mut other = Mailroom::posting_to(app, &server);
        let (here, there) = tokio::join!(Box::pin(one.deliver()), Box::pin(other.deliver()));
        assert_eq!(here.sent + there.sent, CUSTOMERS);
        one.run_at("2026-02-02 09:00").await;
        app.clock.set(local("2026-02-03 09:00"));
        let ctx = app.context();
        let (here, there) =
            tokio::join!(Box::pin(mail_day::step(ctx)), Box::pin(mail_day::step(ctx)));
        let (here, there) = (here.unwrap(), there.unwrap());
        assert_eq!(here.runs + there.runs, 1);
        assert_eq!(here.emails + there.emails, CUSTOMERS);
        let (here, there) = tokio::join!(Box::pin(one.deliver()), Box::pin(other.deliver()));
        assert_eq!(here.sent + there.sent, CUSTOMERS);
        assert_eq!(server.received().len(), 2 * CUSTOMERS);
        for email in emails(app, EmailKind::ExpiryReminder).await {
            assert_eq!(email.state(), EmailState::Sent);
            assert_eq!(email.attempts.len(), 1);
        }
    })
    .await;
}
