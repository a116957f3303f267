//! Another time, another package, none.

use carnet::proto::v1;
use carnet::proto::v1::{BookingState, PackageChoice};
use rstest::rstest;
use tonic::{Code, Status};

use super::{PRECONDITION, at, balances, book, cancel, complete, lesson, stamp};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, until};
use crate::support::tenant::Tenant;

const STARTS_AT: &str = "2026-01-20T16:00:00Z";

async fn update(tenant: &Tenant, booking: v1::Booking) -> Result<v1::Booking, Status> {
    let request = v1::UpdateBookingRequest {
        request_id: tenant.request_id(),
        booking: Some(booking),
        ..Default::default()
    };
    let answer = tenant.bookings().update_booking(request).await?;
    Ok(answer.into_inner().booking.unwrap())
}

fn moved(booking: &v1::Booking, starts_at: &str) -> v1::Booking {
    v1::Booking {
        id: booking.id.clone(),
        etag: booking.etag.clone(),
        starts_at: stamp(starts_at),
        ..Default::default()
    }
}

async fn change_package(
    tenant: &Tenant,
    booking: &v1::Booking,
    package_ids: &[&str],
    choice: PackageChoice,
) -> Result<v1::Booking, Status> {
    let request = v1::ChangePackageRequest {
        request_id: tenant.request_id(),
        booking_id: booking.id.clone(),
        package_ids: package_ids.iter().map(ToString::to_string).collect(),
        package_choice: choice.into(),
        ..Default::default()
    };
    let answer = tenant.bookings().change_package(request).await?;
    Ok(answer.into_inner().booking.unwrap())
}

#[rstest]
#[tokio::test]
async fn another_time_is_another_hold_of_the_same_package_or_is_refused(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("1", until("2026-01-31")).await;
        let later = shop.sell_lessons("8", days(90)).await;
        let request = v1::CreateBookingRequest {
            ends_at: stamp("2026-01-20T17:00:00Z"),
            ..lesson(&shop, STARTS_AT)
        };
        let booked = book(app, request).await.unwrap();
        let other = update(app, moved(&booked, "2026-01-31T21:00:00Z"))
            .await
            .unwrap();
        assert_ne!(other.hold_id, booked.hold_id);
        assert_eq!(other.ends_at, stamp("2026-01-31T22:00:00Z"));
        assert_eq!(balances(&shop, &package.id).await, ["0", "1", "0"]);
        // Never silently replaced by the package that would cover it.
        let too_late = update(app, moved(&other, "2026-01-31T22:00:00Z")).await;
        let numbers = refused(too_late, PRECONDITION, "PACKAGE_EXPIRED");
        assert_eq!(numbers["package_id"], package.id);
        assert_eq!(balances(&shop, &package.id).await, ["0", "1", "0"]);
        assert_eq!(balances(&shop, &later.id).await, ["8", "0", "0"]);
        let stale = update(app, moved(&booked, STARTS_AT)).await;
        refused(stale, Code::Aborted, "ETAG_MISMATCH");
        let backwards = v1::Booking {
            ends_at: stamp(STARTS_AT),
            ..moved(&other, STARTS_AT)
        };
        refused(
            update(app, backwards).await,
            PRECONDITION,
            "BOOKING_ENDS_BEFORE_START",
        );
        let noted = v1::Booking {
            id: booked.id.clone(),
            note: "Lane 5".to_owned(),
            external_id: "visit-9".to_owned(),
            ..Default::default()
        };
        let noted = update(app, noted).await.unwrap();
        assert_eq!(
            (noted.note.as_str(), &noted.hold_id),
            ("Lane 5", &other.hold_id)
        );
        cancel(app, &booked, false).await.unwrap();
        let moved = moved(
            &v1::Booking {
                etag: String::new(),
                ..booked
            },
            STARTS_AT,
        );
        refused(update(app, moved).await, PRECONDITION, "BOOKING_CANCELLED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_9_moving_a_booking_moves_the_clock_of_first_use(
    #[values(Sqlite, Postgres)] database: Database,
) {
    use crate::support::shop::period;
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let from_first_use = period(10, v1::PeriodUnit::Day, v1::Anchor::FirstUse);
        let package = shop.sell_lessons("8", from_first_use).await;
        let booked = book(app, lesson(&shop, STARTS_AT)).await.unwrap();
        let ends = |date: &str| date.to_owned();
        assert_eq!(
            shop.package(&package.id).await.last_usable_date,
            ends("2026-01-30")
        );
        let later = update(app, moved(&booked, "2026-01-25T16:00:00Z"))
            .await
            .unwrap();
        assert_eq!(
            shop.package(&package.id).await.last_usable_date,
            ends("2026-02-04")
        );
        cancel(app, &later, false).await.unwrap();
        assert_eq!(shop.package(&package.id).await.last_usable_date, ends(""));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn staff_change_what_pays_a_booking_before_and_after_it_took_place(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let booked = book(app, lesson(&shop, STARTS_AT)).await.unwrap();
        assert!(booked.packages.is_empty());
        let first = shop.sell_lessons("8", days(30)).await;
        let second = shop.sell_lessons("8", days(60)).await;
        let unsaid = PackageChoice::Unspecified;
        let applied = change_package(app, &booked, &[], unsaid).await.unwrap();
        assert_eq!(applied.packages[0].package_id, first.id);
        let changed = change_package(app, &booked, &[&second.id], unsaid)
            .await
            .unwrap();
        assert_eq!(changed.packages[0].package_id, second.id);
        assert_eq!(balances(&shop, &first.id).await, ["8", "0", "0"]);
        assert_eq!(balances(&shop, &second.id).await, ["7", "1", "0"]);
        app.clock.set(at(STARTS_AT));
        complete(app, &booked).await.unwrap();
        let changed = change_package(app, &booked, &[&first.id], unsaid)
            .await
            .unwrap();
        assert_eq!(changed.state(), BookingState::Completed);
        assert_eq!(balances(&shop, &first.id).await, ["7", "0", "1"]);
        assert_eq!(balances(&shop, &second.id).await, ["8", "0", "0"]);
        let none = change_package(app, &booked, &[], PackageChoice::None)
            .await
            .unwrap();
        assert!(none.packages.is_empty() && none.posting_id.is_empty());
        assert_eq!(balances(&shop, &first.id).await, ["8", "0", "0"]);
        let again = change_package(app, &booked, &[&second.id], unsaid)
            .await
            .unwrap();
        assert_eq!(again.packages[0].used, "1");
        // All or nothing: what cannot be replaced stays.
        let revoke = v1::RevokePackageRequest {
            request_id: app.request_id(),
            package_id: first.id.clone(),
            ..Default::default()
        };
        app.packages().revoke_package(revoke).await.unwrap();
        let refusal = change_package(app, &booked, &[&first.id], unsaid).await;
        refused(refusal, PRECONDITION, "PACKAGE_REVOKED");
        assert_eq!(balances(&shop, &second.id).await, ["7", "0", "1"]);
        let other = book(app, lesson(&shop, STARTS_AT)).await.unwrap();
        cancel(app, &other, false).await.unwrap();
        let refusal = change_package(app, &other, &[&second.id], unsaid).await;
        refused(refusal, PRECONDITION, "BOOKING_CANCELLED");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_3_a_service_of_the_last_day_is_paid_by_a_package_that_has_ended_since(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let booked = book(app, lesson(&shop, STARTS_AT)).await.unwrap();
        let package = shop.sell_lessons("8", until("2026-01-31")).await;
        app.clock.set(at("2026-02-05T10:00:00Z"));
        complete(app, &booked).await.unwrap();
        let unsaid = PackageChoice::Unspecified;
        let paid = change_package(app, &booked, &[&package.id], unsaid)
            .await
            .unwrap();
        assert_eq!(paid.packages[0].package_id, package.id);
        assert_eq!(balances(&shop, &package.id).await, ["0", "0", "1"]);
    })
    .await;
}
