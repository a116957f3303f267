//! `ReportService.Export`: all pages of a list, one after the other, as CSV.
//!
//! The pages come from the very handlers that clients page through, so an export shows what they show, and
//! nothing of the database is held while its reader takes its time. The ledger, which is by far the longest of
//! them, is read by what its handler reads with, more at once, and ahead of the reader by one such piece.

use prost_reflect::DescriptorPool;
use tonic::{Request, Response, Status};

use crate::domain::permission::Permission;
use crate::grpc::api::{Api, use_case};
use crate::grpc::bookings::Bookings;
use crate::grpc::convert::history::to_entry;
use crate::grpc::convert::reporting;
use crate::grpc::csv::Sheet;
use crate::grpc::customers::Customers;
use crate::grpc::emails::Emails;
use crate::grpc::faults::Faults;
use crate::grpc::invoices::Invoices;
use crate::grpc::layers::panic::internal;
use crate::grpc::page::Paged;
use crate::grpc::reports::Reports;
use crate::grpc::stream::{End, Feeder};
use crate::proto::FILE_DESCRIPTOR_SET;
use crate::proto::v1;
use crate::proto::v1::booking_service_server::BookingService;
use crate::proto::v1::customer_service_server::CustomerService;
use crate::proto::v1::email_service_server::EmailService;
use crate::proto::v1::export_request::Of;
use crate::proto::v1::invoice_service_server::InvoiceService;
use crate::proto::v1::report_service_server::ReportService;
use crate::service::Caller;
use crate::service::history::Amount;
use crate::service::reports::ledger::{self, LedgerQuery};

/// How many rows a page has.
const PAGE_SIZE: i32 = 200;
/// With how many bytes a part of the text is sent.
const PART_BYTES: usize = 64 * 1024;

/// Reads what is to be exported.
pub fn export(message: &v1::ExportRequest, faults: &mut Faults) -> Option<Of> {
    let of = faults.required("of", message.of.as_ref())?;
    let (field, is_paged) = match of {
        Of::Outstanding(request) => ("outstanding", is_paged(request)),
        Of::Packages(request) => ("packages", is_paged(request)),
        Of::Ledger(request) => ("ledger", is_paged(request)),
        Of::Liability(_) => ("liability", false),
        Of::Customers(request) => ("customers", is_paged(request)),
        Of::Invoices(request) => ("invoices", is_paged(request)),
        Of::Bookings(request) => ("bookings", is_paged(request)),
        Of::Emails(request) => ("emails", is_paged(request)),
    };
    if is_paged {
        faults.within(field, |faults| {
            faults.add("page_size", "must not be given, nor page_token");
        });
        return None;
    }
    Some(of.clone())
}

fn is_paged(request: &impl Paged) -> bool {
    request.page_size() != 0 || !request.page_token().is_empty()
}

/// What the method that lists it needs.
pub const fn needed(of: &Of) -> Permission {
    match of {
        Of::Outstanding(_) | Of::Packages(_) | Of::Liability(_) => Permission::ReportsRead,
        Of::Ledger(_) => Permission::LedgerRead,
        Of::Customers(_) => Permission::CustomersRead,
        Of::Invoices(_) => Permission::InvoicesRead,
        Of::Bookings(_) => Permission::BookingsRead,
        Of::Emails(_) => Permission::EmailsRead,
    }
}

/// The text on its way out.
struct Text<'a> {
    sheet: Sheet,
    written: String,
    rows: u64,
    feeder: &'a mut Feeder<v1::ExportResponse>,
}

impl<'a> Text<'a> {
    /// Begins with the header of messages of the type `name`; see [`Sheet::new`].
    fn begin(
        name: &str,
        rows_of: &str,
        feeder: &'a mut Feeder<v1::ExportResponse>,
    ) -> Result<Self, Status> {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).map_err(|_| internal())?;
        let sheet = Sheet::new(&pool, name, rows_of).ok_or_else(internal)?;
        let mut written = String::new();
        sheet.push_header(&mut written);
        Ok(Self {
            sheet,
            written,
            rows: 0,
            feeder,
        })
    }

    async fn push(&mut self, message: &impl prost::Message) -> Result<(), End> {
        let rows = self.sheet.push(&mut self.written, message);
        self.rows = self.rows.saturating_add(rows.ok_or_else(internal)?);
        if self.written.len() >= PART_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        let part = v1::ExportResponse {
            csv: std::mem::take(&mut self.written).into_bytes(),
            rows: i64::try_from(self.rows).unwrap_or(i64::MAX),
        };
        self.feeder.send(part).await
    }
}

/// Writes all pages of a list: `$call` is its handler, `$rows` the field of its answer that has the rows.
macro_rules! all_pages {
    ($text:expr, $caller:expr, $request:expr, $service:expr, $call:ident, $rows:ident) => {{
        let (mut text, service) = ($text, $service);
        let mut request = $request;
        request.page_size = PAGE_SIZE;
        loop {
            let answer = service.$call(from($caller, request.clone())).await;
            let page = answer.map(Response::into_inner)?;
            for row in &page.$rows {
                text.push(row).await?;
            }
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        text.flush().await
    }};
}

/// Writes all that is asked for.
pub async fn write(
    api: Api,
    caller: &Caller,
    of: Of,
    feeder: &mut Feeder<v1::ExportResponse>,
) -> Result<(), End> {
    match of {
        Of::Outstanding(request) => {
            let text = Text::begin("Holder", "", feeder)?;
            all_pages!(text, caller, request, Reports(api), outstanding, holders)
        }
        Of::Packages(request) => {
            let text = Text::begin("PackageRow", "package.lines", feeder)?;
            all_pages!(text, caller, request, Reports(api), packages, packages)
        }
        Of::Ledger(request) => {
            let text = Text::begin("Entry", "", feeder)?;
            write_ledger(text, caller, request, api).await
        }
        Of::Customers(request) => {
            let text = Text::begin("Customer", "", feeder)?;
            all_pages!(
                text,
                caller,
                request,
                Customers(api),
                list_customers,
                customers
            )
        }
        Of::Invoices(request) => {
            let text = Text::begin("Invoice", "lines", feeder)?;
            all_pages!(
                text,
                caller,
                request,
                Invoices(api),
                list_invoices,
                invoices
            )
        }
        Of::Bookings(request) => {
            let text = Text::begin("Booking", "", feeder)?;
            all_pages!(
                text,
                caller,
                request,
                Bookings(api),
                list_bookings,
                bookings
            )
        }
        Of::Emails(request) => {
            let text = Text::begin("Email", "", feeder)?;
            all_pages!(text, caller, request, Emails(api), list_emails, emails)
        }
        Of::Liability(request) => {
            let mut text = Text::begin("RollForward", "", feeder)?;
            let answer = Reports(api).liability(from(caller, request)).await?;
            let answer = answer.into_inner();
            for row in answer.credit_types.iter().chain(&answer.total) {
                text.push(row).await?;
            }
            text.flush().await
        }
    }
}

/// Writes the entries of the ledger, the next ones being read meanwhile.
async fn write_ledger(
    mut text: Text<'_>,
    caller: &Caller,
    request: v1::LedgerRequest,
    api: Api,
) -> Result<(), End> {
    let (call, (query, _)) = Api::query(from(caller, request), |message, _, faults| {
        reporting::ledger(message, faults)
    })?;
    let currency = call.currency();
    let read = |after| {
        let query = LedgerQuery {
            after,
            amount: Amount::Piece,
            ..query.clone()
        };
        api.run(call.clone(), query, use_case!(ledger::list))
    };
    let mut piece = read(None).await?;
    loop {
        let write = async {
            for row in piece.rows {
                text.push(&to_entry(row, currency)).await?;
            }
            Ok::<_, End>(())
        };
        let Some(after) = piece.next else {
            write.await?;
            return text.flush().await;
        };
        let (ahead, written) = tokio::join!(read(Some(after)), write);
        written?;
        piece = ahead?;
    }
}

/// A request of the same caller.
pub(super) fn from<M>(caller: &Caller, message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller.clone());
    request
}
