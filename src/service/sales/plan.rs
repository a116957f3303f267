//! What each entry of a sale comes to, before anything is written: its lines, its price, its payment, and
//! whether an earlier package stands in its way.

use std::collections::{BTreeMap, HashMap, HashSet, hash_map};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::queueing::Queues;
use super::{SaleEntry, charging};
use crate::domain::business::Business;
use crate::domain::catalog::Template;
use crate::domain::customer::Customer;
use crate::domain::extend::NewLot;
use crate::domain::invoice::{IssueWhen, Owed};
use crate::domain::line::Line;
use crate::domain::offer::Offer;
use crate::domain::overlap::{Earlier, Overlap};
use crate::domain::package::{Package, Status};
use crate::domain::payment::{Payment, check_method};
use crate::domain::permission::Permission;
use crate::domain::refusal::{Refusal, SellingRefusal};
use crate::domain::sale::Price;
use crate::ids::{CustomerId, GroupId, PaymentId, Reference, SaleId, TemplateId};
use crate::service::buyers::{Buyers, Party, check_share_max};
use crate::service::call::Call;
use crate::service::error::ServiceError;
use crate::service::{offers, package_view, template_lines};
use crate::store::packages;

/// An entry that can be sold.
pub(super) struct Planned {
    pub(super) package: Package,
    /// Who shares it with the customer in it.
    pub(super) members: Vec<CustomerId>,
    pub(super) lots: Vec<NewLot>,
    /// Lines that are not the template's, to be written.
    pub(super) own_lines: Vec<Arc<Line>>,
    pub(super) price: Price,
    pub(super) payment: Option<Payment>,
    /// What the payment system is to charge, in minor units.
    pub(super) charge_minor: i64,
    /// When it is issued, if it waits to be paid before.
    pub(super) waits: Option<IssueWhen>,
}

/// A customer, or a group with its contact.
pub(super) type Owner = (CustomerId, Option<GroupId>);

/// A template as an entry names it, and its version if one was agreed on before.
type Named = (Reference<TemplateId>, Option<i32>);

/// What the entries of a call have in common, and what was found for the earlier ones of them.
struct Planner<'a> {
    txn: &'a DatabaseTransaction,
    call: &'a Call,
    business: &'a Business,
    buyers: &'a Buyers,
    now: DateTime<Utc>,
    /// The external ids that other packages have.
    taken: HashSet<String>,
    /// One sale for each owner.
    sale_ids: BTreeMap<Owner, SaleId>,
    /// The templates, each read once, with what is offered of it to whomever.
    offers: HashMap<Named, (Arc<Template>, Offer)>,
    /// The templates whose earlier packages were read.
    judged: HashSet<TemplateId>,
    /// The packages beside those to be sold, by owner and template.
    beside: HashMap<(Owner, TemplateId), Vec<Earlier>>,
    queues: Queues,
}

/// Plans all entries.
///
/// # Errors
/// [`ServiceError::EntriesRefused`] with every refused entry. A lack of
/// [`Permission::PackagesOverridePrice`] refuses the whole call.
pub(super) async fn plan_all(
    txn: &DatabaseTransaction,
    call: &Call,
    business: &Business,
    entries: &[SaleEntry],
    buyers: &Buyers,
    now: DateTime<Utc>,
) -> Result<Vec<Planned>, ServiceError> {
    let mut planner = Planner::new(txn, call, (business, now), buyers, entries).await?;
    let mut plans = Vec::with_capacity(entries.len());
    let mut refusals = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        match planner.entry(entry).await {
            Ok(plan) => plans.push(plan),
            Err(ServiceError::Refused(Refusal::PermissionDenied { permission })) => {
                return Err(Refusal::PermissionDenied { permission }.into());
            }
            Err(ServiceError::Refused(refusal)) => refusals.push((index, refusal)),
            Err(error) => return Err(error),
        }
    }
    if let Some(refused) = ServiceError::of_entries(refusals) {
        return Err(refused);
    }
    planner.tell_followed(&mut plans);
    Ok(plans)
}

/// Plans entries that were agreed on before.
///
/// # Errors
/// The refusal of the first that is refused.
pub(super) async fn plan_agreed(
    txn: &DatabaseTransaction,
    call: &Call,
    business: &Business,
    entries: &[SaleEntry],
    buyers: &Buyers,
    now: DateTime<Utc>,
) -> Result<Vec<Planned>, ServiceError> {
    let mut planner = Planner::new(txn, call, (business, now), buyers, entries).await?;
    let mut plans = Vec::with_capacity(entries.len());
    for entry in entries {
        plans.push(planner.entry(entry).await?);
    }
    planner.tell_followed(&mut plans);
    Ok(plans)
}

/// Whether entries that were agreed on could be sold now.
///
/// # Errors
/// The refusal of the first that could not.
pub(super) async fn check(
    txn: &DatabaseTransaction,
    call: &Call,
    business: &Business,
    entries: &[SaleEntry],
    buyers: &Buyers,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    let mut planner = Planner::new(txn, call, (business, now), buyers, entries).await?;
    for entry in entries {
        offers::template(txn, business.id, &entry.template).await?;
        planner.judged(entry).await?;
    }
    Ok(())
}

impl<'a> Planner<'a> {
    async fn new(
        txn: &'a DatabaseTransaction,
        call: &'a Call,
        (business, now): (&'a Business, DateTime<Utc>),
        buyers: &'a Buyers,
        entries: &[SaleEntry],
    ) -> Result<Self, ServiceError> {
        let external_ids = entries
            .iter()
            .filter_map(|entry| entry.external_id.as_deref());
        Ok(Self {
            txn,
            call,
            business,
            buyers,
            now,
            taken: packages::taken_external_ids(txn, business.id, external_ids).await?,
            sale_ids: BTreeMap::new(),
            offers: HashMap::new(),
            judged: HashSet::new(),
            beside: HashMap::new(),
            queues: Queues::default(),
        })
    }

    fn tell_followed(&self, plans: &mut [Planned]) {
        for plan in plans {
            plan.package.is_followed = self.queues.follow(plan.package.id);
        }
    }

    async fn entry(&mut self, entry: &SaleEntry) -> Result<Planned, ServiceError> {
        let (template, mut plan) = self.judged(entry).await?;
        if template.definition.selling.overlap == Overlap::Queue && plan.waits.is_none() {
            let (about, now) = ((template.id, &mut plan.package), self.now);
            let has_start_date = entry.start_date.is_some();
            let (txn, business) = (self.txn, self.business);
            let joined = self.queues.join(txn, business, about, has_start_date, now);
            joined.await?;
        }
        Ok(plan)
    }

    /// What an entry comes to, judged beside the earlier packages but not put into a queue.
    async fn judged(
        &mut self,
        entry: &SaleEntry,
    ) -> Result<(Arc<Template>, Planned), ServiceError> {
        let buyers = self.buyers;
        let party = buyers.of(entry)?;
        self.not_taken(entry)?;
        let (template, mut offer) = self.offered(entry).await?;
        self.may_be_changed(entry, &template)?;
        let own_lines = self.fit(entry, &template, &mut offer).await?;
        let mut plan = self.plan(entry, party, &template, offer)?;
        plan.own_lines = own_lines;
        self.judge(&template, &plan.package).await?;
        Ok((template, plan))
    }

    fn not_taken(&self, entry: &SaleEntry) -> Result<(), Refusal> {
        match &entry.external_id {
            Some(external_id) if self.taken.contains(external_id) => {
                Err(Refusal::ExternalIdTaken {
                    kind: "package",
                    external_id: external_id.clone(),
                })
            }
            _ => Ok(()),
        }
    }

    /// The template of an entry and what is offered of it, read for the first entry that names it.
    async fn offered(&mut self, entry: &SaleEntry) -> Result<(Arc<Template>, Offer), ServiceError> {
        let version = entry.agreed.as_ref().map(|agreed| agreed.version);
        match self.offers.entry((entry.template.clone(), version)) {
            hash_map::Entry::Occupied(known) => Ok(known.get().clone()),
            hash_map::Entry::Vacant(unknown) => {
                let (txn, business_id) = (self.txn, self.business.id);
                let template = match version {
                    None => offers::template(txn, business_id, &entry.template).await?,
                    Some(version) => {
                        offers::agreed(txn, business_id, &entry.template, version).await?
                    }
                };
                // Whose it is each entry says for itself.
                let nobody = CustomerId::from_uuid(Uuid::nil());
                let offer = offers::of_template(txn, business_id, &template, nobody).await?;
                Ok(unknown.insert((Arc::new(template), offer)).clone())
            }
        }
    }

    /// Who may sell it, and what may be changed at the sale: of a freestyle template all, of another one price and validity by
    /// those who are permitted to (A9).
    fn may_be_changed(&self, entry: &SaleEntry, template: &Template) -> Result<(), Refusal> {
        let template_id = template.id;
        if template.definition.pricing.is_subscription_only {
            return Err(SellingRefusal::SubscriptionOnly { template_id }.into());
        }
        let buys_itself = self.call.caller.customer_id.is_some();
        if buys_itself && !template.definition.selling.is_online {
            return Err(SellingRefusal::NotOnline { template_id }.into());
        }
        // What was agreed on before was permitted then.
        if template.definition.selling.is_freestyle || entry.agreed.is_some() {
            return Ok(());
        }
        if entry.price_minor.is_some()
            || entry.validity_override.is_some()
            || entry.share_max.is_some()
        {
            self.call.require(Permission::PackagesOverridePrice)?;
        }
        if entry.lines.is_empty() {
            return Ok(());
        }
        let field = "lines";
        Err(SellingRefusal::NotFreestyle { template_id, field }.into())
    }

    /// Makes the offer one of the quantity and lines of the entry. Lines that are not the template's come
    /// back, to be written.
    async fn fit(
        &self,
        entry: &SaleEntry,
        template: &Template,
        offer: &mut Offer,
    ) -> Result<Vec<Arc<Line>>, ServiceError> {
        let own_lines = offer.of_quantity(template, entry.quantity, self.now)?;
        if entry.lines.is_empty() {
            return Ok(own_lines);
        }
        let (txn, business_id) = (self.txn, self.business.id);
        let lines = (&*entry.lines, template.definition.emails.uses);
        let lines = template_lines::build(txn, business_id, lines, self.now).await?;
        offer.lines = offers::weighed(txn, business_id, &lines).await?;
        offer.defaults = offers::defaults(txn, business_id, &lines).await?;
        Ok(lines)
    }

    fn plan(
        &mut self,
        entry: &SaleEntry,
        party: Party<'_>,
        template: &Template,
        mut offer: Offer,
    ) -> Result<Planned, Refusal> {
        let now = self.now;
        let customer = party.customer;
        let sale_id = match &entry.agreed {
            Some(agreed) => agreed.sale_id,
            None => *self
                .sale_ids
                .entry((customer.id, party.group_id))
                .or_insert_with(|| SaleId::generate(now)),
        };
        offer.customer_id = customer.id;
        offer.group_id = party.group_id;
        offer.share_max = entry.share_max.unwrap_or(offer.share_max);
        check_share_max(offer.share_max, entry.members.len().saturating_add(1))?;
        offer.price_minor = entry.price_minor.unwrap_or(offer.price_minor);
        offer.price = match &entry.agreed {
            Some(agreed) => agreed.price,
            None => Price::of(
                offer.price_minor,
                template.definition.tax_basis_points,
                self.business.prices_include_tax,
            )
            .ok_or(Refusal::AmountTooLarge)?,
        };
        let price = offer.price;
        let payment = payment(self.business, customer, entry, price, now)?;
        let paid = payment.as_ref().map_or(0, |payment| payment.amount_minor);
        offer.is_paid = match &entry.agreed {
            Some(agreed) => agreed.is_paid,
            None => paid >= price.total_minor,
        };
        offer.sale_id = Some(sale_id);
        offer.external_id.clone_from(&entry.external_id);
        offer.validity_override.clone_from(&entry.validity_override);
        offer.start_date = entry.start_date;
        let charge_minor = charging::amount(entry, price)?;
        let issue_when = template.definition.selling.issue_when;
        let issue_when = issue_when.unwrap_or(self.business.invoicing.issue_when);
        let unpaid = Owed {
            total_minor: price.total_minor,
            paid_minor: 0,
        };
        let waits = charge_minor > 0 && !issue_when.has_come(unpaid);
        let (mut package, lots) = offer.make(self.business, now)?;
        package.invoice_line_id = entry.agreed.as_ref().and_then(|it| it.invoice_line_id);
        Ok(Planned {
            package,
            members: party.members,
            lots,
            own_lines: Vec::new(),
            price,
            payment,
            charge_minor,
            waits: waits.then_some(issue_when),
        })
    }

    /// Judges a planned package beside the earlier ones of its customer and template, those of earlier
    /// entries among them (A10).
    async fn judge(&mut self, template: &Template, package: &Package) -> Result<(), ServiceError> {
        let overlap = template.definition.selling.overlap;
        if matches!(overlap, Overlap::Allow | Overlap::Queue) {
            return Ok(());
        }
        if self.judged.insert(template.id) {
            self.read_earlier(template.id).await?;
        }
        let key = (owner(package), template.id);
        let earlier = self.beside.entry(key).or_default();
        overlap.judge(template.id, earlier)?;
        let status = if package.starts_at > self.now {
            Status::Upcoming
        } else {
            Status::Active
        };
        earlier.push(Earlier {
            package_id: package.id,
            status,
            is_paid: package.is_paid(),
        });
        Ok(())
    }

    /// Reads the packages of a template that the buyers have.
    async fn read_earlier(&mut self, template_id: TemplateId) -> Result<(), ServiceError> {
        let owners = self.buyers.customer_ids();
        let found = packages::of_template(self.txn, self.business.id, template_id, owners).await?;
        for view in package_view::views(self.txn, self.business, found, self.now).await? {
            let key = (owner(&view.package), template_id);
            self.beside.entry(key).or_default().push(Earlier {
                package_id: view.package.id,
                status: view.status,
                is_paid: view.package.is_paid(),
            });
        }
        Ok(())
    }
}

pub(super) fn owner(package: &Package) -> Owner {
    (package.customer_id, package.group_id)
}

/// The payment of an entry, if there is one; on account only where both sides allow it (B3).
fn payment(
    business: &Business,
    customer: &Customer,
    entry: &SaleEntry,
    price: Price,
    now: DateTime<Utc>,
) -> Result<Option<Payment>, Refusal> {
    let Some(paid) = &entry.payment else {
        return Ok(None);
    };
    check_method(paid.method, business, customer)?;
    let amount_minor = paid.amount_minor.unwrap_or(price.total_minor);
    if amount_minor > price.total_minor {
        return Err(Refusal::PaymentExceedsPrice {
            paid_minor: amount_minor,
            total_minor: price.total_minor,
        });
    }
    Ok((amount_minor > 0).then(|| Payment {
        id: PaymentId::generate(now),
        method: paid.method,
        amount_minor,
        reference: paid.reference.clone(),
        recorded_at: now,
    }))
}
