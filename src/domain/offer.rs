//! Turning what is offered into a package: its validity, its lots and their value. Pure; the selling and
//! the giving service read the facts and write the result.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::booking_rules::BookingRules;
use crate::domain::business::Business;
use crate::domain::calendar;
use crate::domain::catalog::Template;
use crate::domain::credits::CREDITS_MAX;
use crate::domain::extend::NewLot;
use crate::domain::line::{Line, LineKind};
use crate::domain::lot::Origin;
use crate::domain::package::Package;
use crate::domain::refusal::Refusal;
use crate::domain::sale::{LineWeight, Price, allocate};
use crate::domain::use_limit::UseLimit;
use crate::domain::validity::{self, ExpirySource, Resolved, Validity};
use crate::ids::{CustomerId, GroupId, LineId, LotId, PackageId, SaleId, TemplateId};

/// Another validity than the offered one, chosen at the sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ValidityOverride {
    /// Another rule.
    Rule(Validity),
    /// The very instant of expiry.
    ExpiresAt(DateTime<Utc>),
}

/// All that a new package is made of.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Who gets it.
    pub customer_id: CustomerId,
    /// The group that gets it, if one does; the customer is its contact then.
    pub group_id: Option<GroupId>,
    /// How many customers may share it, the owner included.
    pub share_max: i32,
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// The sale; none if it is given.
    pub sale_id: Option<SaleId>,
    /// The template and its version.
    pub template: Option<(TemplateId, i32)>,
    /// What the customer reads.
    pub name: String,
    /// What the template asks, in minor units.
    pub list_price_minor: i64,
    /// What was agreed, as the business writes prices.
    pub price_minor: i64,
    /// The parts of what was agreed.
    pub price: Price,
    /// The lower number pays first; none: the business's.
    pub priority: Option<i32>,
    /// Days in which it can be restored; none: the business's.
    pub quarantine_days: Option<i32>,
    /// How much of it each customer may use on a day or in a week; none: the business's.
    pub use_limit: Option<UseLimit>,
    /// How bookings are judged and cancelled that it pays; none: the business's.
    pub booking_rules: Option<BookingRules>,
    /// The lines, with what each is measured by.
    pub lines: Vec<(Arc<Line>, LineWeight)>,
    /// The template's validity.
    pub validity: Option<Validity>,
    /// The default validities of the lines' credit types.
    pub defaults: Vec<Option<Validity>>,
    /// Another validity, chosen at the sale.
    pub validity_override: Option<ValidityOverride>,
    /// From which local day on it can be used.
    pub start_date: Option<NaiveDate>,
    /// Whether nothing more is to be paid.
    pub is_paid: bool,
}

impl Offer {
    /// Makes it so many units of its template, at the price that these have; none means the least that is
    /// offered. More than one unit of a line is a line of the package's own: these come back, to be written.
    ///
    /// # Errors
    /// Those of [`Pricing::check`](crate::domain::pricing::Pricing::check), but for a freestyle template, and
    /// [`Refusal::AmountTooLarge`].
    pub fn of_quantity(
        &mut self,
        template: &Template,
        quantity: Option<u32>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Arc<Line>>, Refusal> {
        let definition = &template.definition;
        let units = quantity.unwrap_or_else(|| definition.pricing.least());
        if !definition.selling.is_freestyle {
            definition.pricing.check(template.id, units)?;
        }
        let priced = definition.pricing.priced(definition.price_minor, units)?;
        self.list_price_minor = priced.price_minor;
        self.price_minor = priced.price_minor;
        if units == 1 {
            return Ok(Vec::new());
        }
        for (line, weight) in &mut self.lines {
            let credits = line.quantity.checked_times(i64::from(units));
            let credits = credits.filter(|credits| *credits <= CREDITS_MAX);
            weight.quantity = credits.ok_or(Refusal::AmountTooLarge)?;
            *line = Arc::new(Line {
                id: LineId::generate(now),
                quantity: weight.quantity,
                ..Line::clone(line)
            });
        }
        Ok(self
            .lines
            .iter()
            .map(|(line, _)| Arc::clone(line))
            .collect())
    }

    /// The package and its lots, made at `now`.
    ///
    /// # Errors
    /// The validity cannot be resolved, or ends before it begins.
    pub fn make(
        self,
        business: &Business,
        now: DateTime<Utc>,
    ) -> Result<(Package, Vec<NewLot>), Refusal> {
        let (rule, source, resolved) = self.resolve(business, now)?;
        let lots = self.lots(now);
        let package = Package {
            came_from: None,
            id: PackageId::generate(now),
            business_id: business.id,
            external_id: self.external_id,
            sale_id: self.sale_id,
            customer_id: self.customer_id,
            group_id: self.group_id,
            share_max: self.share_max,
            template: self.template,
            name: self.name,
            list_price_minor: self.list_price_minor,
            price_minor: self.price_minor,
            net_price_minor: self.price.net_minor,
            priority: self.priority.unwrap_or(business.default_priority),
            quarantine_days: self.quarantine_days,
            validity: rule,
            expiry_source: source,
            zone: business.zone,
            starts_at: resolved.starts_at,
            expires_at: resolved.expires_at,
            counts_from_first_use: resolved.counts_from_first_use,
            first_used_on: None,
            expiry_epoch: 0,
            frozen_at: None,
            frozen_until_max: None,
            expires_if_thawed: None,
            freezes: 0,
            frozen_days: 0,
            revoked_at: None,
            transferred_at: None,
            transferred_to: None,
            queued_behind: None,
            is_followed: false,
            use_limit: self
                .use_limit
                .or(business.policies.use_limit)
                .filter(UseLimit::limits_anything),
            booking_rules: self.booking_rules.or(business.policies.booking_rules),
            paid_at: self.is_paid.then_some(now),
            invoice_line_id: None,
            unpaid_uses: 0,
            change_seq: 0,
            created_at: now,
            version: 1,
        };
        Ok((package, lots))
    }

    /// A lot for each line; the price is that of the prepaid ones.
    fn lots(&self, now: DateTime<Utc>) -> Vec<NewLot> {
        let prepaid = |(line, _): &&(Arc<Line>, _)| line.kind == LineKind::Prepaid;
        let weights = self.lines.iter().filter(prepaid).map(|(_, weight)| *weight);
        let weights: Vec<LineWeight> = weights.collect();
        let mut values = allocate(self.price.net_minor, &weights).into_iter();
        let origin = if self.sale_id.is_some() {
            Origin::Sold
        } else {
            Origin::Given
        };
        let lots = self.lines.iter().map(|(line, _)| NewLot {
            id: LotId::generate(now),
            line: Arc::clone(line),
            origin,
            quantity: line.quantity,
            value: match line.kind {
                LineKind::Prepaid => values.next().unwrap_or(0),
                // What its units cost is paid when they are used.
                LineKind::Rate { .. } => 0,
            },
        });
        lots.collect()
    }

    /// Order of precedence: sale override, template, credit types (A6). Where these differ, the one that
    /// ends first counts.
    fn resolve(
        &self,
        business: &Business,
        now: DateTime<Utc>,
    ) -> Result<(Validity, ExpirySource, Resolved), Refusal> {
        let with_rule = |rule: &Validity, source| {
            let resolved = self.resolve_rule(rule, business, now)?;
            Ok((*rule, source, resolved))
        };
        match (&self.validity_override, &self.validity) {
            (Some(ValidityOverride::ExpiresAt(expires_at)), _) => {
                self.resolve_instant(*expires_at, business, now)
            }
            (Some(ValidityOverride::Rule(rule)), _) => with_rule(rule, ExpirySource::Sale),
            (None, Some(rule)) => with_rule(rule, ExpirySource::Template),
            (None, None) => {
                let mut best = with_rule(&Validity::Never, ExpirySource::CreditType)?;
                for rule in self.defaults.iter().flatten() {
                    let found = with_rule(rule, ExpirySource::CreditType)?;
                    if ends_before(&found.2, &best.2) {
                        best = found;
                    }
                }
                Ok(best)
            }
        }
    }

    fn resolve_rule(
        &self,
        rule: &Validity,
        business: &Business,
        now: DateTime<Utc>,
    ) -> Result<Resolved, Refusal> {
        let resolved = validity::resolve(rule, now, self.start_date, business.zone);
        resolved.map_err(|error| Refusal::ValidityImpossible {
            problem: error.to_string(),
        })
    }

    fn resolve_instant(
        &self,
        expires_at: DateTime<Utc>,
        business: &Business,
        now: DateTime<Utc>,
    ) -> Result<(Validity, ExpirySource, Resolved), Refusal> {
        let mut resolved = self.resolve_rule(&Validity::Never, business, now)?;
        let not_before = resolved.starts_at.max(now);
        if expires_at <= not_before {
            return Err(Refusal::ExpiryNotLater {
                old: not_before,
                new: expires_at,
            });
        }
        resolved.expires_at = Some(expires_at);
        let last_day = calendar::last_usable_day(expires_at, business.zone);
        Ok((Validity::Until(last_day), ExpirySource::Sale, resolved))
    }
}

/// Whether `a` ends before `b`; what has no end yet but will get one by its first use, before never.
fn ends_before(a: &Resolved, b: &Resolved) -> bool {
    let key = |resolved: &Resolved| {
        (
            resolved.expires_at.is_none(),
            resolved.expires_at,
            !resolved.counts_from_first_use,
        )
    };
    key(a) < key(b)
}

#[cfg(test)]
mod tests;
