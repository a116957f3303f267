//! Customers with more open lots than a batch looks at: the same lot pays first as with few (D4).

use carnet::proto::v1;
use carnet::proto::v1::explain_request::Question;
use chrono::TimeDelta;
use rstest::rstest;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::shop::{Shop, euros, never};

/// More than a batch looks at.
const MANY: usize = 70;

/// What lessons are: a broader line than one of an item.
fn category() -> Vec<v1::Coverage> {
    vec![v1::Coverage {
        target: Some(v1::coverage::Target::Category("Lessons".to_owned())),
        credits_per_unit: String::new(),
    }]
}

/// Lessons without end, of their whole category, for 120.00.
fn broad(shop: &Shop, quantity: &str) -> v1::Template {
    let mut template = shop.lessons(quantity, never());
    template.lines[0].covers = category();
    template
}

/// Sells as many packages of one lesson as a batch does not look at.
async fn sell_many(shop: &Shop, entry: impl Fn(&str) -> v1::SaleEntry) {
    let template_id = shop.offer(broad(shop, "1")).await;
    let entries = (0..MANY).map(|_| entry(&template_id)).collect();
    shop.try_to_sell(entries).await.unwrap();
}

/// The package that is recommended for a lesson.
async fn recommended(shop: &Shop) -> String {
    let request = v1::ListUsablePackagesRequest {
        customer_id: shop.customer.clone(),
        items: vec![v1::ItemUnits {
            item_id: shop.swim.clone(),
            units: "1".to_owned(),
        }],
        ..Default::default()
    };
    let answer = shop.tenant.credits().list_usable_packages(request).await;
    let listed = answer.unwrap().into_inner().packages;
    assert!(listed[0].recommended);
    listed[0].package_id.clone()
}

/// What a use of so many lessons takes of which package, as it is explained.
async fn explained(shop: &Shop, units: &str) -> Vec<(String, String)> {
    let request = v1::ExplainRequest {
        question: Some(Question::Use(v1::UseQuestion {
            customer_id: shop.customer.clone(),
            what: Some(v1::use_question::What::Item(v1::ItemUnits {
                item_id: shop.swim.clone(),
                units: units.to_owned(),
            })),
            ..Default::default()
        })),
    };
    let answer = shop.tenant.credits().explain(request).await;
    let lots = answer.unwrap().into_inner().lots;
    let taken = lots.into_iter().filter(|lot| lot.taken != "0");
    taken.map(|lot| (lot.package_id, lot.taken)).collect()
}

/// Uses lessons, and checks that what was explained and recommended before paid for them.
async fn use_as_explained(shop: &Shop, units: &str) -> Vec<(String, String)> {
    let (first, wanted) = (recommended(shop).await, explained(shop, units).await);
    assert_eq!(wanted[0].0, first);
    let used = shop.consume(shop.use_lessons(units)).await.unwrap();
    let parts = used.parts.into_iter();
    let taken: Vec<_> = parts.map(|it| (it.package_id, it.amount)).collect();
    assert_eq!(taken, wanted);
    wanted
}

/// A cheaper one and then a narrower one, both younger than the many and behind them in the order of ids.
async fn sell_better(
    app: &TestApp,
    shop: &Shop,
    entry: impl Fn(&str) -> v1::SaleEntry,
) -> [String; 2] {
    app.clock.advance(TimeDelta::minutes(1));
    let mut better = Vec::new();
    let mut cheap = broad(shop, "2");
    cheap.price = Some(euros(2_000));
    let mut narrow = shop.lessons("2", never());
    narrow.price = Some(euros(90_000));
    for template in [cheap, narrow] {
        let template_id = shop.offer(template).await;
        let sold = shop.try_to_sell(vec![entry(&template_id)]).await;
        let mut results = sold.unwrap().into_inner().results;
        better.push(results.remove(0).package.unwrap().id);
    }
    better.try_into().unwrap()
}

/// The narrower one pays first, then the cheaper one, then the many, for uses and for holds.
async fn play(shop: &Shop, [cheap, narrow]: [String; 2]) {
    let one = |id: &String| vec![(id.clone(), "1".to_owned())];
    assert_eq!(use_as_explained(shop, "1").await, one(&narrow));
    let held = shop.hold(shop.hold_lessons("1")).await.unwrap();
    assert_eq!(held.parts[0].package_id, narrow);
    let over_all = use_as_explained(shop, "4").await;
    assert_eq!(over_all[0], (cheap, "2".to_owned()));
    assert_eq!(over_all.len(), 3);
    // What is freed pays first again.
    shop.release(&held).await.unwrap();
    assert_eq!(use_as_explained(shop, "1").await, one(&narrow));
    let left = MANY - 2;
    let all = use_as_explained(shop, &left.to_string()).await;
    assert_eq!(all.len(), left);
}

#[rstest]
#[tokio::test]
async fn d4_a_lot_that_ties_in_priority_and_end_with_many_others_pays_in_its_turn(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let entry = |template_id: &str| shop.entry(template_id);
        sell_many(&shop, entry).await;
        let better = sell_better(app, &shop, entry).await;
        play(&shop, better).await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn d4_so_does_one_of_a_group(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let request = v1::CreateGroupRequest {
            group: Some(v1::Group {
                external_id: "club".to_owned(),
                name: "Club".to_owned(),
                contact_id: shop.customer.clone(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = app.customers().create_group(request).await.unwrap();
        let club = answer.into_inner().group.unwrap().id;
        let member = Shop {
            customer: shop.customer("Jaan Kask").await,
            ..shop.clone()
        };
        let request = v1::AddGroupMemberRequest {
            group_id: club.clone(),
            customer_id: member.customer.clone(),
            ..Default::default()
        };
        app.customers().add_group_member(request).await.unwrap();
        let entry = |template_id: &str| v1::SaleEntry {
            customer_id: String::new(),
            group_id: club.clone(),
            ..shop.entry(template_id)
        };
        sell_many(&shop, entry).await;
        let better = sell_better(app, &shop, entry).await;
        play(&member, better).await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_is_too_fine_for_many_lots_is_paid_by_one_behind_them(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        sell_many(&shop, |template_id| shop.entry(template_id)).await;
        let mut finer = broad(&shop, "2");
        finer.lines[0].credit_type_id = shop.credit_type("half", 1).await;
        let template_id = shop.offer(finer).await;
        app.clock.advance(TimeDelta::minutes(1));
        let finer = shop.sell(&template_id).await;
        let used = shop.consume(shop.use_lessons("0.5")).await.unwrap();
        assert_eq!(used.parts[0].package_id, finer.id);
        let held = shop.hold(shop.hold_lessons("0.5")).await.unwrap();
        assert_eq!(held.parts[0].package_id, finer.id);
    })
    .await;
}
