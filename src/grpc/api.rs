//! What every handler does around its use case: read the request with all its faults, run the use case
//! in a task of its own, and say how it ended.
//!
//! A client that hangs up drops the handler, never the task: a database unit is not cut in the middle.
//! A unit that lost to others is tried again here, as a whole; one that waited too long is not. One whose connection
//! to the database broke may have been committed: it is tried again where its request id tells.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use prost::Message;
use rand::RngExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};
use tracing::Instrument;
use uuid::Uuid;

use crate::domain::audit::Touched;
use crate::grpc::faults::Faults;
use crate::grpc::layers::panic::internal;
use crate::grpc::layers::shed::Place;
use crate::grpc::page::{Page, Paged};
use crate::grpc::refusal;
use crate::grpc::stream::{End, Feeder, Messages};
use crate::proto::v1;
use crate::service::{Call, Caller, Context, ServiceError, denials, within};

/// How often a unit is tried that lost to others, or its connection.
const TRIES_MAX: u32 = 6;
/// The longest pause before the second try; it doubles with each.
const FIRST_PAUSE_MILLISECONDS_MAX: u64 = 20;

/// What the handlers of all services share.
#[derive(Clone, Debug)]
pub struct Api {
    ctx: Arc<Context>,
    tasks: TaskTracker,
}

/// A request that writes.
pub trait Command: Message + Clone {
    /// The name of its method.
    const METHOD: &'static str;

    /// Reads its request id, which some calls must have and others may.
    fn read_request_id(&self, faults: &mut Faults) -> Option<Option<Uuid>>;

    /// Whether nothing is to be kept.
    fn validate_only(&self) -> bool;

    /// The same without request id and `validate_only`: what must be equal in a repeat.
    #[must_use]
    fn essence(&self) -> Self;
}

macro_rules! commands {
    ($($reader:ident: $($method:literal $request:ident),+;)+) => {$($(
        impl Command for v1::$request {
            const METHOD: &'static str = $method;

            fn read_request_id(&self, faults: &mut Faults) -> Option<Option<Uuid>> {
                $reader(&self.request_id, faults)
            }

            fn validate_only(&self) -> bool {
                self.validate_only
            }

            fn essence(&self) -> Self {
                let mut essence = self.clone();
                essence.request_id.clear();
                essence.validate_only = false;
                essence
            }
        }
    )+)+};
}

commands! {
    required:
        "SellPackages" SellPackagesRequest,
        "BuyPackage" BuyPackageRequest,
        "ExtendPackage" ExtendPackageRequest,
        "ExtendPackages" ExtendPackagesRequest,
        "CreateClosure" CreateClosureRequest,
        "UpdateClosure" UpdateClosureRequest,
        "UndoClosure" UndoClosureRequest,
        "UpdatePackage" UpdatePackageRequest,
        "FreezePackage" FreezePackageRequest,
        "UnfreezePackage" UnfreezePackageRequest,
        "UndoSale" UndoSaleRequest,
        "TransferPackage" TransferPackageRequest,
        "RevokePackage" RevokePackageRequest,
        "ReinstatePackage" ReinstatePackageRequest,
        "RecordPayment" RecordPaymentRequest,
        "CreateInvoice" CreateInvoiceRequest,
        "UpdateInvoice" UpdateInvoiceRequest,
        "IssueInvoice" IssueInvoiceRequest,
        "VoidInvoice" VoidInvoiceRequest,
        "ApplyCredits" ApplyCreditsRequest,
        "RemoveCredits" RemoveCreditsRequest,
        "ReversePayment" ReversePaymentRequest,
        "RecordRefund" RecordRefundRequest,
        "FailCharge" FailChargeRequest,
        "CreateSubscription" CreateSubscriptionRequest,
        "RecordRenewal" RecordRenewalRequest,
        "CreateBooking" CreateBookingRequest,
        "UpdateBooking" UpdateBookingRequest,
        "CompleteBooking" CompleteBookingRequest,
        "CancelBooking" CancelBookingRequest,
        "MarkNoShow" MarkNoShowRequest,
        "ReopenBooking" ReopenBookingRequest,
        "ChangePackage" ChangePackageRequest,
        "CreateBookingSeries" CreateBookingSeriesRequest,
        "CancelBookingSeries" CancelBookingSeriesRequest,
        "FireEvent" FireEventRequest,
        "Issue" IssueRequest,
        "Consume" ConsumeRequest,
        "Hold" HoldRequest,
        "Capture" CaptureRequest,
        "Release" ReleaseRequest,
        "Reverse" ReverseRequest,
        "MoveConsumption" MoveConsumptionRequest,
        "Adjust" AdjustRequest;
    optional:
        "UpdateSettings" UpdateSettingsRequest,
        "CreateToken" CreateTokenRequest,
        "RotateToken" RotateTokenRequest,
        "RevokeToken" RevokeTokenRequest,
        "CreateUser" CreateUserRequest,
        "UpdateUser" UpdateUserRequest,
        "CreateRole" CreateRoleRequest,
        "UpdateRole" UpdateRoleRequest,
        "CreateCreditType" CreateCreditTypeRequest,
        "UpdateCreditType" UpdateCreditTypeRequest,
        "ArchiveCreditType" ArchiveCreditTypeRequest,
        "CreateItem" CreateItemRequest,
        "UpdateItem" UpdateItemRequest,
        "ArchiveItem" ArchiveItemRequest,
        "CreateTemplate" CreateTemplateRequest,
        "UpdateTemplate" UpdateTemplateRequest,
        "ActivateTemplate" ActivateTemplateRequest,
        "ArchiveTemplate" ArchiveTemplateRequest,
        "UnarchiveTemplate" UnarchiveTemplateRequest,
        "CloneTemplate" CloneTemplateRequest,
        "CreateCustomer" CreateCustomerRequest,
        "UpdateCustomer" UpdateCustomerRequest,
        "CancelSubscription" CancelSubscriptionRequest,
        "CreateTrigger" CreateTriggerRequest,
        "UpdateTrigger" UpdateTriggerRequest,
        "ArchiveTrigger" ArchiveTriggerRequest,
        "UpdateReminderPolicy" UpdateReminderPolicyRequest,
        "AddSuppression" AddSuppressionRequest,
        "RemoveSuppression" RemoveSuppressionRequest,
        "ReportBounce" ReportBounceRequest,
        "RetryEmail" RetryEmailRequest,
        "CancelEmail" CancelEmailRequest,
        "SaveEmailTemplate" SaveEmailTemplateRequest,
        "ResetEmailTemplate" ResetEmailTemplateRequest,
        "SendTest" SendTestRequest,
        "MergeCustomers" MergeCustomersRequest,
        "EraseCustomer" EraseCustomerRequest,
        "CreateGroup" CreateGroupRequest,
        "UpdateGroup" UpdateGroupRequest,
        "AddGroupMember" AddGroupMemberRequest,
        "RemoveGroupMember" RemoveGroupMemberRequest,
        "AddMember" AddMemberRequest,
        "RemoveMember" RemoveMemberRequest;
}

#[expect(
    clippy::option_option,
    reason = "outside: whether it could be read; inside: whether it is there"
)]
fn required(text: &str, faults: &mut Faults) -> Option<Option<Uuid>> {
    faults.request_id(text).map(Some)
}

#[expect(
    clippy::option_option,
    reason = "outside: whether it could be read; inside: whether it is there"
)]
fn optional(text: &str, faults: &mut Faults) -> Option<Option<Uuid>> {
    faults.optional_request_id(text)
}

impl Api {
    /// Handlers on `ctx`, whose units run among `tasks`.
    pub fn new(ctx: Context, tasks: TaskTracker) -> Self {
        Self {
            ctx: Arc::new(ctx),
            tasks,
        }
    }

    /// Reads a request that writes; `read` reads all but its request id.
    pub fn command<M: Command, I>(
        request: Request<M>,
        read: impl FnOnce(&M, &Caller, &mut Faults) -> Option<I>,
    ) -> Result<(Call, I), Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let mut faults = Faults::new();
        let request_id = message.read_request_id(&mut faults);
        let input = read(&message, &caller, &mut faults);
        let touched = faults.touched();
        let (request_id, input) = faults.all((request_id, input))?;
        let mut hasher = Sha256::new();
        hasher.update(M::METHOD.as_bytes());
        hasher.update([0]);
        hasher.update(message.essence().encode_to_vec());
        // What a customer asks for itself does not name it: nobody else's repeat is one.
        if let Some(customer_id) = caller.customer_id {
            hasher.update(customer_id.uuid().as_bytes());
        }
        let call = Call {
            caller,
            method: M::METHOD,
            request_id,
            hash: hasher.finalize().into(),
            validate_only: message.validate_only(),
            touched,
        };
        Ok((call, input))
    }

    /// Reads a request that only reads.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "handlers own their request and are done with it here, as in `command`"
    )]
    pub fn query<M, I>(
        request: Request<M>,
        read: impl FnOnce(&M, &Caller, &mut Faults) -> Option<I>,
    ) -> Result<(Call, I), Status> {
        let caller = caller(&request)?;
        let mut faults = Faults::new();
        let input = read(request.get_ref(), &caller, &mut faults);
        let input = faults.all(input)?;
        let call = Call {
            caller,
            method: "",
            request_id: None,
            hash: [0; 32],
            validate_only: false,
            touched: Touched::default(),
        };
        Ok((call, input))
    }

    /// Runs a use case in a task of its own.
    pub async fn run<I, T, W>(&self, call: Call, input: I, work: W) -> Result<T, Status>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        W: for<'a> Fn(&'a Context, &'a Call, &'a I) -> BoxFuture<'a, Result<T, ServiceError>>
            + Send
            + Sync
            + 'static,
    {
        let ctx = Arc::clone(&self.ctx);
        let place = Place::of_this_call();
        let business_id = call.business_id();
        let unit = within(business_id, async move {
            let _place = place;
            let mut tries = 1;
            loop {
                let result = work(&ctx, &call, &input).await;
                let again = result.as_ref().is_err_and(|error| {
                    error.is_worth_another_try() || (error.is_cut_off() && call.may_run_twice())
                });
                if !again || tries >= TRIES_MAX {
                    if let Err(error) = &result {
                        denials::note_refused(&ctx, &call, error).await;
                    }
                    return result;
                }
                pause_before(tries).await;
                tries = tries.saturating_add(1);
            }
        });
        match self.tasks.spawn(unit.in_current_span()).await {
            Ok(result) => result.map_err(|error| refusal::status(&error)),
            Err(error) => {
                tracing::error!(%error, "a use case ended in a panic: {error}");
                Err(internal())
            }
        }
    }
}

/// A use case as [`Api`] runs it.
pub type UseCase<I, T> =
    for<'a> fn(&'a Context, &'a Call, &'a I) -> BoxFuture<'a, Result<T, ServiceError>>;

/// The [`UseCase`] that a function of the services is.
macro_rules! use_case {
    ($work:path) => {
        |ctx, call, input| Box::pin($work(ctx, call, input))
    };
}
pub(crate) use use_case;

impl Api {
    /// Answers a request that writes: `read` reads all of it but its request id, `work` is its use case,
    /// and `answer` says what came of it.
    pub async fn write<M: Command, I, T, R>(
        &self,
        request: Request<M>,
        read: impl FnOnce(&M, &Caller, &mut Faults) -> Option<I>,
        work: UseCase<I, T>,
        answer: impl FnOnce(T, &Call) -> R,
    ) -> Result<Response<R>, Status>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (call, input) = Self::command(request, read)?;
        let done = self.run(call.clone(), input, work).await?;
        Ok(Response::new(answer(done, &call)))
    }

    /// Answers a request that only reads, like [`Api::write`].
    pub async fn read<M, I, T, R>(
        &self,
        request: Request<M>,
        read: impl FnOnce(&M, &mut Faults) -> Option<I>,
        work: UseCase<I, T>,
        answer: impl FnOnce(T, &Call) -> R,
    ) -> Result<Response<R>, Status>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (call, input) = Self::query(request, |message, _, faults| read(message, faults))?;
        let found = self.run(call.clone(), input, work).await?;
        Ok(Response::new(answer(found, &call)))
    }

    /// Answers with a stream that `feed` makes in a task of its own.
    pub fn stream<T, F>(&self, feed: F) -> Result<Response<Messages<T>>, Status>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Feeder<T>) -> BoxFuture<'a, Result<(), End>> + Send + 'static,
    {
        let (mut feeder, messages) = Feeder::open(&self.ctx.readiness)?;
        let place = Place::of_this_call();
        self.tasks.spawn(async move {
            let _place = place;
            let end = feed(&mut feeder).await;
            feeder.end(end);
        });
        Ok(Response::new(messages))
    }

    /// Answers a request for a page of a list: `work` finds one row more than the page has, `position` is
    /// what the token of the next page says of a row, and `answer` gets the rows and that token.
    pub async fn list<M: Paged, P, I, T, R>(
        &self,
        request: Request<M>,
        read: impl FnOnce(&M, &Page<P>, &mut Faults) -> Option<I>,
        work: UseCase<I, Vec<T>>,
        position: impl FnOnce(&T) -> P,
        answer: impl FnOnce(Vec<T>, String, &Call) -> R,
    ) -> Result<Response<R>, Status>
    where
        P: Serialize + DeserializeOwned,
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (call, (page, input)) = Self::query(request, |message, _, faults| {
            let page = Page::read(message, faults);
            // What else is wrong is read even where the page is not good.
            let input = read(message, page.as_ref().unwrap_or(&Page::first()), faults);
            page.zip(input)
        })?;
        let found = self.run(call.clone(), input, work).await?;
        let (found, next_page_token) = page.cut(found, position)?;
        Ok(Response::new(answer(found, next_page_token, &call)))
    }
}

/// Who calls, as the layer of authentication found out.
fn caller<M>(request: &Request<M>) -> Result<Caller, Status> {
    request
        .extensions()
        .get::<Caller>()
        .cloned()
        .ok_or_else(internal)
}

/// Waits a random while, longer with each try, so that those who collided do not collide again.
async fn pause_before(tries: u32) {
    let most = FIRST_PAUSE_MILLISECONDS_MAX.saturating_mul(1 << tries.min(6));
    let pause = rand::rng().random_range(0..=most);
    tokio::time::sleep(Duration::from_millis(pause)).await;
}
