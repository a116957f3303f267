//! Bookings (F4, F5, semantics 3, 9 to 12, 17 to 22), through gRPC on both databases.

mod changing;
mod ending;
mod series;

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::{BookingState, PackageChoice};
use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days, until};
use crate::support::tenant::Tenant;

const PRECONDITION: Code = Code::FailedPrecondition;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "as the messages have it")]
fn stamp(text: &str) -> Option<Timestamp> {
    Some(carnet::grpc::faults::timestamp(at(text)))
}

/// A swimming lesson for the customer.
fn lesson(shop: &Shop, starts_at: &str) -> v1::CreateBookingRequest {
    v1::CreateBookingRequest {
        request_id: shop.tenant.request_id(),
        customer_id: shop.customer.clone(),
        item_id: shop.swim.clone(),
        starts_at: stamp(starts_at),
        ..Default::default()
    }
}

/// The same, of this package only.
fn lesson_of(shop: &Shop, package_id: &str, starts_at: &str) -> v1::CreateBookingRequest {
    v1::CreateBookingRequest {
        package_ids: vec![package_id.to_owned()],
        ..lesson(shop, starts_at)
    }
}

async fn book(tenant: &Tenant, request: v1::CreateBookingRequest) -> Result<v1::Booking, Status> {
    let answer = tenant.bookings().create_booking(request).await?;
    Ok(answer.into_inner().booking.unwrap())
}

async fn complete(tenant: &Tenant, booking: &v1::Booking) -> Result<v1::Booking, Status> {
    let request = v1::CompleteBookingRequest {
        request_id: tenant.request_id(),
        booking_id: booking.id.clone(),
        ..Default::default()
    };
    let answer = tenant.bookings().complete_booking(request).await?;
    Ok(answer.into_inner().booking.unwrap())
}

async fn cancel(
    tenant: &Tenant,
    booking: &v1::Booking,
    by_business: bool,
) -> Result<v1::Booking, Status> {
    let request = v1::CancelBookingRequest {
        request_id: tenant.request_id(),
        booking_id: booking.id.clone(),
        by_business,
        ..Default::default()
    };
    let answer = tenant.bookings().cancel_booking(request).await?;
    Ok(answer.into_inner().booking.unwrap())
}

async fn get(tenant: &Tenant, booking_id: &str) -> v1::Booking {
    let request = v1::GetBookingRequest {
        booking_id: booking_id.to_owned(),
    };
    let answer = tenant.bookings().get_booking(request).await;
    answer.unwrap().into_inner().booking.unwrap()
}

/// What is available, held and used in the first line of a package.
async fn balances(shop: &Shop, package_id: &str) -> [String; 3] {
    let package = shop.package(package_id).await;
    let balances = package.lines[0].balances.clone().unwrap();
    [balances.available, balances.held, balances.consumed]
}

#[rstest]
#[tokio::test]
async fn as_at_vcita_a_package_is_used_automatically_at_the_next_booking(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("10", days(60)).await;
        for day in ["2026-01-20", "2026-01-21"] {
            let booked = book(app, lesson(&shop, &format!("{day}T16:00:00Z"))).await;
            app.clock.set(at(&format!("{day}T17:00:00Z")));
            complete(app, &booked.unwrap()).await.unwrap();
        }
        let request = v1::CreateBookingRequest {
            external_id: "visit-3".to_owned(),
            ends_at: stamp("2026-01-22T17:00:00Z"),
            note: "Lane 3".to_owned(),
            ..lesson(&shop, "2026-01-22T16:00:00Z")
        };
        let booked = book(app, request).await.unwrap();
        assert!(booked.id.starts_with("bkg_"), "{}", booked.id);
        assert_eq!(booked.state(), BookingState::Booked);
        let [used] = booked.packages.as_slice() else {
            panic!("one package pays: {booked:?}");
        };
        assert_eq!(
            (&used.package_id, used.name.as_str()),
            (&package.id, "Standard")
        );
        let told = (
            used.credits.as_str(),
            used.used.as_str(),
            used.total.as_str(),
        );
        assert_eq!(told, ("1", "3", "10"));
        assert_eq!(balances(&shop, &package.id).await, ["7", "1", "2"]);
        assert_eq!(get(app, "ext:visit-3").await, booked);
        let entries = app.entries_of_package(&package.id).await;
        let of_hold = entries.iter().filter(|it| it.hold_id == booked.hold_id);
        assert_eq!(of_hold.count(), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_best_package_the_named_one_or_none_pays(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let starts_at = "2026-01-20T16:00:00Z";
        let unpaid = book(app, lesson(&shop, starts_at)).await.unwrap();
        assert!(unpaid.packages.is_empty() && unpaid.hold_id.is_empty());
        let choosing = |choice: PackageChoice| v1::CreateBookingRequest {
            package_choice: choice.into(),
            ..lesson(&shop, starts_at)
        };
        let lacking = book(app, choosing(PackageChoice::Best)).await;
        let numbers = refused(lacking, PRECONDITION, "INSUFFICIENT_CREDITS");
        assert_eq!(numbers["available"], "0");
        let later = shop.sell_lessons("1", days(60)).await;
        let sooner = shop.sell_lessons("1", days(30)).await;
        let paid_by = |booking: &v1::Booking| booking.packages[0].package_id.clone();
        let best = book(app, choosing(PackageChoice::Best)).await.unwrap();
        assert_eq!(paid_by(&best), sooner.id);
        let none = book(app, choosing(PackageChoice::None)).await.unwrap();
        assert!(none.packages.is_empty());
        let named = book(app, lesson_of(&shop, &later.id, starts_at)).await;
        assert_eq!(paid_by(&named.unwrap()), later.id);
        // Semantics 17: what one booking holds no other one has.
        let named = book(app, lesson_of(&shop, &later.id, starts_at)).await;
        refused(named, PRECONDITION, "INSUFFICIENT_CREDITS");
        let unpaid = book(app, lesson(&shop, starts_at)).await.unwrap();
        assert!(unpaid.packages.is_empty());
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_booking_is_not_paid_by_a_package_that_does_not_cover_the_class(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let yoga = shop.item("Yoga class", "Classes", 1_500).await;
        let class = |request| v1::CreateBookingRequest {
            item_id: yoga.clone(),
            ..request
        };
        let starts_at = "2026-01-20T16:00:00Z";
        let unpaid = book(app, class(lesson(&shop, starts_at))).await.unwrap();
        assert!(unpaid.packages.is_empty());
        let named = book(app, class(lesson_of(&shop, &package.id, starts_at))).await;
        let numbers = refused(named, PRECONDITION, "ITEM_NOT_COVERED");
        assert_eq!(numbers["item_id"], yoga);
        assert_eq!(balances(&shop, &package.id).await, ["8", "0", "0"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_10_validity_is_judged_at_the_service_unless_the_template_says_at_the_booking(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let strict = shop.sell_lessons("8", until("2026-01-31")).await;
        let lenient = v1::Template {
            booking_rules: Some(v1::BookingRules {
                judged_at: v1::JudgedAt::BookingTime.into(),
                cancellation: None,
            }),
            ..shop.lessons("8", until("2026-01-31"))
        };
        let lenient = shop.sell(&shop.offer(lenient).await).await;
        let rules = lenient.booking_rules.unwrap();
        assert_eq!(rules.judged_at(), v1::JudgedAt::BookingTime);
        // The last local day ends at 22:00 UTC.
        let (last, first_after) = ("2026-01-31T21:59:59Z", "2026-01-31T22:00:00Z");
        book(app, lesson_of(&shop, &strict.id, last)).await.unwrap();
        let after = book(app, lesson_of(&shop, &strict.id, first_after)).await;
        refused(after, PRECONDITION, "PACKAGE_EXPIRED");
        let after = book(app, lesson_of(&shop, &lenient.id, first_after))
            .await
            .unwrap();
        // Semantics 11: what was held before its end can be captured after it.
        app.clock.set(at("2026-02-01T09:00:00Z"));
        complete(app, &after).await.unwrap();
        let late = book(app, lesson_of(&shop, &lenient.id, first_after)).await;
        refused(late, PRECONDITION, "PACKAGE_EXPIRED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_booking_is_made_once_by_its_request_and_by_its_external_id(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let request = v1::CreateBookingRequest {
            external_id: "visit-1".to_owned(),
            ..lesson(&shop, "2026-01-20T16:00:00Z")
        };
        let tried = v1::CreateBookingRequest {
            validate_only: true,
            ..request.clone()
        };
        let tried = book(app, tried).await.unwrap();
        assert_eq!((tried.id.as_str(), tried.packages.len()), ("", 1));
        assert_eq!(balances(&shop, &package.id).await, ["8", "0", "0"]);
        let made = app
            .bookings()
            .create_booking(request.clone())
            .await
            .unwrap()
            .into_inner();
        let again = app
            .bookings()
            .create_booking(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert!(again.replayed && !made.replayed);
        assert_eq!(again.booking, made.booking);
        let other = v1::CreateBookingRequest {
            note: "Lane 4".to_owned(),
            ..request.clone()
        };
        refused(
            book(app, other).await,
            Code::AlreadyExists,
            "REQUEST_ID_REUSED",
        );
        let other = v1::CreateBookingRequest {
            request_id: app.request_id(),
            ..request.clone()
        };
        refused(
            book(app, other).await,
            Code::AlreadyExists,
            "EXTERNAL_ID_TAKEN",
        );
        let used = v1::ConsumeRequest {
            request_id: request.request_id.clone(),
            ..shop.use_lessons("1")
        };
        refused(
            shop.consume(used).await,
            Code::AlreadyExists,
            "REQUEST_ID_REUSED",
        );
        assert_eq!(balances(&shop, &package.id).await, ["7", "1", "0"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_booked_is_refused_and_bookings_are_listed_by_their_start(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let starts_at = "2026-01-20T16:00:00Z";
        let backwards = v1::CreateBookingRequest {
            ends_at: stamp(starts_at),
            ..lesson(&shop, starts_at)
        };
        let numbers = refused(
            book(app, backwards).await,
            PRECONDITION,
            "BOOKING_ENDS_BEFORE_START",
        );
        assert_eq!(numbers["ends_at"], starts_at);
        let nobody = v1::CreateBookingRequest {
            customer_id: "ext:nobody".to_owned(),
            ..lesson(&shop, starts_at)
        };
        refused(book(app, nobody).await, Code::NotFound, "NOT_FOUND");
        let faults = field_faults(book(app, v1::CreateBookingRequest::default()).await);
        let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(
            fields,
            ["request_id", "customer_id", "item_id", "starts_at"]
        );
        let reader = app.allowed_only(&[Permission::BookingsRead]).await;
        let denied = refused(
            book(&reader, lesson(&shop, starts_at)).await,
            Code::PermissionDenied,
            "PERMISSION_DENIED",
        );
        assert_eq!(denied["permission"], "BOOKINGS_MANAGE");

        let mut ids = Vec::new();
        for day in 20..25 {
            let starts_at = format!("2026-01-{day}T16:00:00Z");
            ids.push(book(app, lesson(&shop, &starts_at)).await.unwrap().id);
        }
        ids.reverse();
        let mut request = v1::ListBookingsRequest {
            page_size: 2,
            customer_id: shop.customer.clone(),
            starts_from: stamp("2026-01-20T16:00:00Z"),
            starts_before: stamp("2026-01-24T16:00:00Z"),
            state: BookingState::Booked.into(),
            ..Default::default()
        };
        let mut found = Vec::new();
        loop {
            let page = app
                .bookings()
                .list_bookings(request.clone())
                .await
                .unwrap()
                .into_inner();
            found.extend(page.bookings.into_iter().map(|booking| booking.id));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(found, ids[1..]);
    })
    .await;
}
