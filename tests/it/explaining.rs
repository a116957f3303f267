//! `Explain` (H5): a choice, a refusal and a balance, through gRPC on both databases.

use carnet::proto::v1;
use carnet::proto::v1::explain_request::Question;
use carnet::proto::v1::{LotRank, Reason};
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, until};

async fn explain(app: &TestApp, question: Question) -> v1::ExplainResponse {
    let request = v1::ExplainRequest {
        question: Some(question),
    };
    let answer = app.credits().explain(request).await;
    answer.unwrap().into_inner()
}

fn lessons(shop: &Shop, units: &str) -> v1::UseQuestion {
    v1::UseQuestion {
        customer_id: shop.customer.clone(),
        what: Some(v1::use_question::What::Item(v1::ItemUnits {
            item_id: shop.swim.clone(),
            units: units.to_owned(),
        })),
        ..Default::default()
    }
}

#[rstest]
#[tokio::test]
async fn a_choice_is_explained_lot_by_lot_in_the_order_of_the_choice(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let later = shop.sell_lessons("8", days(60)).await;
        let sooner = shop.sell_lessons("2", days(10)).await;
        let ended = shop.sell_lessons("5", until("2026-01-16")).await;
        let needless = shop.sell_lessons("8", days(90)).await;
        app.clock.advance(chrono::TimeDelta::days(3));
        let why = explain(app, Question::Use(lessons(&shop, "3"))).await;
        assert_eq!(why.reason(), Reason::Unspecified);
        let seen: Vec<_> = why
            .lots
            .iter()
            .map(|lot| (&*lot.package_id, &*lot.taken, lot.rank(), lot.reason()))
            .collect();
        let expected = [
            (
                &*ended.id,
                "0",
                LotRank::Unspecified,
                Reason::PackageExpired,
            ),
            (&*sooner.id, "2", LotRank::Expiry, Reason::Unspecified),
            (&*later.id, "1", LotRank::Expiry, Reason::Unspecified),
            (&*needless.id, "0", LotRank::Expiry, Reason::Unspecified),
        ];
        assert_eq!(seen, expected);
        assert_eq!(why.lots[3].explanation, "it is not needed");
        let used = shop.consume(shop.use_lessons("3")).await.unwrap();
        let taken: Vec<_> = used.parts.iter().map(|part| &*part.package_id).collect();
        assert_eq!(taken, [&*sooner.id, &*later.id]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_refusal_is_explained_with_the_reason_that_the_use_would_get(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("2", days(10)).await;
        let other = shop.sell_lessons("2", days(20)).await;
        let mut question = lessons(&shop, "3");
        question.package_ids = vec![package.id.clone()];
        let why = explain(app, Question::Use(question)).await;
        assert_eq!(why.reason(), Reason::InsufficientCredits);
        assert_eq!(why.explanation, "2 units available, 3 requested");
        assert_eq!(why.lots[0].package_id, package.id);
        assert_eq!(why.lots[1].package_id, other.id);
        assert_eq!(why.lots[1].explanation, "other packages were named");
        let mut request = shop.use_lessons("3");
        request.package_ids = vec![package.id];
        let result = shop.consume(request).await;
        refused(result, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_balance_is_explained_by_the_lots_that_make_it(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let empty = shop.sell_lessons("1", days(10)).await;
        let full = shop.sell_lessons("8", days(20)).await;
        shop.consume(shop.use_lessons("1")).await.unwrap();
        let query = v1::GetBalanceRequest {
            scope: Some(v1::get_balance_request::Scope::CustomerId(
                shop.customer.clone(),
            )),
            ..Default::default()
        };
        let balance = app.credits().get_balance(query.clone()).await.unwrap();
        assert_eq!(balance.into_inner().balances[0].usable, "8");
        let why = explain(app, Question::Balance(query)).await;
        let seen: Vec<_> = why
            .lots
            .iter()
            .map(|lot| (&*lot.package_id, &*lot.taken, lot.reason()))
            .collect();
        let expected = [
            (&*empty.id, "0", Reason::PackageUsedUp),
            (&*full.id, "8", Reason::Unspecified),
        ];
        assert_eq!(seen, expected);
    })
    .await;
}
