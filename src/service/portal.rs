//! What customers see of their own (H7): packages, and what became of the credits in them; and what they buy.
//!
//! Deliberately absent: notes, actors, and everything of other people. Of a package that somebody else shares, a
//! customer sees what is in it and its own uses, and not what was paid. Who was merged sees what the one has that
//! took its place.

use std::collections::{BTreeMap, HashMap};

use sea_orm::ConnectionTrait;

use crate::domain::catalog::CreditType;
use crate::domain::customer::Customer;
use crate::domain::entry::{Entry, EntryKind};
use crate::domain::payment::PaymentMethod;
use crate::domain::permission::Permission;
use crate::domain::refusal::Refusal;
use crate::ids::{BusinessId, CreditTypeId, CustomerId, ItemId, PackageId, Reference, TemplateId};
use crate::service::buyers::check_there;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::history::{self, Amount, EntryFilter, EntryList, EntryScope, Position};
use crate::service::package_view::{PackageView, views};
use crate::service::resolve;
use crate::service::sales::{self, Buyer, ChargeEntry, PaymentEntry, SaleEntry, Sold};
use crate::store::error::StoreError;
use crate::store::{credit_types, items, package_members, packages};

/// Which page of the customer's packages.
#[derive(Clone, Copy, Debug)]
pub struct MyPackageList {
    /// Below this one.
    pub before: Option<PackageId>,
    /// How many at most.
    pub limit: usize,
}

/// A package of the customer's.
#[derive(Clone, Debug)]
pub struct MyPackage {
    /// The package now.
    pub view: PackageView,
    /// Whether it is somebody else's, who shares it.
    pub is_shared: bool,
    /// The credit types of its lines, in their order.
    pub credit_types: Vec<CreditType>,
}

/// Which page of the customer's history.
#[derive(Clone, Copy, Debug)]
pub struct MyEntryList {
    /// After this position.
    pub after: Option<Position>,
    /// How many at most.
    pub size: usize,
}

/// An entry of the customer's history.
#[derive(Clone, Debug)]
pub struct MyEntry {
    /// The entry.
    pub entry: Entry,
    /// The package.
    pub package_id: PackageId,
    /// Its name.
    pub package_name: String,
    /// What the credits are.
    pub credit_type: CreditType,
    /// The name of the item; none where credits moved for no item.
    pub item_name: Option<String>,
}

/// A page of the customer's history, newest first.
#[derive(Clone, Debug)]
pub struct MyEntryPage {
    /// The entries.
    pub rows: Vec<MyEntry>,
    /// Where the next page begins; none on the last.
    pub next: Option<Position>,
}

/// What a customer wants to buy.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What.
    pub template: Reference<TemplateId>,
    /// How many units; none: the least that is offered.
    pub quantity: Option<u32>,
    /// Whether it is paid on account; else it is charged.
    pub on_account: bool,
}

/// A page of the packages that the calling customer owns or shares, newest first.
///
/// # Errors
/// [`Refusal::PermissionDenied`] if no customer calls; `CUSTOMER_ERASED`.
pub async fn packages(
    ctx: &Context,
    call: &Call,
    input: &MyPackageList,
) -> Result<Vec<MyPackage>, ServiceError> {
    let business = &call.caller.business;
    let txn = ctx.db.snapshot().await?;
    let customer = caller(&txn, call).await?;
    let whose = of_customer(&txn, business.id, customer.id).await?;
    let ids = whose.keys().rev().copied();
    let ids = ids.filter(|id| input.before.is_none_or(|before| *id < before));
    let ids: Vec<PackageId> = ids.take(input.limit).collect();
    let mut found = packages::by_ids(&txn, business.id, &ids).await?;
    found.reverse();
    let views = views(&txn, business, found, ctx.clock.now()).await?;
    let lines = views.iter().flat_map(|view| &view.lines);
    let type_ids = lines.map(|line| line.line.credit_type_id);
    let types = types(&txn, business.id, type_ids).await?;
    txn.commit().await?;
    let mine = views.into_iter().map(|view| {
        let of_lines = view.lines.iter();
        let of_lines = of_lines.map(|line| known(&types, line.line.credit_type_id));
        Ok(MyPackage {
            credit_types: of_lines.collect::<Result<_, StoreError>>()?,
            is_shared: whose.get(&view.package.id) == Some(&true),
            view,
        })
    });
    mine.collect()
}

/// A page of what became of the calling customer's credits, newest first.
///
/// # Errors
/// Those of [`packages()`].
pub async fn entries(
    ctx: &Context,
    call: &Call,
    input: &MyEntryList,
) -> Result<MyEntryPage, ServiceError> {
    let customer = caller(ctx.db.reader(), call).await?;
    entries_of(ctx, call.business_id(), customer.id, *input).await
}

/// Sells a package to the calling customer, at the template's price (A12).
///
/// # Errors
/// Those of [`packages()`] and of a sale; [`SellingRefusal::NotOnline`](crate::domain::refusal::SellingRefusal::NotOnline).
pub async fn buy(ctx: &Context, call: &Call, input: &Wish) -> Result<Answer<Sold>, ServiceError> {
    let customer = caller(ctx.db.reader(), call).await?;
    let payment = input.on_account.then(|| PaymentEntry {
        method: PaymentMethod::OnAccount,
        amount_minor: None,
        reference: String::new(),
    });
    let entry = SaleEntry {
        buyer: Buyer::Customer(Reference::Id(customer.id)),
        members: Vec::new(),
        share_max: None,
        template: input.template.clone(),
        external_id: None,
        start_date: None,
        validity_override: None,
        price_minor: None,
        quantity: input.quantity,
        lines: Vec::new(),
        charge: payment
            .is_none()
            .then_some(ChargeEntry { amount_minor: None }),
        payment,
        note: String::new(),
        agreed: None,
    };
    match sales::sell(ctx, call, &[entry]).await {
        // There is but one.
        Err(ServiceError::EntriesRefused { refusal, .. }) => Err(refusal.into()),
        sold => sold,
    }
}

/// The customer who calls, or the one that took its place.
async fn caller(db: &impl ConnectionTrait, call: &Call) -> Result<Customer, ServiceError> {
    let id = call.caller.customer_id.ok_or(Refusal::PermissionDenied {
        permission: Permission::PortalRead.as_str(),
    })?;
    let found = resolve::surviving(db, call.business_id(), id).await?;
    let customer = found.ok_or_else(|| StoreError::corrupt("tokens", call.caller.token_id))?;
    check_there(&customer)?;
    Ok(customer)
}

/// The packages that a customer owns or shares, and whether they are somebody else's.
pub(super) async fn of_customer(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: CustomerId,
) -> Result<BTreeMap<PackageId, bool>, StoreError> {
    let shared = package_members::shared_with(db, business_id, id).await?;
    let mut all: BTreeMap<PackageId, bool> = shared.into_iter().map(|id| (id, true)).collect();
    let own = packages::ids_of_customer(db, business_id, id).await?;
    all.extend(own.into_iter().map(|id| (id, false)));
    Ok(all)
}

/// A page of a customer's history; what moved value alone is left out.
pub(super) async fn entries_of(
    ctx: &Context,
    business_id: BusinessId,
    customer_id: CustomerId,
    input: MyEntryList,
) -> Result<MyEntryPage, ServiceError> {
    let kinds = EntryKind::ALL.iter().copied();
    let list = EntryList {
        scope: EntryScope::Customer(Reference::Id(customer_id)),
        filter: EntryFilter {
            kinds: kinds.filter(|kind| !kind.is_value_only()).collect(),
            ..EntryFilter::default()
        },
        after: input.after,
        amount: Amount::Page(input.size),
    };
    let page = history::of_business(ctx, business_id, &list).await?;
    let db = ctx.db.reader();
    let ids: Vec<PackageId> = page.rows.iter().map(|row| row.home.package_id).collect();
    let named = packages::by_ids(db, business_id, &ids).await?.into_iter();
    let packages: HashMap<PackageId, String> = named.map(|it| (it.id, it.name)).collect();
    let ids = page.rows.iter().filter_map(|row| row.entry.about.item_id);
    let named = items::by_ids(db, business_id, ids).await?.into_iter();
    let items: HashMap<ItemId, String> = named.map(|item| (item.id, item.name)).collect();
    let ids = page.rows.iter().map(|row| row.home.credit_type_id);
    let types = types(db, business_id, ids).await?;
    let rows = page.rows.into_iter().map(|row| {
        let package_id = row.home.package_id;
        let item_id = row.entry.about.item_id;
        Ok(MyEntry {
            package_id,
            package_name: packages.get(&package_id).cloned().unwrap_or_default(),
            credit_type: known(&types, row.home.credit_type_id)?,
            item_name: item_id.and_then(|id| items.get(&id).cloned()),
            entry: row.entry,
        })
    });
    Ok(MyEntryPage {
        rows: rows.collect::<Result<_, StoreError>>()?,
        next: page.next,
    })
}

async fn types(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: impl Iterator<Item = CreditTypeId>,
) -> Result<HashMap<CreditTypeId, CreditType>, StoreError> {
    let found = credit_types::by_ids(db, business_id, ids)
        .await?
        .into_iter();
    Ok(found.map(|found| (found.id, found)).collect())
}

fn known(
    types: &HashMap<CreditTypeId, CreditType>,
    id: CreditTypeId,
) -> Result<CreditType, StoreError> {
    let found = types.get(&id).cloned();
    found.ok_or_else(|| StoreError::corrupt("credit_types", id))
}
