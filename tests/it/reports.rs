//! Reports (H1–H5), through gRPC on both databases.

mod export;
mod liability;
mod lists;
mod random;

use carnet::domain::credits::Credits;
use carnet::proto::v1;
use chrono::{DateTime, Utc};

use crate::support::ledger::stamp;
use crate::support::tenant::Tenant;

/// An instant.
fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The period from an instant to before another one.
fn between(from: DateTime<Utc>, before: DateTime<Utc>) -> v1::ReportPeriod {
    let range = v1::TimeRange {
        from: Some(stamp(from)),
        before: Some(stamp(before)),
    };
    v1::ReportPeriod {
        named: Some(v1::report_period::Named::Instants(range)),
    }
}

/// The period of local days.
fn local_days(first: &str, last: &str, time_zone: &str) -> v1::ReportPeriod {
    let days = v1::LocalDays {
        first_date: first.to_owned(),
        last_date: last.to_owned(),
        time_zone: time_zone.to_owned(),
    };
    v1::ReportPeriod {
        named: Some(v1::report_period::Named::Days(days)),
    }
}

/// Credits and cents.
type Amounts = (Credits, i64);

fn amounts(worth: Option<&v1::Worth>) -> Amounts {
    let worth = worth.unwrap();
    let credits = match worth.credits.as_str() {
        "" => Credits::ZERO,
        credits => Credits::parse(credits).unwrap(),
    };
    (credits, worth.value.as_ref().unwrap().minor_units)
}

impl Tenant {
    /// The roll-forward over a period.
    async fn liability(&self, period: v1::ReportPeriod) -> v1::LiabilityResponse {
        let request = v1::LiabilityRequest {
            period: Some(period),
            ..Default::default()
        };
        self.reports()
            .liability(request)
            .await
            .unwrap()
            .into_inner()
    }

    /// What all customers, one, or a package had at an instant.
    async fn balance_as_of(
        &self,
        at: DateTime<Utc>,
        scope: Option<v1::balance_as_of_request::Scope>,
    ) -> Vec<v1::PastBalance> {
        let request = v1::BalanceAsOfRequest {
            as_of: Some(stamp(at)),
            scope,
            ..Default::default()
        };
        let answer = self.reports().balance_as_of(request).await.unwrap();
        answer.into_inner().balances
    }
}
