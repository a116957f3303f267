//! Credits on lines of invoices (F2): set aside when they are applied, used when the invoice is paid, free again
//! when they are removed, and given back when it is voided.
//!
//! A line has one hold at most, and only its own invoice ends that, under the invoice's lock: so a line never
//! takes twice. What a draft holds times out; issuing it takes away the time-out, or takes the credits again.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::view::{self, InvoiceView};
use super::{InvoiceTarget, lock, selling};
use crate::domain::credits;
use crate::domain::decide::{
    Capture, Command, Consume, Keep, Meanwhile, PlaceHold, Release, Reverse,
};
use crate::domain::entry::Purpose;
use crate::domain::hold::OnTimeOut;
use crate::domain::invoice::{Invoice, InvoiceLine, InvoiceState, LineCredits};
use crate::domain::line::ItemFacts;
use crate::domain::part::Portion;
use crate::domain::selection::Wanted;
use crate::domain::watch::Watch;
use crate::ids::{CustomerId, HoldId, InvoiceLineId, ItemId, PackageId, Reference, new_uuid};
use crate::ledger::{Submission, within};
use crate::service::call::{Answer, Call};
use crate::service::consume::past_expiry;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::{holds, invoices, items, packages};

/// Credits to pay for units of a line.
#[derive(Clone, Debug)]
pub struct Application {
    /// Which invoice.
    pub target: InvoiceTarget,
    /// Which line.
    pub line_id: InvoiceLineId,
    /// How many units; none: all of the line.
    pub units: Option<credits::Credits>,
    /// Only these packages, in this order; none: the best ones.
    pub packages: Vec<Reference<PackageId>>,
}

/// A line that is to be paid in money again.
#[derive(Clone, Debug)]
pub struct Removal {
    /// Which invoice.
    pub target: InvoiceTarget,
    /// Which line.
    pub line_id: InvoiceLineId,
}

/// Lets credits pay for units of a line.
///
/// # Errors
/// [`Refusal::NotFound`](crate::domain::refusal::Refusal::NotFound), those of [`Invoice::apply`], and every refusal
/// of the rules of use.
pub async fn apply(
    ctx: &Context,
    call: &Call,
    input: &Application,
) -> Result<Answer<InvoiceView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut locked = lock(ctx, &txn, call, &input.target).await?;
    let (now, invoice) = (locked.now, &mut locked.invoice);
    let used_unpaid = invoice.used_unpaid();
    let package_ids = named(&txn, call, &input.packages).await?;
    let is_draft = invoice.state == InvoiceState::Draft;
    let quantity = invoice.line_mut(input.line_id)?.quantity;
    let mut credits = Credits::new(ctx, &txn, call, now);
    let mut applied = credits.to_draft(input.units.unwrap_or(quantity));
    applied.package_ids = package_ids;
    if !is_draft {
        applied.times_out_at = None;
    }
    invoice.apply(input.line_id, applied)?;
    let customer_id = invoice.customer_id;
    credits
        .take(invoice.line_mut(input.line_id)?, customer_id)
        .await?;
    if invoice.state == InvoiceState::Paid {
        credits.use_up(invoice);
    }
    credits.carry_out().await?;
    selling::follow(&txn, call, invoice, &used_unpaid, now).await?;
    invoices::update(&txn, invoice).await?;
    let changed = view::view(&txn, locked.invoice, now).await?;
    call.remember(&txn, &changed).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(changed))
}

/// Lets a line be paid in money again.
///
/// # Errors
/// Those of [`Invoice::unapply`].
pub async fn remove(
    ctx: &Context,
    call: &Call,
    input: &Removal,
) -> Result<Answer<InvoiceView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let mut locked = lock(ctx, &txn, call, &input.target).await?;
    let (now, invoice) = (locked.now, &mut locked.invoice);
    let used_unpaid = invoice.used_unpaid();
    let removed = invoice.unapply(input.line_id)?;
    let mut credits = Credits::new(ctx, &txn, call, now);
    credits.free(input.line_id, &removed).await?;
    credits.carry_out().await?;
    selling::follow(&txn, call, invoice, &used_unpaid, now).await?;
    invoices::update(&txn, invoice).await?;
    let changed = view::view(&txn, locked.invoice, now).await?;
    call.remember(&txn, &changed).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(changed))
}

/// The packages that a caller names.
async fn named(
    txn: &DatabaseTransaction,
    call: &Call,
    references: &[Reference<PackageId>],
) -> Result<Vec<PackageId>, ServiceError> {
    let business_id = call.business_id();
    let mut ids = Vec::with_capacity(references.len());
    for reference in references {
        let id = resolve::package(txn, business_id, reference).await?;
        packages::get(txn, business_id, id)
            .await?
            .ok_or_else(|| resolve::not_found("package", reference))?;
        ids.push(id);
    }
    Ok(ids)
}

/// What one command does to the credits on the lines of a locked invoice: put together, then done at once.
pub(super) struct Credits<'a> {
    ctx: &'a Context,
    pub(super) txn: &'a DatabaseTransaction,
    pub(super) call: &'a Call,
    pub(super) now: DateTime<Utc>,
    submissions: Vec<Submission>,
}

impl<'a> Credits<'a> {
    pub(super) fn new(
        ctx: &'a Context,
        txn: &'a DatabaseTransaction,
        call: &'a Call,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            ctx,
            txn,
            call,
            now,
            submissions: Vec::new(),
        }
    }

    /// Does all of it, or nothing.
    pub(super) async fn carry_out(mut self) -> Result<(), ServiceError> {
        self.flush().await
    }

    /// Does what was put together until now.
    pub(super) async fn flush(&mut self) -> Result<(), ServiceError> {
        let submissions = std::mem::take(&mut self.submissions);
        within::carry_out(self.txn, &self.ctx.clock, &submissions).await?;
        Ok(())
    }

    /// Locks, all at once, the packages of what was put together until now and those from which lines may be
    /// going to take.
    pub(super) async fn lock(
        &self,
        takings: impl Iterator<Item = (InvoiceLineId, Consume)>,
    ) -> Result<(), ServiceError> {
        let mut all = self.submissions.clone();
        for (line_id, taking) in takings {
            let hold = Command::Hold(PlaceHold {
                taking,
                times_out_at: None,
                on_time_out: OnTimeOut::Release,
            });
            all.push(self.submission(line_id, new_uuid(self.now), hold));
        }
        within::lock(self.txn, &self.ctx.clock, &all).await?;
        Ok(())
    }

    /// Units to be set aside for a line of a draft.
    pub(super) fn to_draft(&self, units: credits::Credits) -> LineCredits {
        let days = self.call.caller.business.invoicing.draft_hold_days;
        LineCredits {
            hold_id: HoldId::generate(self.now),
            units,
            package_ids: Vec::new(),
            rate_line_id: None,
            times_out_at: self.now.checked_add_signed(TimeDelta::days(days.into())),
            used_by: None,
            returned_at: None,
        }
    }

    /// An item as it is now.
    pub(super) async fn item(&self, item_id: ItemId) -> Result<ItemFacts, ServiceError> {
        let item = items::get(self.txn, self.call.business_id(), item_id)
            .await?
            .ok_or_else(|| resolve::not_found("item", &item_id))?;
        Ok(ItemFacts {
            id: item.id,
            category: item.category,
            active: item.active,
        })
    }

    /// Sets the credits of a line aside.
    pub(super) async fn take(
        &mut self,
        line: &InvoiceLine,
        customer_id: CustomerId,
    ) -> Result<(), ServiceError> {
        let Some((applied, item_id)) = line.credits.as_ref().zip(line.item_id()) else {
            return Ok(());
        };
        let (item, units) = (self.item(item_id).await?, applied.units);
        let taking = Consume {
            customer_id,
            wanted: match applied.rate_line_id {
                None => Wanted::Item { item, units },
                rate => Wanted::AtRate {
                    item,
                    units,
                    line_id: rate,
                },
            },
            package_ids: applied.package_ids.clone(),
            delivered_at: line.delivered_at,
            consumed_by: None,
            past_expiry: past_expiry(self.call, line.delivered_at),
        };
        let command = Command::Hold(PlaceHold {
            taking,
            times_out_at: applied.times_out_at,
            on_time_out: OnTimeOut::Release,
        });
        self.add(line.id, applied.hold_id.uuid(), command);
        Ok(())
    }

    /// Frees what a line holds, if it still does.
    pub(super) async fn free(
        &mut self,
        line_id: InvoiceLineId,
        credits: &LineCredits,
    ) -> Result<(), ServiceError> {
        if self.is_held(credits).await? {
            let hold_id = credits.hold_id;
            let command = Command::Release(Release { hold_id });
            self.add(line_id, new_uuid(self.now), command);
        }
        Ok(())
    }

    /// Holds the credits of all lines until somebody ends that; what is held no more is taken again.
    pub(super) async fn secure(&mut self, invoice: &mut Invoice) -> Result<(), ServiceError> {
        let customer_id = invoice.customer_id;
        for line in &mut invoice.lines {
            let Some(applied) = line.unused_mut() else {
                continue;
            };
            let times_out = applied.times_out_at.take().is_some();
            if !self.is_held(applied).await? {
                applied.hold_id = HoldId::generate(self.now);
                self.take(line, customer_id).await?;
            } else if times_out {
                let hold_id = applied.hold_id;
                let command = Command::Keep(Keep { hold_id });
                self.add(line.id, new_uuid(self.now), command);
            }
        }
        Ok(())
    }

    /// Uses what all lines hold: the invoice is paid. They hold it for certain.
    pub(super) fn use_up(&mut self, invoice: &mut Invoice) {
        for line in &mut invoice.lines {
            let Some(applied) = line.unused_mut() else {
                continue;
            };
            let posting_id = new_uuid(self.now);
            let command = Command::Capture(Capture {
                hold_id: applied.hold_id,
                portion: Portion::All,
                delivered_at: None,
                excess: None,
            });
            applied.used_by = Some(posting_id);
            self.add(line.id, posting_id, command);
        }
    }

    /// Gives back what all lines hold or have used: the invoice is void (semantics 24).
    pub(super) async fn give_back(&mut self, invoice: &mut Invoice) -> Result<(), ServiceError> {
        for line in &mut invoice.lines {
            let credits = line.credits.as_mut();
            let Some(applied) = credits.filter(|it| it.returned_at.is_none()) else {
                continue;
            };
            applied.returned_at = Some(self.now);
            let applied = applied.clone();
            match applied.used_by {
                Some(posting_id) => {
                    let command = Command::Reverse(Reverse {
                        posting_id,
                        portion: Portion::All,
                        meanwhile: Meanwhile::Expire,
                    });
                    self.add(line.id, new_uuid(self.now), command);
                }
                None => self.free(line.id, &applied).await?,
            }
        }
        Ok(())
    }

    /// Whether the credits are still set aside.
    async fn is_held(&self, credits: &LineCredits) -> Result<bool, ServiceError> {
        let hold = holds::get(self.txn, self.call.business_id(), credits.hold_id).await?;
        Ok(hold.is_some_and(|hold| hold.check_open(self.now).is_ok()))
    }

    fn add(&mut self, line_id: InvoiceLineId, posting_id: Uuid, command: Command) {
        let submission = self.submission(line_id, posting_id, command);
        self.submissions.push(submission);
    }

    fn submission(&self, line_id: InvoiceLineId, posting_id: Uuid, command: Command) -> Submission {
        Submission {
            business_id: self.call.business_id(),
            request_id: posting_id,
            request_hash: self.call.hash,
            method: self.call.method,
            actor: self.call.caller.actor,
            purpose: Some(Purpose::InvoiceLine(line_id)),
            command,
            watch: Watch::of(&self.call.caller.business),
            note: String::new(),
            validate_only: self.call.validate_only,
        }
    }
}
