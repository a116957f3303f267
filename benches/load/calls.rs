//! The calls that are measured, one function for each kind of work.
//!
//! To add a kind: a variant of [`Work`], its function, and a row in `benches/run`.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use carnet::clock::Clock;
use carnet::ids::new_uuid;
use carnet::proto::v1;
use carnet::proto::v1::credit_service_client::CreditServiceClient;
use clap::ValueEnum;
use rand::RngExt;
use rand::rngs::SmallRng;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::dataset::{Dataset, Group, PACKAGES_PER_CUSTOMER, Tenant, owner};
use crate::desk::Desk;
use crate::selling::{ENTRIES_PER_SALE_MAX, Seller};

/// A method that does not exist.
const NO_METHOD: &str = "/carnet.v1.CreditService/NoSuchMethod";

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// One unit of an item; half of the calls name a package, half let it pick among three.
    Consume,
    /// The same, always of one package.
    ConsumeHot,
    /// Three units from three packages of one credit each, which uses them up.
    ConsumeThree,
    /// Of two calls one holds a unit and the other captures it.
    HoldAndCapture,
    /// Of two calls one uses a unit and the other undoes that.
    ConsumeAndReverse,
    /// The balance of a customer.
    GetBalance,
    /// A call of a method that does not exist with a good token, which is looked up before that is told.
    Known,
    /// The same call without a token, which is refused for that at the same place.
    Stranger,
    /// One call of four takes effect, two repeat it, one asks for too much.
    RefusalsAndRepeats,
    /// The business that sells sells one package.
    SellOne,
    /// It sells as many as a call takes.
    SellMany,
    /// What a customer of it with `--holding` packages could pay with.
    ListUsable,
    /// Four calls: an invoice is made, credits are applied, it is issued and paid.
    Invoice,
    /// Two calls: a booking that a package pays by itself is made and completed.
    Booking,
}

impl Work {
    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Consume => "consume",
            Self::ConsumeHot => "consume-hot",
            Self::ConsumeThree => "consume-three",
            Self::HoldAndCapture => "hold-and-capture",
            Self::ConsumeAndReverse => "consume-and-reverse",
            Self::GetBalance => "get-balance",
            Self::Known => "known",
            Self::Stranger => "stranger",
            Self::RefusalsAndRepeats => "refusals-and-repeats",
            Self::SellOne => "sell-one",
            Self::SellMany => "sell-many",
            Self::ListUsable => "list-usable",
            Self::Invoice => "invoice",
            Self::Booking => "booking",
        }
    }
}

/// A channel that sends a token with each call.
pub(crate) type Bearing = InterceptedService<Channel, Bearer>;

/// Adds a token to each call.
#[derive(Clone, Debug)]
pub(crate) struct Bearer(AsciiMetadataValue);

impl Bearer {
    pub(crate) fn new(tenant: &Tenant) -> anyhow::Result<Self> {
        Ok(Self(format!("Bearer {}", tenant.token).parse()?))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Customers whose packages are used up by a call, each given out once, to all callers together.
#[derive(Clone, Debug)]
pub(crate) struct Supply {
    next: Arc<AtomicU64>,
    end: u64,
}

impl Supply {
    pub(crate) fn new(range: Range<u64>) -> Self {
        Self {
            next: Arc::new(AtomicU64::new(range.start)),
            end: range.end,
        }
    }

    fn next(&self) -> Option<u64> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        (next < self.end).then_some(next)
    }
}

/// Whether there can be a next call.
pub(crate) type Progress = ControlFlow<()>;

/// One caller with one call under way.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    dataset: Dataset,
    credits: CreditServiceClient<Bearing>,
    channel: Channel,
    bearer: Bearer,
    random: SmallRng,
    supply: Supply,
    made: u64,
    last: v1::ConsumeRequest,
    held: String,
    seller: Seller,
    holding: u64,
    desk: Desk,
}

impl Caller {
    pub(crate) fn new(
        dataset: &Dataset,
        channel: Channel,
        random: SmallRng,
        supply: Supply,
        holding: u64,
    ) -> anyhow::Result<Self> {
        let bearer = Bearer::new(&dataset.business)?;
        let seller = Seller::new(dataset, channel.clone())?;
        let desk = Desk::new(dataset, channel.clone())?;
        Ok(Self {
            dataset: dataset.clone(),
            credits: CreditServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            channel,
            bearer,
            random,
            supply,
            made: 0,
            last: v1::ConsumeRequest::default(),
            held: String::new(),
            seller,
            holding,
            desk,
        })
    }

    /// Makes the next call of this work and looks at the answer; breaks off when its supply is used up.
    pub(crate) async fn call(&mut self, work: Work) -> anyhow::Result<Progress> {
        self.made = self.made.wrapping_add(1);
        match work {
            Work::Consume => {
                let package = self.random.random_range(0..self.dataset.packages);
                self.consume_one(package).await
            }
            Work::ConsumeHot => self.consume_one(0).await,
            Work::ConsumeThree => self.consume_three().await,
            Work::HoldAndCapture => self.hold_or_capture().await,
            Work::ConsumeAndReverse => self.consume_or_reverse().await,
            Work::GetBalance => self.get_balance().await,
            Work::Known => self.ask_for_nothing(Code::Unimplemented).await,
            Work::Stranger => self.ask_for_nothing(Code::Unauthenticated).await,
            Work::RefusalsAndRepeats => self.refusal_or_repeat().await,
            Work::SellOne => self.sell(1).await,
            Work::SellMany => self.sell(ENTRIES_PER_SALE_MAX).await,
            Work::ListUsable => self.list_usable().await,
            Work::Invoice => self.invoice().await,
            Work::Booking => self.book().await,
        }
    }

    async fn sell(&mut self, packages: u64) -> anyhow::Result<Progress> {
        let from = self.random.random_range(0..u64::from(u32::MAX));
        self.seller.sell_from(from, packages).await?;
        Ok(ControlFlow::Continue(()))
    }

    async fn invoice(&mut self) -> anyhow::Result<Progress> {
        let customer = self.any_customer();
        self.desk.invoice(customer).await?;
        Ok(ControlFlow::Continue(()))
    }

    async fn book(&mut self) -> anyhow::Result<Progress> {
        let customer = self.any_customer();
        self.desk.book(customer).await?;
        Ok(ControlFlow::Continue(()))
    }

    /// Any customer of the business whose credits are used.
    fn any_customer(&mut self) -> u64 {
        owner(self.random.random_range(0..self.dataset.packages))
    }

    async fn list_usable(&mut self) -> anyhow::Result<Progress> {
        self.seller.list_usable(self.holding).await?;
        Ok(ControlFlow::Continue(()))
    }

    async fn consume_one(&mut self, package: u64) -> anyhow::Result<Progress> {
        let package_ids = if self.random.random::<bool>() {
            vec![self.dataset.package_id(Group::Deep, package).to_string()]
        } else {
            Vec::new()
        };
        let request = self.consumption(Group::Deep, owner(package), package_ids);
        self.take_effect(request, 1).await
    }

    async fn consume_three(&mut self) -> anyhow::Result<Progress> {
        let Some(customer) = self.supply.next() else {
            return Ok(ControlFlow::Break(()));
        };
        let group = Group::Shallow;
        let mut request = self.consumption(group, customer, Vec::new());
        request.what = Some(self.units(PACKAGES_PER_CUSTOMER.to_string()));
        self.take_effect(request, 3).await
    }

    async fn hold_or_capture(&mut self) -> anyhow::Result<Progress> {
        if self.made % 2 == 1 {
            let customer = owner(self.random.random_range(0..self.dataset.packages));
            let item = v1::ItemUnits {
                item_id: self.dataset.business.item_id.clone(),
                units: String::new(),
            };
            let request = v1::HoldRequest {
                request_id: request_id(),
                customer_id: self.dataset.customer_id(Group::Deep, customer).to_string(),
                what: Some(v1::hold_request::What::Item(item)),
                ..v1::HoldRequest::default()
            };
            let answer = self.credits.hold(request).await?.into_inner();
            anyhow::ensure!(answer.parts.len() == 1, "one lot is held: {answer:?}");
            self.held = answer.hold_id;
        } else {
            let request = v1::CaptureRequest {
                request_id: request_id(),
                hold_id: self.held.clone(),
                ..v1::CaptureRequest::default()
            };
            let answer = self.credits.capture(request).await?.into_inner();
            anyhow::ensure!(answer.parts.len() == 1, "what is held is used: {answer:?}");
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn consume_or_reverse(&mut self) -> anyhow::Result<Progress> {
        if self.made % 2 == 1 {
            let customer = owner(self.random.random_range(0..self.dataset.packages));
            self.last = self.consumption(Group::Deep, customer, Vec::new());
            return self.take_effect(self.last.clone(), 1).await;
        }
        let request = v1::ReverseRequest {
            request_id: request_id(),
            posting_id: self.last.request_id.clone(),
            ..v1::ReverseRequest::default()
        };
        let answer = self.credits.reverse(request).await?.into_inner();
        anyhow::ensure!(
            answer.returned.len() == 1,
            "what was used is back: {answer:?}"
        );
        Ok(ControlFlow::Continue(()))
    }

    async fn get_balance(&mut self) -> anyhow::Result<Progress> {
        let customer = self.random.random_range(0..owner(self.dataset.packages));
        let customer_id = self.dataset.customer_id(Group::Deep, customer).to_string();
        let request = v1::GetBalanceRequest {
            scope: Some(v1::get_balance_request::Scope::CustomerId(customer_id)),
            ..v1::GetBalanceRequest::default()
        };
        let answer = self.credits.get_balance(request).await?.into_inner();
        anyhow::ensure!(answer.balances.len() == 1, "one credit type: {answer:?}");
        Ok(ControlFlow::Continue(()))
    }

    /// Calls a method that does not exist; with a token, unless it is refused for having none.
    async fn ask_for_nothing(&self, expected: Code) -> anyhow::Result<Progress> {
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await?;
        let codec: ProstCodec<v1::GetBalanceRequest, v1::GetBalanceResponse> =
            ProstCodec::default();
        let mut request = Request::new(v1::GetBalanceRequest::default());
        if expected != Code::Unauthenticated {
            let metadata = request.metadata_mut();
            metadata.insert("authorization", self.bearer.0.clone());
        }
        let path = PathAndQuery::from_static(NO_METHOD);
        let refused = client.unary(request, path, codec).await.err();
        let refused = refused.context("there is no such method")?;
        anyhow::ensure!(refused.code() == expected, "{refused}");
        Ok(ControlFlow::Continue(()))
    }

    async fn refusal_or_repeat(&mut self) -> anyhow::Result<Progress> {
        let package = self.random.random_range(0..self.dataset.packages);
        match self.made % 4 {
            1 => {
                self.last = self.consumption(Group::Deep, owner(package), Vec::new());
                self.take_effect(self.last.clone(), 1).await
            }
            2 | 3 => {
                let answer = self.credits.consume(self.last.clone()).await?.into_inner();
                anyhow::ensure!(answer.replayed, "a repeat is answered as one: {answer:?}");
                Ok(ControlFlow::Continue(()))
            }
            _ => {
                let mut request = self.consumption(Group::Deep, owner(package), Vec::new());
                let units = Group::Deep.quantity().saturating_mul(4);
                request.what = Some(self.units(units.to_string()));
                let refused = self.credits.consume(request).await.err();
                let refused = refused.context("too much is refused")?;
                anyhow::ensure!(refused.code() == Code::FailedPrecondition, "{refused}");
                Ok(ControlFlow::Continue(()))
            }
        }
    }

    /// Makes a call that must take effect on so many lots.
    async fn take_effect(
        &mut self,
        request: v1::ConsumeRequest,
        lots: usize,
    ) -> anyhow::Result<Progress> {
        let answer = self.credits.consume(request).await?.into_inner();
        let took_effect = !answer.replayed && answer.parts.len() == lots;
        anyhow::ensure!(
            took_effect,
            "{lots} lots pay, for the first time: {answer:?}"
        );
        Ok(ControlFlow::Continue(()))
    }

    /// A request for one unit, with an id that nobody used.
    fn consumption(
        &self,
        group: Group,
        customer: u64,
        package_ids: Vec<String>,
    ) -> v1::ConsumeRequest {
        v1::ConsumeRequest {
            request_id: request_id(),
            customer_id: self.dataset.customer_id(group, customer).to_string(),
            what: Some(self.units(String::new())),
            package_ids,
            ..v1::ConsumeRequest::default()
        }
    }

    fn units(&self, units: String) -> v1::consume_request::What {
        v1::consume_request::What::Item(v1::ItemUnits {
            item_id: self.dataset.business.item_id.clone(),
            units,
        })
    }
}

/// A request id that nobody used.
pub(crate) fn request_id() -> String {
    new_uuid(Clock::System.now()).to_string()
}
