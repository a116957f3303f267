//! Who gets the packages of a sale: customers, groups, and those who share. All of them are held against
//! changes until the sale is committed, groups before customers, each by id.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::DatabaseTransaction;

use crate::domain::customer::Customer;
use crate::domain::group::Group;
use crate::domain::refusal::{HolderRefusal, Refusal};
use crate::ids::{BusinessId, CustomerId, GroupId, Reference};
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::service::sales::{Buyer, SaleEntry};
use crate::store::{customers, group_members, groups};

/// The customers and groups of a call, held against changes.
pub(super) struct Buyers {
    by_id: BTreeMap<CustomerId, Customer>,
    /// By the callers' own ids.
    external: HashMap<String, CustomerId>,
    groups: HashMap<Reference<GroupId>, Group>,
    members: BTreeMap<GroupId, Vec<CustomerId>>,
}

/// Who gets one package.
pub(super) struct Party<'a> {
    /// The customer who buys, or the contact of the group.
    pub(super) customer: &'a Customer,
    /// The group, if one buys.
    pub(super) group_id: Option<GroupId>,
    /// Who may use it besides that customer.
    pub(super) members: Vec<CustomerId>,
}

/// Refuses a customer to whom nothing may be sold or given: only active ones may get packages (B2).
pub(super) fn check(customer: &Customer) -> Result<(), Refusal> {
    check_there(customer)?;
    if !customer.active {
        return Err(Refusal::CustomerInactive {
            customer_id: customer.id,
        });
    }
    Ok(())
}

/// Refuses a customer who is nobody any more: erased, or one whose place another one took (semantics 25).
pub(super) fn check_there(customer: &Customer) -> Result<(), Refusal> {
    if let Some(erased_at) = customer.erased_at {
        let customer_id = customer.id;
        return Err(HolderRefusal::CustomerErased {
            customer_id,
            erased_at,
        }
        .into());
    }
    match customer.merged_into {
        Some(merged_into) => Err(HolderRefusal::CustomerMerged {
            customer_id: customer.id,
            merged_into,
        }
        .into()),
        None => Ok(()),
    }
}

impl Buyers {
    /// Finds and holds everybody whom the entries name; one that does not exist is found out entry by entry.
    pub(super) async fn lock(
        txn: &DatabaseTransaction,
        business_id: BusinessId,
        entries: &[SaleEntry],
    ) -> Result<Self, ServiceError> {
        let named = || entries.iter().flat_map(SaleEntry::customers);
        let external_ids = named().filter_map(|reference| match reference {
            Reference::External(external_id) => Some(external_id.as_str()),
            Reference::Id(_) => None,
        });
        let mut buyers = Self {
            by_id: BTreeMap::new(),
            external: customers::by_external_ids(txn, business_id, external_ids).await?,
            groups: HashMap::new(),
            members: BTreeMap::new(),
        };
        buyers.lock_groups(txn, business_id, entries).await?;
        let ids: BTreeSet<CustomerId> = named()
            .filter_map(|reference| buyers.id(reference))
            .chain(buyers.groups.values().map(|group| group.contact_id))
            .collect();
        let locked = customers::lock_all(txn, business_id, ids).await?;
        buyers.by_id = locked.into_iter().map(|it| (it.id, it)).collect();
        Ok(buyers)
    }

    async fn lock_groups(
        &mut self,
        txn: &DatabaseTransaction,
        business_id: BusinessId,
        entries: &[SaleEntry],
    ) -> Result<(), ServiceError> {
        let mut asked: HashMap<Reference<GroupId>, GroupId> = HashMap::new();
        for entry in entries {
            let Buyer::Group(reference) = &entry.buyer else {
                continue;
            };
            let id = match reference {
                Reference::Id(id) => Some(*id),
                Reference::External(_) if asked.contains_key(reference) => None,
                Reference::External(external_id) => {
                    groups::by_external_id(txn, business_id, external_id).await?
                }
            };
            asked.extend(id.map(|id| (reference.clone(), id)));
        }
        let ids: BTreeSet<GroupId> = asked.values().copied().collect();
        let found = groups::share_all(txn, business_id, ids.iter().copied()).await?;
        for (reference, id) in asked {
            let group = found.iter().find(|group| group.id == id);
            self.groups
                .extend(group.map(|group| (reference, group.clone())));
        }
        for (group_id, customer_id) in group_members::of_groups(txn, business_id, ids).await? {
            self.members.entry(group_id).or_default().push(customer_id);
        }
        Ok(())
    }

    /// Whose packages they will be: customers, and contacts of groups.
    pub(super) fn customer_ids(&self) -> impl Iterator<Item = CustomerId> {
        self.by_id.keys().copied()
    }

    fn id(&self, reference: &Reference<CustomerId>) -> Option<CustomerId> {
        match reference {
            Reference::Id(id) => Some(*id),
            Reference::External(external_id) => self.external.get(external_id).copied(),
        }
    }

    fn customer(&self, reference: &Reference<CustomerId>) -> Result<&Customer, Refusal> {
        let found = self.id(reference).and_then(|id| self.by_id.get(&id));
        let customer = found.ok_or_else(|| resolve::not_found("customer", reference))?;
        check(customer)?;
        Ok(customer)
    }

    /// Who gets the package of an entry.
    pub(super) fn of(&self, entry: &SaleEntry) -> Result<Party<'_>, Refusal> {
        match &entry.buyer {
            Buyer::Customer(reference) => {
                let customer = self.customer(reference)?;
                let mut members = Vec::with_capacity(entry.members.len());
                for reference in &entry.members {
                    let customer_id = self.customer(reference)?.id;
                    if customer_id == customer.id || members.contains(&customer_id) {
                        return Err(HolderRefusal::AlreadyMember {
                            of: "the package to be sold".to_owned(),
                            customer_id,
                        }
                        .into());
                    }
                    members.push(customer_id);
                }
                Ok(Party {
                    customer,
                    group_id: None,
                    members,
                })
            }
            Buyer::Group(reference) => {
                let group = self.groups.get(reference);
                let group = group.ok_or_else(|| resolve::not_found("group", reference))?;
                if !group.active {
                    return Err(HolderRefusal::GroupInactive { group_id: group.id }.into());
                }
                let contact = self.by_id.get(&group.contact_id);
                let members = self.members.get(&group.id).cloned().unwrap_or_default();
                Ok(Party {
                    customer: contact
                        .ok_or_else(|| resolve::not_found("customer", &group.contact_id))?,
                    group_id: Some(group.id),
                    members: members
                        .into_iter()
                        .filter(|id| *id != group.contact_id)
                        .collect(),
                })
            }
        }
    }
}

/// Refuses so many customers, the owner included, where fewer may share a package.
pub(super) fn check_share_max(share_max: i32, requested: usize) -> Result<(), Refusal> {
    if usize::try_from(share_max).is_ok_and(|most| requested <= most) {
        return Ok(());
    }
    Err(HolderRefusal::ShareLimitExceeded {
        share_max,
        requested,
    }
    .into())
}

impl SaleEntry {
    /// The customers that it names.
    fn customers(&self) -> impl Iterator<Item = &Reference<CustomerId>> {
        let buyer = match &self.buyer {
            Buyer::Customer(reference) => Some(reference),
            Buyer::Group(_) => None,
        };
        buyer.into_iter().chain(&self.members)
    }
}
