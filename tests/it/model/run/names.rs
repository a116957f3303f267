//! What the service calls the things that the reference counts, and how amounts are written.

use carnet::proto::v1;
use prost_types::Timestamp;

use crate::model::catalogue::{
    self, CUSTOMERS, DECIMAL_PLACES, ITEMS, Line, Target, Template, Validity,
};
use crate::model::reference::{Instant, Ledger, ONE};
use crate::support::shop::{Shop, days, euros, never, period};
use crate::support::tenant::Tenant;

/// A package's id and those of its lines.
#[derive(Clone, Debug)]
pub(super) struct PackageNames {
    pub(super) id: String,
    pub(super) lines: Vec<String>,
}

/// Ids by the reference's numbers.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) customers: Vec<String>,
    pub(super) kinds: Vec<String>,
    pub(super) items: Vec<String>,
    pub(super) templates: Vec<String>,
    pub(super) packages: Vec<PackageNames>,
    /// Lots that are not named yet are empty.
    pub(super) lots: Vec<String>,
    pub(super) holds: Vec<String>,
}

/// An amount as it is written.
pub(super) fn decimal(millionths: i64) -> String {
    let text = format!("{}.{:06}", millionths / ONE, millionths % ONE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// An amount as it is read.
pub(super) fn millionths(text: &str) -> i64 {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
    let whole: i64 = whole.parse().unwrap();
    let rest: i64 = format!("{rest:0<6}").parse().unwrap();
    sign * (whole * ONE + rest)
}

/// Balances in the order of the reference's.
pub(super) fn balances(balances: Option<&v1::Balances>) -> [i64; 7] {
    let balances = balances.unwrap();
    [
        &balances.issued,
        &balances.available,
        &balances.held,
        &balances.consumed,
        &balances.expired,
        &balances.revoked,
        &balances.transferred,
    ]
    .map(|text| millionths(text))
}

pub(super) fn instant(at: Option<Timestamp>) -> Option<Instant> {
    at.map(|at| Instant::from_timestamp(at.seconds, at.nanos.try_into().unwrap()).unwrap())
}

pub(super) fn cents(money: Option<&v1::Money>) -> i64 {
    money.unwrap().minor_units
}

impl Names {
    /// Makes the catalogue and the customers.
    pub(super) async fn make(tenant: &Tenant) -> Self {
        let shop = Shop::open(tenant).await;
        let mut names = Self {
            kinds: vec![shop.lesson.clone()],
            items: vec![shop.swim.clone()],
            customers: vec![shop.customer.clone()],
            ..Self::default()
        };
        names.kinds.push(
            shop.credit_type("hour", DECIMAL_PLACES[1].try_into().unwrap())
                .await,
        );
        let (name, category, rate) = ITEMS[1];
        names.items.push(shop.item(name, category, rate).await);
        for number in 1..CUSTOMERS {
            names
                .customers
                .push(shop.customer(&format!("Customer {number}")).await);
        }
        for (number, template) in catalogue::templates().iter().enumerate() {
            let template = names.template(&format!("Template {number}"), template);
            names.templates.push(shop.offer(template).await);
        }
        names
    }

    fn template(&self, name: &str, template: &Template) -> v1::Template {
        let validity = match template.validity {
            Validity::Never => never(),
            Validity::FromSale(count) => days(count.try_into().unwrap()),
            Validity::FromFirstUse { days, within } => first_use(days, within),
        };
        v1::Template {
            name: name.to_owned(),
            price: Some(euros(template.price)),
            validity: Some(validity),
            lines: template.lines.iter().map(|line| self.line(line)).collect(),
            priority: Some(template.priority),
            transferable: Some(template.transferable),
            freeze: template
                .freezes_max
                .map(|(times_max, days_max)| v1::FreezePolicy {
                    times_max: times_max.try_into().unwrap(),
                    days_max: days_max.try_into().unwrap(),
                }),
            ..Default::default()
        }
    }

    fn line(&self, line: &Line) -> v1::TemplateLine {
        v1::TemplateLine {
            kind: v1::LineKind::Prepaid.into(),
            credit_type_id: self.kinds[line.kind].clone(),
            quantity: decimal(line.quantity),
            covers: self.covers(line),
            ..Default::default()
        }
    }

    pub(super) fn covers(&self, line: &Line) -> Vec<v1::Coverage> {
        let covers = line.covers.iter().map(|(target, per_unit)| v1::Coverage {
            target: Some(match target {
                Target::Item(item) => v1::coverage::Target::ItemId(self.items[*item].clone()),
                Target::CategoryOf(item) => {
                    v1::coverage::Target::Category(ITEMS[*item].1.to_owned())
                }
            }),
            credits_per_unit: decimal(*per_unit),
        });
        covers.collect()
    }

    /// The number of a lot; a lot that is not known yet gets the next one.
    pub(super) fn lot(&self, id: &str) -> usize {
        let place = self.lots.iter().position(|name| name == id);
        place.unwrap_or(self.lots.len())
    }

    pub(super) fn package(&self, id: &str) -> Option<usize> {
        self.packages.iter().position(|package| package.id == id)
    }

    pub(super) fn package_ids(&self, packages: &[usize]) -> Vec<String> {
        let ids = packages
            .iter()
            .map(|package| self.packages[*package].id.clone());
        ids.collect()
    }

    /// Names the lots of a package that have none yet, the oldest of each line and value first.
    pub(super) fn learn(&mut self, number: usize, package: &v1::Package, ledger: &Ledger) {
        if number == self.packages.len() {
            let lines = package.lines.iter().map(|line| line.id.clone());
            self.packages.push(PackageNames {
                id: package.id.clone(),
                lines: lines.collect(),
            });
        }
        self.lots.resize(ledger.lots.len(), String::new());
        for line in &package.lines {
            let place = self.packages[number]
                .lines
                .iter()
                .position(|id| *id == line.id);
            for lot in &line.lots {
                if self.lots.contains(&lot.id) {
                    continue;
                }
                let issued = (cents(lot.value.as_ref()), millionths(&lot.quantity));
                let mut unnamed = ledger.lots_of(number).filter(|(index, known)| {
                    let is_here = (Some(known.line), known.issued) == (place, issued);
                    is_here && self.lots[*index].is_empty()
                });
                let (index, _) = unnamed.next().unwrap();
                drop(unnamed);
                self.lots[index].clone_from(&lot.id);
            }
        }
    }
}

fn first_use(count: u64, within: Option<u64>) -> v1::Validity {
    let mut validity = period(
        count.try_into().unwrap(),
        v1::PeriodUnit::Day,
        v1::Anchor::FirstUse,
    );
    if let Some(v1::validity::Rule::Period(period)) = &mut validity.rule {
        period.must_start_by = within.map(|within| v1::StartDeadline {
            deadline: Some(v1::start_deadline::Deadline::AfterSale(v1::Period {
                count: within.try_into().unwrap(),
                unit: v1::PeriodUnit::Day.into(),
            })),
        });
    }
    validity
}
