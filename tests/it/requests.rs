//! Request ids (semantics 37): one effect and equal answers, however often and however late.

mod updating;

use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::extend_package_request::NewExpiry;
use chrono::TimeDelta;
use futures_util::future::join_all;
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::refused;
use crate::support::shop::{Shop, covers, days};
use crate::support::tenant::Tenant;

/// How many copies of a request are sent at once.
const COPIES: usize = 50;

/// An answer that says whether it is a repeat.
trait Answer: Clone + std::fmt::Debug + PartialEq {
    fn replayed(&mut self) -> &mut bool;
}

macro_rules! answers {
    ($($answer:ident),+) => {$(
        impl Answer for v1::$answer {
            fn replayed(&mut self) -> &mut bool {
                &mut self.replayed
            }
        }
    )+};
}

answers!(
    ConsumeResponse,
    SellPackagesResponse,
    ExtendPackageResponse,
    IssueResponse
);

/// Checks that one of the answers is the first and that the others are its repeats; the answer is it.
#[track_caller]
fn one_effect<T: Answer>(answers: impl IntoIterator<Item = Result<T, Status>>) -> T {
    let answers: Vec<T> = answers.into_iter().map(Result::unwrap).collect();
    let mut first = Vec::new();
    let mut rest = Vec::new();
    for mut answer in answers {
        let is_repeat = std::mem::take(answer.replayed());
        if is_repeat { &mut rest } else { &mut first }.push(answer);
    }
    let [first] = first.as_slice() else {
        panic!("{} took effect", first.len());
    };
    for repeat in &rest {
        assert_eq!(repeat, first);
    }
    first.clone()
}

/// Checks that `repeat` is what `first` was.
#[track_caller]
fn is_repeat<T: Answer>(repeat: Result<T, Status>, first: &T) {
    let mut repeat = repeat.unwrap();
    assert!(std::mem::take(repeat.replayed()), "it took effect again");
    assert_eq!(&repeat, first);
}

async fn sell(
    app: &Tenant,
    request: v1::SellPackagesRequest,
) -> Result<v1::SellPackagesResponse, Status> {
    Ok(app.packages().sell_packages(request).await?.into_inner())
}

async fn extend(
    app: &Tenant,
    request: v1::ExtendPackageRequest,
) -> Result<v1::ExtendPackageResponse, Status> {
    Ok(app.packages().extend_package(request).await?.into_inner())
}

async fn issue(app: &Tenant, request: v1::IssueRequest) -> Result<v1::IssueResponse, Status> {
    Ok(app.credits().issue(request).await?.into_inner())
}

fn sale(app: &TestApp, entries: Vec<v1::SaleEntry>) -> v1::SellPackagesRequest {
    v1::SellPackagesRequest {
        request_id: app.request_id(),
        entries,
        validate_only: false,
    }
}

fn extension(app: &TestApp, package: &v1::Package) -> v1::ExtendPackageRequest {
    v1::ExtendPackageRequest {
        request_id: app.request_id(),
        package_id: package.id.clone(),
        new_expiry: Some(NewExpiry::LastUsableDate("2027-06-30".to_owned())),
        bonuses: vec![v1::BonusCredits {
            line_id: package.lines[0].id.clone(),
            amount: "1".to_owned(),
        }],
        reason: "For patience".to_owned(),
        ..Default::default()
    }
}

fn gift(app: &TestApp, shop: &Shop) -> v1::IssueRequest {
    v1::IssueRequest {
        request_id: app.request_id(),
        customer_id: shop.customer.clone(),
        gift: Some(v1::issue_request::Gift::Credits(v1::CreditGift {
            credit_type_id: shop.lesson.clone(),
            amount: "2".to_owned(),
            covers: covers(&shop.swim),
        })),
        reason: "Welcome".to_owned(),
        ..Default::default()
    }
}

#[rstest]
#[tokio::test]
async fn fifty_copies_of_a_use_take_effect_once_and_get_equal_answers(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let soon = shop.sell_lessons("2", days(10)).await;
        let late = shop.sell_lessons("8", days(90)).await;
        // It empties one package and begins the other.
        let request = shop.use_lessons("3");
        let copies = (0..COPIES).map(|_| shop.consume(request.clone()));
        let answer = one_effect(join_all(copies).await);
        assert_eq!(answer.parts.len(), 2);
        let left = (shop.left(&soon.id).await, shop.left(&late.id).await);
        assert_eq!(left, ("0".to_owned(), "7".to_owned()));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn fifty_copies_of_a_sale_make_one_sale(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let mut named = shop.entry(&template_id);
        named.external_id = "till-1".to_owned();
        let request = sale(app, vec![named, shop.entry(&template_id)]);
        let copies = (0..COPIES).map(|_| sell(app, request.clone()));
        let answer = one_effect(join_all(copies).await);
        assert_eq!(answer.results.len(), 2);
        assert_eq!(app.all_packages().await.len(), 2);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn fifty_copies_of_an_extension_give_one_bonus(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let request = extension(app, &package);
        let copies = (0..COPIES).map(|_| extend(app, request.clone()));
        let answer = one_effect(join_all(copies).await);
        assert_eq!(answer.package.unwrap(), shop.package(&package.id).await);
        assert_eq!(shop.left(&package.id).await, "9");
        assert_eq!(app.changes_of(&package.id).await.len(), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_repeat_of_the_call_that_emptied_the_package_is_a_repeat(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("3", days(30)).await;
        for request in [shop.use_lessons("2"), shop.use_lessons_of(&package.id, "1")] {
            let first = shop.consume(request.clone()).await.unwrap();
            assert!(!first.replayed);
            is_repeat(shop.consume(request).await, &first);
        }
        assert_eq!(shop.left(&package.id).await, "0");
        let fresh = shop.consume(shop.use_lessons("1")).await;
        refused(fresh, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn repeats_a_year_later_are_answered_as_they_were(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    Box::pin(on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let selling = sale(app, vec![shop.entry(&template_id)]);
        let sold = sell(app, selling.clone()).await.unwrap();
        let package = sold.results[0].package.clone().unwrap();
        let giving = gift(app, &shop);
        let given = issue(app, giving.clone()).await.unwrap();
        let using = shop.use_lessons_of(&package.id, "3");
        let used = shop.consume(using.clone()).await.unwrap();
        let extending = extension(app, &package);
        let extended = extend(app, extending.clone()).await.unwrap();

        app.clock.advance(TimeDelta::days(365));
        shop.consume(shop.use_lessons_of(&package.id, "2"))
            .await
            .unwrap();
        app.clock.advance(TimeDelta::days(365));
        settle::step(app.context()).await.unwrap();
        let request = v1::ArchiveTemplateRequest {
            template_id,
            ..Default::default()
        };
        app.catalog().archive_template(request).await.unwrap();
        let customer = v1::Customer {
            id: shop.customer.clone(),
            ..Default::default()
        };
        app.change_customer(customer, &["active"]).await;
        let before = app.entries_of_package(&package.id).await;

        is_repeat(sell(app, selling).await, &sold);
        is_repeat(issue(app, giving).await, &given);
        is_repeat(shop.consume(using).await, &used);
        is_repeat(extend(app, extending).await, &extended);
        assert_eq!(app.entries_of_package(&package.id).await, before);
        assert_eq!(app.all_packages().await.len(), 2);
    }))
    .await;
}

#[track_caller]
fn reused<T: std::fmt::Debug>(result: Result<T, Status>, request_id: &str) {
    let names = refused(result, Code::AlreadyExists, "REQUEST_ID_REUSED");
    assert_eq!(names["request_id"], request_id);
}

#[rstest]
#[tokio::test]
async fn an_id_is_good_for_one_request_whatever_the_method(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let mut selling = sale(app, vec![shop.entry(&template_id)]);
        let sold = sell(app, selling.clone()).await.unwrap();
        let package = sold.results[0].package.clone().unwrap();
        let mut using = shop.use_lessons("1");
        shop.consume(using.clone()).await.unwrap();
        let used_id = using.request_id.clone();
        // The id of a use, for everything else.
        selling.request_id.clone_from(&used_id);
        reused(sell(app, selling.clone()).await, &used_id);
        let mut giving = gift(app, &shop);
        giving.request_id.clone_from(&used_id);
        reused(issue(app, giving.clone()).await, &used_id);
        let mut extending = extension(app, &package);
        extending.request_id.clone_from(&used_id);
        reused(extend(app, extending.clone()).await, &used_id);
        let naming = v1::CreateUserRequest {
            user: Some(v1::User {
                name: "Coach Kati".to_owned(),
                ..Default::default()
            }),
            request_id: used_id.clone(),
            validate_only: false,
        };
        reused(app.business().create_user(naming.clone()).await, &used_id);
        using.note = "changed".to_owned();
        reused(shop.consume(using.clone()).await, &used_id);
        // The ids of everything else, for a use.
        for request_id in [(); 4].map(|()| app.request_id()) {
            extending.request_id.clone_from(&request_id);
            extending.bonuses.clear();
            let Some(NewExpiry::LastUsableDate(date)) = &mut extending.new_expiry else {
                panic!("{extending:?}");
            };
            let year = date[..4].parse::<i32>().unwrap() + 1;
            date.replace_range(..4, &year.to_string());
            extend(app, extending.clone()).await.unwrap();
            using.request_id.clone_from(&request_id);
            reused(shop.consume(using.clone()).await, &request_id);
        }
        let naming = v1::CreateUserRequest {
            request_id: app.request_id(),
            ..naming
        };
        app.business().create_user(naming.clone()).await.unwrap();
        using.request_id.clone_from(&naming.request_id);
        reused(shop.consume(using.clone()).await, &naming.request_id);
        giving.request_id = app.request_id();
        issue(app, giving.clone()).await.unwrap();
        using.request_id.clone_from(&giving.request_id);
        reused(shop.consume(using.clone()).await, &giving.request_id);
        giving.reason = "changed".to_owned();
        reused(issue(app, giving.clone()).await, &giving.request_id);
        // Another business has ids of its own.
        let foreign = app.second_business().await;
        let theirs = Shop::open(&foreign).await;
        theirs.sell_lessons("8", days(30)).await;
        let mut same = theirs.use_lessons("1");
        same.request_id = used_id;
        assert!(!theirs.consume(same).await.unwrap().replayed);
        assert_eq!(shop.left(&package.id).await, "7");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn of_a_use_and_a_gift_at_once_under_one_id_one_takes_effect(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("100", days(30)).await;
        let mut gifts = 0;
        for _ in 0..20 {
            let giving = gift(app, &shop);
            let mut using = shop.use_lessons_of(&package.id, "1");
            using.request_id.clone_from(&giving.request_id);
            let request_id = giving.request_id.clone();
            let (used, given) = tokio::join!(shop.consume(using), issue(app, giving));
            if given.is_ok() {
                gifts += 1;
                reused(used, &request_id);
            } else {
                used.unwrap();
                reused(given, &request_id);
            }
        }
        assert_eq!(app.all_packages().await.len(), 1 + gifts);
        let left: usize = shop.left(&package.id).await.parse().unwrap();
        assert_eq!(left, 80 + gifts);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_refused_command_may_be_tried_again_under_its_id(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let active = async |active| {
            let customer = v1::Customer {
                id: shop.customer.clone(),
                active,
                ..Default::default()
            };
            app.change_customer(customer, &["active"]).await;
        };
        let using = shop.use_lessons("1");
        let selling = sale(app, vec![shop.entry(&template_id)]);
        let giving = gift(app, &shop);
        active(false).await;
        let none = shop.consume(using.clone()).await;
        refused(none, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        let inactive = sell(app, selling.clone()).await;
        refused(inactive, Code::FailedPrecondition, "SALE_REFUSED");
        let inactive = issue(app, giving.clone()).await;
        refused(inactive, Code::FailedPrecondition, "CUSTOMER_INACTIVE");
        active(true).await;
        let sold = sell(app, selling).await.unwrap();
        assert!(!sold.replayed);
        assert!(!issue(app, giving).await.unwrap().replayed);
        assert!(!shop.consume(using).await.unwrap().replayed);
        let package = sold.results[0].package.clone().unwrap();
        let mut extending = extension(app, &package);
        extending.etag = "0".to_owned();
        let stale = extend(app, extending.clone()).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        extending.etag.clone_from(&package.etag);
        assert!(!extend(app, extending).await.unwrap().replayed);
    })
    .await;
}
