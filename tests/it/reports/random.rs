//! Random commands over a period, with the job that writes expiries or without it: the roll-forward adds up
//! wherever it is split, is what the balances say, and never changes once its period is over (semantics 28).

use std::collections::BTreeMap;

use carnet::domain::credits::Credits;
use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::adjust_request::Change;
use carnet::proto::v1::balance_as_of_request::Scope;
use carnet::proto::v1::{Account, EntryKind};
use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rstest::rstest;
use tonic::Code;

use super::{Amounts, amounts, between};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::shop::{Shop, days, euros};

/// How many commands are tried.
const COMMANDS: u32 = 40;

/// The columns of a roll-forward by name, and the sign with which they count.
fn columns(report: &v1::RollForward) -> [(&'static str, Amounts, i64); 11] {
    let of = |worth: &Option<v1::Worth>| amounts(worth.as_ref());
    [
        ("issued", of(&report.issued), 1),
        ("reversed", of(&report.reversed), 1),
        ("restored", of(&report.restored), 1),
        ("reinstated", of(&report.reinstated), 1),
        ("transferred in", of(&report.transferred_in), 1),
        ("consumed", of(&report.consumed), -1),
        ("expired", of(&report.expired), -1),
        ("revoked", of(&report.revoked), -1),
        ("transferred out", of(&report.transferred_out), -1),
        ("adjusted", of(&report.adjusted), 1),
        ("revalued", of(&report.revalued), 1),
    ]
}

fn plus((credits, value): Amounts, (more, money): Amounts) -> Amounts {
    (credits.checked_add(more).unwrap(), value + money)
}

fn times((credits, value): Amounts, sign: i64) -> Amounts {
    (credits.checked_times(sign).unwrap(), value * sign)
}

/// A shop with everything that can happen to a package.
struct Play<'a> {
    app: &'a TestApp,
    shop: Shop,
    friend: String,
    templates: Vec<String>,
    random: StdRng,
    used: Vec<String>,
    holds: Vec<v1::HoldResponse>,
}

impl<'a> Play<'a> {
    async fn open(app: &'a TestApp, seed: u64) -> Self {
        let shop = Shop::open(app).await;
        let mut templates = Vec::new();
        for (quantity, price, validity) in [("7", 9_999, days(12)), ("3", 1_000, days(40))] {
            let mut template = shop.lessons(quantity, validity);
            template.price = Some(euros(price));
            template.transferable = Some(true);
            templates.push(shop.offer(template).await);
        }
        Self {
            app,
            friend: shop.customer("Jaan Kask").await,
            shop,
            templates,
            random: StdRng::seed_from_u64(seed),
            used: Vec::new(),
            holds: Vec::new(),
        }
    }

    fn below(&mut self, count: usize) -> usize {
        self.random.random_range(0..count)
    }

    async fn package(&mut self) -> Option<v1::Package> {
        let mut all = self.app.all_packages().await;
        let which = (!all.is_empty()).then(|| self.below(all.len()))?;
        Some(all.swap_remove(which))
    }

    /// Tries one command; what the rules refuse is no fault.
    async fn step(&mut self) {
        let done = match self.below(12) {
            0 => {
                let which = self.below(self.templates.len());
                let entry = self.shop.entry(&self.templates[which]);
                self.shop.try_to_sell(vec![entry]).await.map(drop)
            }
            which @ 1..=6 => self.use_or_undo(which).await,
            which => self.change_a_package(which).await,
        };
        if let Err(status) = done {
            let refused = [Code::FailedPrecondition, Code::InvalidArgument];
            assert!(refused.contains(&status.code()), "{status:?}");
        }
    }

    async fn use_or_undo(&mut self, which: usize) -> Result<(), tonic::Status> {
        let units = (1 + self.below(3)).to_string();
        match which {
            4 => {
                let until = self.app.clock.now() + TimeDelta::days(9);
                let request = self.shop.hold_lessons_until(&units, until);
                let held = self.shop.hold(request).await;
                held.map(|held| self.holds.push(held))
            }
            5 if !self.holds.is_empty() => {
                let which = self.below(self.holds.len());
                let hold = self.holds.swap_remove(which);
                if self.below(2) == 0 {
                    let captured = self.shop.capture(self.shop.capturing(&hold)).await;
                    captured.map(drop)
                } else {
                    self.shop.release(&hold).await.map(drop)
                }
            }
            6 if !self.used.is_empty() => {
                let which = self.below(self.used.len());
                let request = self.shop.reversing_units(&self.used[which], "1");
                self.shop.reverse(request).await.map(drop)
            }
            _ => {
                let used = self.shop.consume(self.shop.use_lessons(&units)).await;
                used.map(|used| self.used.push(used.posting_id))
            }
        }
    }

    async fn change_a_package(&mut self, which: usize) -> Result<(), tonic::Status> {
        let Some(package) = self.package().await else {
            return Ok(());
        };
        let (request_id, app) = (self.app.request_id(), self.app);
        let package_id = package.id.clone();
        match which {
            7 => {
                let change = if self.below(2) == 0 {
                    Change::Remove("1".to_owned())
                } else {
                    Change::Add("1".to_owned())
                };
                self.shop.adjust(&package, change).await.map(drop)
            }
            8 => {
                let request = v1::ExtendPackageRequest {
                    request_id,
                    package_id,
                    new_expiry: Some(v1::extend_package_request::NewExpiry::By(v1::Period {
                        count: 30,
                        unit: v1::PeriodUnit::Day.into(),
                    })),
                    ..Default::default()
                };
                app.packages().extend_package(request).await.map(drop)
            }
            9 => self.take_away_or_give_back(package).await,
            10 => {
                let request = v1::TransferPackageRequest {
                    request_id,
                    package_id,
                    customer_id: self.friend.clone(),
                    ..Default::default()
                };
                app.packages().transfer_package(request).await.map(drop)
            }
            _ => self.reprice_or_freeze(package_id).await,
        }
    }

    async fn take_away_or_give_back(&mut self, package: v1::Package) -> Result<(), tonic::Status> {
        let (request_id, package_id) = (self.app.request_id(), package.id);
        if package.revoked_at.is_none() {
            let request = v1::RevokePackageRequest {
                request_id,
                package_id,
                ..Default::default()
            };
            return self.app.packages().revoke_package(request).await.map(drop);
        }
        let request = v1::ReinstatePackageRequest {
            request_id,
            package_id,
            ..Default::default()
        };
        let done = self.app.packages().reinstate_package(request).await;
        done.map(drop)
    }

    async fn reprice_or_freeze(&mut self, package_id: String) -> Result<(), tonic::Status> {
        let request_id = self.app.request_id();
        if self.below(2) == 0 {
            let until = self.app.clock.now() + TimeDelta::days(6);
            let request = v1::FreezePackageRequest {
                request_id,
                package_id,
                until_date: until.date_naive().to_string(),
                ..Default::default()
            };
            return self.app.packages().freeze_package(request).await.map(drop);
        }
        let price = 500 + i64::try_from(self.below(9_000)).unwrap();
        let request = v1::UpdatePackageRequest {
            request_id,
            package_id,
            edit: Some(v1::PackageEdit {
                price: Some(euros(price)),
                ..Default::default()
            }),
            ..Default::default()
        };
        self.app.packages().update_package(request).await.map(drop)
    }
}

/// The roll-forward of the only credit type over a period; nothing if there was none of it by then.
async fn roll(app: &TestApp, from: DateTime<Utc>, before: DateTime<Utc>) -> v1::RollForward {
    let report = app.liability(between(from, before)).await;
    let [roll] = report.credit_types.as_slice() else {
        panic!("{report:?}");
    };
    let closing = columns(roll)
        .into_iter()
        .fold(amounts(roll.opening.as_ref()), |sum, (_, worth, sign)| {
            plus(sum, times(worth, sign))
        });
    assert_eq!(amounts(roll.closing.as_ref()), closing, "{roll:?}");
    assert_eq!(amounts(roll.difference.as_ref()), (Credits::ZERO, 0));
    roll.clone()
}

/// What was unused at an instant, as balances in the past tell it.
async fn unused(app: &TestApp, at: DateTime<Utc>, scope: Option<Scope>) -> Amounts {
    let told = app.balance_as_of(at, scope).await;
    told.iter().fold((Credits::ZERO, 0), |sum, told| {
        let balances = told.balances.as_ref().unwrap();
        let [available, held] =
            [&balances.available, &balances.held].map(|text| Credits::parse(text).unwrap());
        let value = told.values.as_ref().unwrap().unused.as_ref().unwrap();
        plus(plus(sum, (available, value.minor_units)), (held, 0))
    })
}

/// The columns over a period, added up from the entries of the ledger by the words of semantics 28.
async fn from_entries(
    app: &TestApp,
    (from, before): (DateTime<Utc>, DateTime<Utc>),
) -> BTreeMap<&'static str, Amounts> {
    let mut sums = BTreeMap::new();
    let mut request = v1::LedgerRequest {
        page_size: 200,
        ..Default::default()
    };
    loop {
        let page = app.reports().ledger(request.clone()).await.unwrap();
        let page = page.into_inner();
        for entry in page.entries {
            let at = if entry.by_time {
                entry.effective_at
            } else {
                entry.recorded_at
            };
            let at = at.unwrap();
            let at = DateTime::from_timestamp(at.seconds, at.nanos.try_into().unwrap()).unwrap();
            if at < from || at >= before {
                continue;
            }
            let (sign, name) = match entry.kind() {
                EntryKind::Issue => (1, "issued"),
                EntryKind::Reverse => (1, "reversed"),
                EntryKind::Restore => (1, "restored"),
                EntryKind::Reinstate => (1, "reinstated"),
                EntryKind::Transfer if entry.to_account() == Account::Available => {
                    (1, "transferred in")
                }
                EntryKind::Transfer => (1, "transferred out"),
                EntryKind::Consume | EntryKind::Capture => (1, "consumed"),
                EntryKind::Expire => (1, "expired"),
                EntryKind::Revoke => (1, "revoked"),
                EntryKind::Adjust => (-1, "adjusted"),
                EntryKind::Revalue if entry.to_account() == Account::Available => (1, "revalued"),
                EntryKind::Revalue => (-1, "revalued"),
                EntryKind::Hold | EntryKind::Release | EntryKind::TimeOut => continue,
                EntryKind::Unspecified => panic!("{entry:?}"),
            };
            let amount = Credits::parse(&entry.amount).unwrap();
            let value = entry.value.as_ref().unwrap().minor_units;
            let sum = sums.entry(name).or_insert((Credits::ZERO, 0));
            *sum = plus(*sum, times((amount, value), sign));
        }
        if page.next_page_token.is_empty() {
            return sums;
        }
        request.page_token = page.next_page_token;
    }
}

#[rstest]
#[tokio::test]
async fn semantics_28_any_split_of_any_period_adds_up_and_a_closed_period_never_changes(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(1, 2)] seed: u64,
    #[values(true, false)] job_runs: bool,
) {
    on(database, async |app| {
        let mut play = Play::open(app, seed).await;
        let begun_at = app.clock.now();
        let first = play.templates[0].clone();
        play.shop.sell(&first).await;
        let mut marks = vec![begun_at];
        let mut closed = Vec::new();
        for step in 0..COMMANDS {
            app.clock.advance(TimeDelta::hours(9));
            play.step().await;
            if job_runs && step % 3 == 0 {
                settle::step(app.context()).await.unwrap();
            }
            if step % 10 == 9 {
                app.clock.advance(TimeDelta::microseconds(1));
                let (from, before) = (marks[marks.len() - 1], app.clock.now());
                closed.push(((from, before), roll(app, from, before).await));
                marks.push(before);
            }
        }
        app.clock.advance(TimeDelta::days(45));
        marks.push(app.clock.now() - TimeDelta::days(40));
        marks.push(app.clock.now());
        // What was reported of a period that was over is reported again, though more is known now.
        for ((from, before), was) in &closed {
            assert_eq!(roll(app, *from, *before).await, *was);
        }
        let ends_at = app.clock.now() + TimeDelta::microseconds(1);
        let whole = roll(app, begun_at, ends_at).await;
        let mut sums: BTreeMap<&str, Amounts> = BTreeMap::new();
        let mut opening = whole.opening.clone();
        for pair in marks.windows(2) {
            let part = roll(app, pair[0], pair[1]).await;
            assert_eq!(part.opening, opening, "the closing before it");
            opening.clone_from(&part.closing);
            let balance = unused(app, pair[1] - TimeDelta::microseconds(1), None).await;
            assert_eq!(amounts(part.closing.as_ref()), balance);
            for (name, worth, _) in columns(&part) {
                let sum = sums.entry(name).or_insert((Credits::ZERO, 0));
                *sum = plus(*sum, worth);
            }
        }
        let last = roll(app, marks[marks.len() - 1], ends_at).await;
        assert_eq!(last.opening, opening);
        for (name, worth, _) in columns(&last) {
            *sums.get_mut(name).unwrap() = plus(sums[name], worth);
        }
        for (name, worth, _) in columns(&whole) {
            assert_eq!(sums[name], worth, "{name}");
        }
        let now = app.clock.now();
        let mut packages = (Credits::ZERO, 0);
        for package in app.all_packages().await {
            let scope = Scope::PackageId(package.id);
            packages = plus(packages, unused(app, now, Some(scope)).await);
        }
        assert_eq!(amounts(whole.closing.as_ref()), packages);
        let totals = v1::OutstandingRequest::default();
        let totals = app.reports().outstanding(totals).await.unwrap();
        let total = &totals.into_inner().totals[0];
        let credits = [&total.available, &total.held].map(|it| Credits::parse(it).unwrap());
        let outstanding = credits[0].checked_add(credits[1]).unwrap();
        let value = total.value.as_ref().unwrap().minor_units;
        assert_eq!((outstanding, value), packages);
        // Written down, it is the same, and it is what the entries say.
        settle::step(app.context()).await.unwrap();
        assert_eq!(roll(app, begun_at, ends_at).await, whole);
        for pair in marks.windows(2) {
            let told = roll(app, pair[0], pair[1]).await;
            let found = from_entries(app, (pair[0], pair[1])).await;
            for (name, worth, _) in columns(&told) {
                let wanted = found.get(name).copied().unwrap_or((Credits::ZERO, 0));
                assert_eq!(worth, wanted, "{name}");
            }
        }
    })
    .await;
}
