//! The other business: it sells packages, has customers with few and with many, and closes for some days.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use carnet::clock::Clock;
use carnet::proto::v1;
use carnet::proto::v1::credit_service_client::CreditServiceClient;
use carnet::proto::v1::package_service_client::PackageServiceClient;
use chrono::{Days, NaiveDate};
use serde_json::{Value, json};
use tonic::transport::Channel;

use crate::calls::{Bearer, Bearing, request_id};
use crate::dataset::{BUYERS, Dataset};

/// The most packages that one call sells.
pub(crate) const ENTRIES_PER_SALE_MAX: u64 = 500;
/// How many packages a page of what can pay has if nothing else is asked for.
const USABLE_PER_PAGE: u64 = 50;
/// How often it is asked how far a run is.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// In how many days it closes, which is before any package ends.
const CLOSES_IN: Days = Days::new(10);
/// On how many days after the first.
const CLOSED_FOR: Days = Days::new(4);

/// Its staff.
#[derive(Clone, Debug)]
pub(crate) struct Seller {
    dataset: Dataset,
    packages: PackageServiceClient<Bearing>,
    credits: CreditServiceClient<Bearing>,
}

impl Seller {
    pub(crate) fn new(dataset: &Dataset, channel: Channel) -> anyhow::Result<Self> {
        let bearer = Bearer::new(&dataset.seller)?;
        Ok(Self {
            dataset: dataset.clone(),
            packages: PackageServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            credits: CreditServiceClient::with_interceptor(channel, bearer),
        })
    }

    /// Sells so many packages, as many at a time as a call takes.
    pub(crate) async fn sell(&mut self, packages: u64) -> anyhow::Result<()> {
        let mut sold = 0;
        while sold < packages {
            let next = packages.min(ENTRIES_PER_SALE_MAX.saturating_add(sold));
            self.sell_from(sold, next - sold).await?;
            sold = next;
        }
        Ok(())
    }

    /// Sells so many packages in one call, to customers from this one on.
    pub(crate) async fn sell_from(&mut self, buyer: u64, packages: u64) -> anyhow::Result<()> {
        let buyers = buyer..buyer.saturating_add(packages);
        self.sell_to(buyers.map(|buyer| buyer % BUYERS)).await
    }

    async fn sell_to(&mut self, buyers: impl Iterator<Item = u64>) -> anyhow::Result<()> {
        let entries: Vec<_> = buyers.map(|buyer| self.entry(buyer)).collect();
        let wanted = entries.len();
        let request = v1::SellPackagesRequest {
            request_id: request_id(),
            entries,
            validate_only: false,
        };
        let answer = self.packages.sell_packages(request).await?.into_inner();
        anyhow::ensure!(
            answer.results.len() == wanted && !answer.replayed,
            "{wanted} packages are sold, for the first time"
        );
        Ok(())
    }

    fn entry(&self, buyer: u64) -> v1::SaleEntry {
        v1::SaleEntry {
            customer_id: self.dataset.buyer_id(buyer).to_string(),
            template_id: self.dataset.seller.template_id.clone(),
            ..v1::SaleEntry::default()
        }
    }

    /// Lets the customer for it have so many packages, each of one credit.
    pub(crate) async fn fill_holder(&mut self, holding: u64) -> anyhow::Result<()> {
        let holder = holder(holding)?;
        let mut has = self.balance(holder).await?;
        while has < holding {
            let more = ENTRIES_PER_SALE_MAX.min(holding - has);
            self.sell_to((0..more).map(|_| holder)).await?;
            has += more;
        }
        anyhow::ensure!(
            self.balance(holder).await? == holding,
            "customer {holder} has {holding} packages"
        );
        Ok(())
    }

    async fn balance(&mut self, buyer: u64) -> anyhow::Result<u64> {
        let customer_id = self.dataset.buyer_id(buyer).to_string();
        let request = v1::GetBalanceRequest {
            scope: Some(v1::get_balance_request::Scope::CustomerId(customer_id)),
            ..v1::GetBalanceRequest::default()
        };
        let answer = self.credits.get_balance(request).await?.into_inner();
        let Some(balance) = answer.balances.first() else {
            return Ok(0);
        };
        let balances = balance.balances.as_ref().context("there are balances")?;
        Ok(balances.available.parse()?)
    }

    /// Asks what the customer with so many packages could pay with.
    pub(crate) async fn list_usable(&mut self, holding: u64) -> anyhow::Result<()> {
        let request = v1::ListUsablePackagesRequest {
            customer_id: self.dataset.buyer_id(holder(holding)?).to_string(),
            ..v1::ListUsablePackagesRequest::default()
        };
        let answer = self.credits.list_usable_packages(request).await?;
        let found = u64::try_from(answer.into_inner().packages.len())?;
        anyhow::ensure!(
            found == holding.min(USABLE_PER_PAGE),
            "{found} of {holding} packages are on the page"
        );
        Ok(())
    }

    /// Closes for some days and waits until every package has them back; the answer is one line of results.
    pub(crate) async fn close(&mut self) -> anyhow::Result<Value> {
        let day = |day: Option<NaiveDate>| day.map(|day| day.to_string()).context("there is a day");
        let first = Clock::System.now().date_naive().checked_add_days(CLOSES_IN);
        let last = first.and_then(|first| first.checked_add_days(CLOSED_FOR));
        let closure = v1::Closure {
            name: "Repairs".to_owned(),
            first_date: day(first)?,
            last_date: day(last)?,
            ..v1::Closure::default()
        };
        let request = v1::CreateClosureRequest {
            request_id: request_id(),
            closure: Some(closure),
            validate_only: false,
        };
        let began = Instant::now();
        let made = self.packages.create_closure(request).await?.into_inner();
        let closure = made.closure.context("a closure was made")?;
        let mut run = closure.run.context("a run applies it")?;
        while run.finished_at.is_none() {
            tokio::time::sleep(ASK_EVERY).await;
            let request = v1::GetBulkRunRequest { run_id: run.id };
            let answer = self.packages.get_bulk_run(request).await?.into_inner();
            run = answer.run.context("the run is there")?;
        }
        let seconds = began.elapsed().as_secs_f64();
        anyhow::ensure!(run.refused == 0, "{} packages were refused", run.refused);
        let changed = f64::from(u32::try_from(run.changed)?);
        let each_us = seconds * 1e6 / changed;
        Ok(json!({
            "work": "close",
            "seconds": seconds,
            "packages": run.changed,
            "per_second": changed / seconds,
            "p50_us": each_us,
            "p99_us": each_us,
        }))
    }
}

/// The customer who has so many packages: another one for each number of digits.
fn holder(holding: u64) -> anyhow::Result<u64> {
    let digits = holding.checked_ilog10().context("nobody has no package")?;
    Ok(BUYERS.saturating_add(digits.into()))
}
