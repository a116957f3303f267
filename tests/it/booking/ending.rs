//! How bookings end: completed, cancelled, a no-show; and how that is undone.

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::BookingState;
use rstest::rstest;
use tonic::{Code, Status};

use super::{PRECONDITION, at, balances, book, cancel, complete, get, lesson, lesson_of};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days};
use crate::support::tenant::Tenant;

const STARTS_AT: &str = "2026-01-20T16:00:00Z";

async fn mark_no_show(tenant: &Tenant, booking: &v1::Booking) -> Result<v1::Booking, Status> {
    let request = v1::MarkNoShowRequest {
        request_id: tenant.request_id(),
        booking_id: booking.id.clone(),
        ..Default::default()
    };
    let answer = tenant.bookings().mark_no_show(request).await?;
    Ok(answer.into_inner().booking.unwrap())
}

async fn reopen(
    tenant: &Tenant,
    booking: &v1::Booking,
    without_package: bool,
) -> Result<v1::Booking, Status> {
    let request = v1::ReopenBookingRequest {
        request_id: tenant.request_id(),
        booking_id: booking.id.clone(),
        without_package,
        ..Default::default()
    };
    let answer = tenant.bookings().reopen_booking(request).await?;
    Ok(answer.into_inner().booking.unwrap())
}

/// A package of which cancelling from 24 hours before on takes so much.
async fn sold_with_policy(shop: &Shop, captured_percent: i32) -> v1::Package {
    let template = v1::Template {
        booking_rules: Some(v1::BookingRules {
            judged_at: 0,
            cancellation: Some(v1::CancellationPolicy {
                free_until_hours: 24,
                captured_percent,
            }),
        }),
        ..shop.lessons("8", days(60))
    };
    shop.sell(&shop.offer(template).await).await
}

#[rstest]
#[tokio::test]
async fn completing_and_a_no_show_capture_and_not_before_their_time(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(60)).await;
        let first = book(app, lesson(&shop, STARTS_AT)).await.unwrap();
        let second = book(app, lesson(&shop, STARTS_AT)).await.unwrap();
        // The local day begins at 22:00 UTC.
        app.clock.set(at("2026-01-19T21:59:59Z"));
        let early = complete(app, &first).await;
        let numbers = refused(early, PRECONDITION, "BOOKING_NOT_BEGUN");
        assert_eq!(numbers["possible_from"], "2026-01-19T22:00:00Z");
        app.clock.set(at("2026-01-19T22:00:00Z"));
        let done = complete(app, &first).await.unwrap();
        assert_eq!(done.state(), BookingState::Completed);
        assert_eq!((done.hold_id.as_str(), done.packages.len()), ("", 1));
        assert!(!done.posting_id.is_empty());
        assert_eq!(balances(&shop, &package.id).await, ["6", "1", "1"]);
        app.clock.set(at("2026-01-20T15:59:59Z"));
        refused(
            mark_no_show(app, &second).await,
            PRECONDITION,
            "BOOKING_NOT_BEGUN",
        );
        app.clock.set(at(STARTS_AT));
        let missed = mark_no_show(app, &second).await.unwrap();
        assert_eq!(missed.state(), BookingState::NoShow);
        assert_eq!(balances(&shop, &package.id).await, ["6", "0", "2"]);
        // Without a package there is nothing but the state.
        let other = shop.customer("Jaan Kask").await;
        let unpaid = v1::CreateBookingRequest {
            customer_id: other,
            ..lesson(&shop, STARTS_AT)
        };
        let unpaid = book(app, unpaid).await.unwrap();
        let done = complete(app, &unpaid).await.unwrap();
        assert_eq!(
            (done.state(), done.posting_id.as_str()),
            (BookingState::Completed, "")
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn semantics_21_cancelling_is_free_before_the_limit_and_takes_what_the_policy_says_after(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = sold_with_policy(&shop, 50).await;
        let two = || v1::CreateBookingRequest {
            units: "2".to_owned(),
            ..lesson(&shop, STARTS_AT)
        };
        let mut booked = Vec::new();
        for _ in 0..3 {
            booked.push(book(app, two()).await.unwrap());
        }
        app.clock.set(at("2026-01-19T15:59:59Z"));
        let free = cancel(app, &booked[0], false).await.unwrap();
        assert_eq!(free.state(), BookingState::Cancelled);
        assert!(free.packages.is_empty() && free.posting_id.is_empty());
        assert_eq!(balances(&shop, &package.id).await, ["4", "4", "0"]);
        app.clock.set(at("2026-01-19T16:00:00Z"));
        let late = cancel(app, &booked[1], false).await.unwrap();
        assert_eq!(late.packages[0].credits, "1");
        assert!(!late.posting_id.is_empty() && !late.cancelled_by_business);
        assert_eq!(balances(&shop, &package.id).await, ["5", "2", "1"]);
        let by_business = cancel(app, &booked[2], true).await.unwrap();
        assert!(by_business.cancelled_by_business && by_business.packages.is_empty());
        assert_eq!(balances(&shop, &package.id).await, ["7", "0", "1"]);
        // Half of a lesson that cannot be halved stays the customer's.
        let one = book(app, lesson(&shop, STARTS_AT)).await.unwrap();
        let late = cancel(app, &one, false).await.unwrap();
        assert!(late.packages.is_empty());
        assert_eq!(balances(&shop, &package.id).await, ["7", "0", "1"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn without_a_policy_cancelling_is_free_and_a_policy_of_all_takes_all(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let free = shop.sell_lessons("8", days(60)).await;
        let strict = sold_with_policy(&shop, 100).await;
        let of_free = book(app, lesson_of(&shop, &free.id, STARTS_AT))
            .await
            .unwrap();
        let of_strict = book(app, lesson_of(&shop, &strict.id, STARTS_AT))
            .await
            .unwrap();
        app.clock.set(at("2026-01-20T17:00:00Z"));
        cancel(app, &of_free, false).await.unwrap();
        cancel(app, &of_strict, false).await.unwrap();
        assert_eq!(balances(&shop, &free.id).await, ["8", "0", "0"]);
        assert_eq!(balances(&shop, &strict.id).await, ["7", "0", "1"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_hold_of_a_cancelled_booking_is_not_captured_later(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(60)).await;
        let booked = book(app, lesson(&shop, STARTS_AT)).await.unwrap();
        let capture = || v1::CaptureRequest {
            request_id: app.request_id(),
            hold_id: booked.hold_id.clone(),
            ..Default::default()
        };
        let bound = app.credits().capture(capture()).await;
        let numbers = refused(bound, PRECONDITION, "CREDITS_BOUND");
        assert_eq!(numbers["booking_id"], booked.id);
        cancel(app, &booked, false).await.unwrap();
        app.clock.set(at(STARTS_AT));
        refused(
            app.credits().capture(capture()).await,
            PRECONDITION,
            "CREDITS_BOUND",
        );
        let numbers = refused(
            complete(app, &booked).await,
            PRECONDITION,
            "BOOKING_CANCELLED",
        );
        assert_eq!(numbers["booking_id"], booked.id);
        refused(
            mark_no_show(app, &booked).await,
            PRECONDITION,
            "BOOKING_CANCELLED",
        );
        refused(
            cancel(app, &booked, true).await,
            PRECONDITION,
            "BOOKING_CANCELLED",
        );
        refused(
            reopen(app, &booked, false).await,
            PRECONDITION,
            "BOOKING_CANCELLED",
        );
        assert_eq!(balances(&shop, &package.id).await, ["8", "0", "0"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn of_two_completes_at_once_one_takes_effect(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(60)).await;
        let booked = book(app, lesson(&shop, STARTS_AT)).await.unwrap();
        app.clock.set(at(STARTS_AT));
        let (one, other, cancelled) = tokio::join!(
            complete(app, &booked),
            complete(app, &booked),
            cancel(app, &booked, false)
        );
        let results = [one, other, cancelled];
        assert_eq!(results.iter().filter(|it| it.is_ok()).count(), 1);
        let state = get(app, &booked.id).await.state();
        let (reason, used) = if state == BookingState::Completed {
            ("BOOKING_COMPLETED", ["7", "0", "1"])
        } else {
            assert_eq!(state, BookingState::Cancelled);
            ("BOOKING_CANCELLED", ["8", "0", "0"])
        };
        for result in results.into_iter().filter(Result::is_err) {
            refused(result, PRECONDITION, reason);
        }
        assert_eq!(balances(&shop, &package.id).await, used);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn undoing_a_completion_restores_the_original_lot_and_not_the_newest(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let original = shop.sell_lessons("8", days(60)).await;
        let booked = book(app, lesson(&shop, STARTS_AT)).await.unwrap();
        refused(
            reopen(app, &booked, false).await,
            PRECONDITION,
            "BOOKING_NOT_ENDED",
        );
        app.clock.set(at(STARTS_AT));
        complete(app, &booked).await.unwrap();
        let newest = shop.sell_lessons("8", days(30)).await;
        let reopened = reopen(app, &booked, false).await.unwrap();
        assert_eq!(reopened.state(), BookingState::Booked);
        assert_eq!(reopened.packages[0].package_id, original.id);
        assert_eq!(balances(&shop, &original.id).await, ["7", "1", "0"]);
        assert_eq!(balances(&shop, &newest.id).await, ["8", "0", "0"]);
        let missed = mark_no_show(app, &reopened).await.unwrap();
        let open = reopen(app, &missed, true).await.unwrap();
        assert!(open.packages.is_empty() && open.hold_id.is_empty());
        assert_eq!(balances(&shop, &original.id).await, ["8", "0", "0"]);
        let clerk = app.allowed_only(&[Permission::BookingsManage]).await;
        let done = complete(&clerk, &open).await.unwrap();
        for denied in [
            reopen(&clerk, &done, true).await,
            cancel(&clerk, &done, true).await,
        ] {
            let numbers = refused(denied, Code::PermissionDenied, "PERMISSION_DENIED");
            assert_eq!(numbers["permission"], "BOOKINGS_AMEND");
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_completion_cannot_be_undone_into_a_package_that_has_ended_unless_without_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(10)).await;
        let booked = book(app, lesson(&shop, STARTS_AT)).await.unwrap();
        app.clock.set(at(STARTS_AT));
        complete(app, &booked).await.unwrap();
        app.clock.set(at("2026-02-10T10:00:00Z"));
        refused(
            reopen(app, &booked, false).await,
            PRECONDITION,
            "PACKAGE_EXPIRED",
        );
        assert_eq!(balances(&shop, &package.id).await, ["0", "0", "1"]);
        reopen(app, &booked, true).await.unwrap();
        assert_eq!(balances(&shop, &package.id).await, ["0", "0", "0"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_booking_whose_package_was_taken_away_is_not_completed_by_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(60)).await;
        let booked = book(app, lesson(&shop, STARTS_AT)).await.unwrap();
        let revoke = v1::RevokePackageRequest {
            request_id: app.request_id(),
            package_id: package.id.clone(),
            ..Default::default()
        };
        app.packages().revoke_package(revoke).await.unwrap();
        let without = get(app, &booked.id).await;
        assert!(without.packages.is_empty() && without.hold_id.is_empty());
        app.clock.set(at(STARTS_AT));
        refused(
            complete(app, &booked).await,
            PRECONDITION,
            "HOLD_ALREADY_RELEASED",
        );
        let cancelled = cancel(app, &booked, false).await.unwrap();
        assert_eq!(cancelled.state(), BookingState::Cancelled);
    })
    .await;
}
