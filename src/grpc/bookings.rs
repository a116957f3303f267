//! `BookingService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::booking::{self as convert, to_booking, to_made};
use crate::proto::v1;
use crate::service::bookings::{self, changing, ending, series};

/// The handlers of `BookingService`.
#[derive(Clone, Debug)]
pub struct Bookings(pub Api);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl v1::booking_service_server::BookingService for Bookings {
    async fn create_booking(
        &self,
        request: Request<v1::CreateBookingRequest>,
    ) -> Answered<v1::CreateBookingResponse> {
        self.0
            .write(
                request,
                convert::new_booking,
                use_case!(bookings::create),
                |answer, call| v1::CreateBookingResponse {
                    booking: Some(to_made(answer.value, call)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn get_booking(
        &self,
        request: Request<v1::GetBookingRequest>,
    ) -> Answered<v1::GetBookingResponse> {
        self.0
            .read(
                request,
                |message, faults| faults.reference("booking_id", &message.booking_id),
                use_case!(bookings::get),
                |found, _| v1::GetBookingResponse {
                    booking: Some(to_booking(found)),
                },
            )
            .await
    }

    async fn list_bookings(
        &self,
        request: Request<v1::ListBookingsRequest>,
    ) -> Answered<v1::ListBookingsResponse> {
        self.0
            .list(
                request,
                convert::booking_list,
                use_case!(bookings::list),
                |row| (row.booking.starts_at.timestamp_micros(), row.booking.id),
                |found, next_page_token, _| v1::ListBookingsResponse {
                    bookings: found.into_iter().map(to_booking).collect(),
                    next_page_token,
                },
            )
            .await
    }

    async fn update_booking(
        &self,
        request: Request<v1::UpdateBookingRequest>,
    ) -> Answered<v1::UpdateBookingResponse> {
        self.0
            .write(
                request,
                convert::booking_update,
                use_case!(changing::update),
                |answer, _| v1::UpdateBookingResponse {
                    booking: Some(to_booking(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn complete_booking(
        &self,
        request: Request<v1::CompleteBookingRequest>,
    ) -> Answered<v1::CompleteBookingResponse> {
        self.0
            .write(
                request,
                convert::completion,
                use_case!(ending::end),
                |answer, _| v1::CompleteBookingResponse {
                    booking: Some(to_booking(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn cancel_booking(
        &self,
        request: Request<v1::CancelBookingRequest>,
    ) -> Answered<v1::CancelBookingResponse> {
        self.0
            .write(
                request,
                convert::booking_cancellation,
                use_case!(ending::end),
                |answer, _| v1::CancelBookingResponse {
                    booking: Some(to_booking(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn mark_no_show(
        &self,
        request: Request<v1::MarkNoShowRequest>,
    ) -> Answered<v1::MarkNoShowResponse> {
        self.0
            .write(
                request,
                convert::no_show,
                use_case!(ending::end),
                |answer, _| v1::MarkNoShowResponse {
                    booking: Some(to_booking(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn reopen_booking(
        &self,
        request: Request<v1::ReopenBookingRequest>,
    ) -> Answered<v1::ReopenBookingResponse> {
        self.0
            .write(
                request,
                convert::reopening,
                use_case!(ending::reopen),
                |answer, _| v1::ReopenBookingResponse {
                    booking: Some(to_booking(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn change_package(
        &self,
        request: Request<v1::ChangePackageRequest>,
    ) -> Answered<v1::ChangePackageResponse> {
        self.0
            .write(
                request,
                convert::payer_change,
                use_case!(changing::change_package),
                |answer, _| v1::ChangePackageResponse {
                    booking: Some(to_booking(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn create_booking_series(
        &self,
        request: Request<v1::CreateBookingSeriesRequest>,
    ) -> Answered<v1::CreateBookingSeriesResponse> {
        self.0
            .write(
                request,
                convert::new_series,
                use_case!(series::create),
                |answer, call| {
                    let made = answer.value.bookings.into_iter();
                    let series_id = answer.value.series_id.to_string();
                    v1::CreateBookingSeriesResponse {
                        series_id: if call.validate_only {
                            String::new()
                        } else {
                            series_id
                        },
                        bookings: made.map(|view| to_made(view, call)).collect(),
                        replayed: answer.replayed,
                    }
                },
            )
            .await
    }

    async fn cancel_booking_series(
        &self,
        request: Request<v1::CancelBookingSeriesRequest>,
    ) -> Answered<v1::CancelBookingSeriesResponse> {
        self.0
            .write(
                request,
                convert::series_cancellation,
                use_case!(series::cancel),
                |answer, _| v1::CancelBookingSeriesResponse {
                    bookings: answer.value.bookings.into_iter().map(to_booking).collect(),
                    replayed: answer.replayed,
                },
            )
            .await
    }
}
