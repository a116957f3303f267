//! Bookings that are made and cancelled together.

use carnet::proto::v1;
use carnet::proto::v1::{BookingState, PackageChoice};
use rstest::rstest;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{PRECONDITION, at, balances, cancel, complete, get, stamp};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days, until};

fn weekly(shop: &Shop, starts_at: &str, count: i32) -> v1::CreateBookingSeriesRequest {
    v1::CreateBookingSeriesRequest {
        request_id: shop.tenant.request_id(),
        customer_id: shop.customer.clone(),
        item_id: shop.swim.clone(),
        starts_at: stamp(starts_at),
        count,
        ..Default::default()
    }
}

async fn book_all(
    app: &TestApp,
    request: v1::CreateBookingSeriesRequest,
) -> Result<v1::CreateBookingSeriesResponse, Status> {
    let answer = app.bookings().create_booking_series(request).await?;
    Ok(answer.into_inner())
}

async fn cancel_all(
    app: &TestApp,
    series_id: &str,
) -> Result<v1::CancelBookingSeriesResponse, Status> {
    let request = v1::CancelBookingSeriesRequest {
        request_id: app.request_id(),
        series_id: series_id.to_owned(),
        ..Default::default()
    };
    let answer = app.bookings().cancel_booking_series(request).await?;
    Ok(answer.into_inner())
}

#[rstest]
#[tokio::test]
async fn each_occurrence_holds_its_own_credits_at_the_same_local_time(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(120)).await;
        // Clocks go forward on 29 March.
        let request = v1::CreateBookingSeriesRequest {
            ends_at: stamp("2026-03-19T17:00:00Z"),
            ..weekly(&shop, "2026-03-19T16:00:00Z", 3)
        };
        let made = book_all(app, request.clone()).await.unwrap();
        assert!(made.series_id.starts_with("bks_"), "{}", made.series_id);
        let starts: Vec<_> = made.bookings.iter().map(|it| it.starts_at).collect();
        let expected = [
            "2026-03-19T16:00:00Z",
            "2026-03-26T16:00:00Z",
            "2026-04-02T15:00:00Z",
        ];
        assert_eq!(starts, expected.map(stamp));
        assert_eq!(made.bookings[2].ends_at, stamp("2026-04-02T16:00:00Z"));
        assert_eq!(made.bookings[2].series_index, 2);
        assert_eq!(balances(&shop, &package.id).await, ["5", "3", "0"]);
        let again = book_all(app, request).await.unwrap();
        assert!(again.replayed);
        assert_eq!(again.bookings, made.bookings);
        let of_series = v1::ListBookingsRequest {
            series_id: made.series_id.clone(),
            ..Default::default()
        };
        let listed = app
            .bookings()
            .list_bookings(of_series)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(listed.bookings.len(), 3);

        app.clock.set(at("2026-03-26T17:00:00Z"));
        complete(app, &made.bookings[0]).await.unwrap();
        let cancelled = cancel_all(app, &made.series_id).await.unwrap();
        let ids: Vec<_> = cancelled.bookings.iter().map(|it| it.id.clone()).collect();
        assert_eq!(ids, [made.bookings[2].id.clone()]);
        assert_eq!(balances(&shop, &package.id).await, ["6", "1", "1"]);
        let state = |booking: v1::Booking| booking.state();
        assert_eq!(
            state(get(app, &made.bookings[1].id).await),
            BookingState::Booked
        );
        assert!(
            cancel_all(app, &made.series_id)
                .await
                .unwrap()
                .bookings
                .is_empty()
        );
        cancel(app, &made.bookings[1], false).await.unwrap();
        assert_eq!(balances(&shop, &package.id).await, ["7", "0", "1"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_series_holds_all_or_nothing_and_lists_what_fails_by_index(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", until("2026-02-04")).await;
        let named = v1::CreateBookingSeriesRequest {
            package_ids: vec![package.id.clone()],
            ..weekly(&shop, "2026-01-21T16:00:00Z", 5)
        };
        let status = book_all(app, named).await.unwrap_err();
        let unmet = status.get_details_precondition_failure().unwrap();
        let told: Vec<_> = unmet
            .violations
            .iter()
            .map(|it| (it.r#type.as_str(), it.subject.as_str()))
            .collect();
        let expected = [
            ("PACKAGE_EXPIRED", "occurrences[3]"),
            ("PACKAGE_EXPIRED", "occurrences[4]"),
        ];
        assert_eq!(told, expected);
        let numbers = refused::<()>(Err(status), PRECONDITION, "BOOKING_SERIES_REFUSED");
        assert_eq!(numbers["refused"], "2");
        assert_eq!(balances(&shop, &package.id).await, ["8", "0", "0"]);
        let nine = weekly(&shop, "2026-01-21T16:00:00Z", 9);
        refused(
            book_all(app, nine.clone()).await,
            PRECONDITION,
            "BOOKING_SERIES_REFUSED",
        );
        let unpaid = v1::CreateBookingSeriesRequest {
            package_choice: PackageChoice::None.into(),
            ..nine
        };
        let unpaid = book_all(app, unpaid).await.unwrap();
        assert!(unpaid.bookings.iter().all(|it| it.packages.is_empty()));
        assert_eq!(
            cancel_all(app, &unpaid.series_id)
                .await
                .unwrap()
                .bookings
                .len(),
            9
        );
        let unknown = unpaid.series_id.replace("bks_0", "bks_1");
        refused(cancel_all(app, &unknown).await, Code::NotFound, "NOT_FOUND");
        let faults = field_faults(book_all(app, weekly(&shop, "2026-01-21T16:00:00Z", 201)).await);
        assert_eq!(faults[0].0, "count");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_series_spreads_over_the_packages_that_can_pay_each_time(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let first = shop.sell_lessons("2", days(60)).await;
        let second = shop.sell_lessons("8", days(90)).await;
        let made = book_all(app, weekly(&shop, "2026-01-21T16:00:00Z", 3))
            .await
            .unwrap();
        let paid: Vec<_> = made
            .bookings
            .iter()
            .map(|it| it.packages[0].package_id.as_str())
            .collect();
        assert_eq!(paid, [&first.id, &first.id, &second.id]);
    })
    .await;
}
