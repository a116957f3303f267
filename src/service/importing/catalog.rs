//! What a business offers, as the cells of a file name it. It is read once, so it is that of when the import began.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::naming::{Called, Names};
use crate::domain::catalog::{CreditType, Item, Template, TemplateState};
use crate::domain::credits::Credits;
use crate::domain::line::{Coverage, Subject};
use crate::domain::offer::Offer;
use crate::ids::{BusinessId, CreditTypeId, CustomerId, ItemId, TemplateId};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::{issue, offers};
use crate::store::items::{self, Filter};
use crate::store::{credit_types, templates};

/// How many things are read at once.
const PAGE: u64 = 500;

/// The catalogue of a business.
#[derive(Debug)]
pub struct Catalog {
    business_id: BusinessId,
    pub(super) templates: Names<Template>,
    pub(super) credit_types: Names<CreditType>,
    pub(super) items: Names<Item>,
    /// What was offered of the templates that were asked for.
    offers: HashMap<TemplateId, Offer>,
    /// What the credit types that were asked for pay for.
    covered: HashMap<CreditTypeId, Vec<Coverage>>,
}

impl Catalog {
    /// Reads the catalogue of a business.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn read(ctx: &Context, business_id: BusinessId) -> Result<Self, ServiceError> {
        let txn = ctx.db.snapshot().await?;
        let mut catalog = Self {
            business_id,
            templates: Names::new("a template"),
            credit_types: Names::new("a credit type"),
            items: Names::new("an item"),
            offers: HashMap::new(),
            covered: HashMap::new(),
        };
        catalog.read_templates(&txn).await?;
        catalog.read_credit_types(&txn).await?;
        catalog.read_items(&txn).await?;
        txn.commit().await?;
        Ok(catalog)
    }

    async fn read_templates(&mut self, txn: &DatabaseTransaction) -> Result<(), ServiceError> {
        let sold = [TemplateState::Active, TemplateState::Archived];
        let mut before = None;
        loop {
            let page = templates::list(txn, self.business_id, &sold, before, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            before = Some(last.id);
            for template in page {
                self.templates.add(template, |it| Called {
                    id: it.id.to_string(),
                    external_id: it.external_id.as_deref(),
                    names: vec![&it.definition.name],
                    is_current: it.state == TemplateState::Active,
                });
            }
        }
    }

    async fn read_credit_types(&mut self, txn: &DatabaseTransaction) -> Result<(), ServiceError> {
        let mut before = None;
        loop {
            let page = credit_types::list(txn, self.business_id, true, before, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            before = Some(last.id);
            for credit_type in page {
                self.credit_types.add(credit_type, |it| Called {
                    id: it.id.to_string(),
                    external_id: it.external_id.as_deref(),
                    names: vec![&it.name, &it.name_plural],
                    is_current: it.archived_at.is_none(),
                });
            }
        }
    }

    async fn read_items(&mut self, txn: &DatabaseTransaction) -> Result<(), ServiceError> {
        let filter = Filter {
            include_inactive: true,
            category: None,
        };
        let mut before = None;
        loop {
            let page = items::list(txn, self.business_id, &filter, before, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            before = Some(last.id);
            for item in page {
                self.items.add(item, |it| Called {
                    id: it.id.to_string(),
                    external_id: it.external_id.as_deref(),
                    names: vec![&it.name],
                    is_current: it.active,
                });
            }
        }
    }

    /// What is offered of a template, to nobody in particular.
    pub(super) async fn offer(
        &mut self,
        txn: &DatabaseTransaction,
        template: &Template,
    ) -> Result<Offer, ServiceError> {
        if let Some(offer) = self.offers.get(&template.id) {
            return Ok(offer.clone());
        }
        let nobody = CustomerId::from_uuid(Uuid::nil());
        let offer = offers::of_template(txn, self.business_id, template, nobody).await?;
        self.offers.insert(template.id, offer.clone());
        Ok(offer)
    }

    /// What a line pays for: one credit a unit of these items; of none, all that its credit type pays for.
    pub(super) async fn covered(
        &mut self,
        txn: &DatabaseTransaction,
        credit_type_id: CreditTypeId,
        items: &[ItemId],
    ) -> Result<Vec<Coverage>, ServiceError> {
        if !items.is_empty() {
            let of = |id: &ItemId| Coverage {
                subject: Subject::Item(*id),
                credits_per_unit: Credits::UNIT,
            };
            return Ok(items.iter().map(of).collect());
        }
        if let Some(covered) = self.covered.get(&credit_type_id) {
            return Ok(covered.clone());
        }
        let covered = issue::everything_it_pays_for(txn, self.business_id, credit_type_id).await?;
        self.covered.insert(credit_type_id, covered.clone());
        Ok(covered)
    }

    /// The name of a credit type that was found here.
    pub(super) fn credit_type(&self, id: CreditTypeId) -> Option<Arc<CreditType>> {
        self.credit_types.find(&id.to_string()).ok()
    }
}
