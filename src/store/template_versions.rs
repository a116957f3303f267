//! `template_versions`: what a template offers, version by version. Rows are never changed.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseTransaction, QuerySelect, Set};

use crate::domain::business::Business;
use crate::domain::catalog::{Definition, Template};
use crate::domain::invoice::IssueWhen;
use crate::domain::overlap::{Overlap, SellingRules};
use crate::domain::template_emails::{OwnReminders, ReminderPolicies, TemplateEmails};
use crate::ids::{BusinessId, TemplateId};
use crate::store::columns::{from_json, known, micros, to_json};
use crate::store::error::StoreError;
use crate::store::lines;

const TABLE: &str = "template_versions";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "template_versions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub template_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub definition_version: i32,
        pub name: String,
        pub description: String,
        pub price_minor: i64,
        pub tax_basis_points: i32,
        pub validity: Option<Json>,
        pub priority: Option<i32>,
        pub quarantine_days: Option<i32>,
        pub reminder_leads: Option<Json>,
        pub emails: Option<Json>,
        pub freeze_policy: Option<Json>,
        pub use_limit: Option<Json>,
        pub booking_rules: Option<Json>,
        pub transferable: Option<bool>,
        pub created_at: i64,
        pub pricing: Json,
        pub is_freestyle: bool,
        pub overlap: i16,
        pub is_online: bool,
        pub share_max: i32,
        pub issue_when: Option<i16>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes the template's current version, with its lines.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    template: &Template,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let definition = &template.definition;
    Entity::insert(ActiveModel {
        business_id: Set(business_id.uuid()),
        template_id: Set(template.id.uuid()),
        definition_version: Set(definition.number),
        name: Set(definition.name.clone()),
        description: Set(definition.description.clone()),
        price_minor: Set(definition.price_minor),
        tax_basis_points: Set(definition.tax_basis_points),
        validity: Set(definition
            .validity
            .as_ref()
            .map(|validity| to_json(validity, TABLE))
            .transpose()?),
        priority: Set(definition.priority),
        quarantine_days: Set(definition.quarantine_days),
        reminder_leads: Set(definition
            .reminder_leads
            .as_ref()
            .map(|leads| to_json(leads, TABLE))
            .transpose()?),
        emails: Set(match definition.emails {
            none if none == TemplateEmails::default() => None,
            some => Some(to_json(&some, TABLE)?),
        }),
        freeze_policy: Set(definition
            .freeze
            .as_ref()
            .map(|policy| to_json(policy, TABLE))
            .transpose()?),
        use_limit: Set(definition
            .use_limit
            .as_ref()
            .map(|limit| to_json(limit, TABLE))
            .transpose()?),
        booking_rules: Set(definition
            .booking_rules
            .as_ref()
            .map(|rules| to_json(rules, TABLE))
            .transpose()?),
        transferable: Set(definition.transferable),
        created_at: Set(micros(now)),
        pricing: Set(to_json(&definition.pricing, TABLE)?),
        is_freestyle: Set(definition.selling.is_freestyle),
        overlap: Set(definition.selling.overlap.code()),
        is_online: Set(definition.selling.is_online),
        share_max: Set(i32::try_from(definition.selling.share_max)
            .map_err(|_| StoreError::corrupt(TABLE, template.id))?),
        issue_when: Set(definition.selling.issue_when.map(IssueWhen::code)),
    })
    .exec_without_returning(txn)
    .await?;
    let version = Some((template.id, definition.number));
    lines::insert(txn, business_id, version, &definition.lines).await
}

/// One version of a template, with its lines.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    template_id: TemplateId,
    number: i32,
) -> Result<Option<Definition>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), template_id.uuid(), number))
        .one(db)
        .await?;
    match row {
        Some(row) => Ok(Some(read(db, business_id, row).await?)),
        None => Ok(None),
    }
}

/// The reminder policies in force for the packages of a business.
pub async fn reminder_policies(
    db: &impl ConnectionTrait,
    business: &Business,
) -> Result<ReminderPolicies, StoreError> {
    // As the index has it.
    let says_something = Condition::any()
        .add(Column::ReminderLeads.is_not_null())
        .add(Column::Emails.is_not_null());
    let rows: Vec<(Uuid, i32, Option<Json>, Option<Json>)> = Entity::find()
        .select_only()
        .column(Column::TemplateId)
        .column(Column::DefinitionVersion)
        .column(Column::ReminderLeads)
        .column(Column::Emails)
        .filter(Column::BusinessId.eq(business.id.uuid()))
        .filter(says_something)
        .into_tuple()
        .all(db)
        .await?;
    let mut own = Vec::with_capacity(rows.len());
    for (id, number, leads, said) in rows {
        let id = TemplateId::from_uuid(id);
        let lead_days = leads.map(|json| from_json(json, TABLE, id)).transpose()?;
        let emails = emails(said, id)?;
        own.push(((id, number), OwnReminders { lead_days, emails }));
    }
    Ok(ReminderPolicies::new(&business.reminder_policy, own))
}

fn emails(said: Option<Json>, id: TemplateId) -> Result<TemplateEmails, StoreError> {
    match said {
        None => Ok(TemplateEmails::default()),
        Some(json) => from_json(json, TABLE, id),
    }
}

async fn read(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    row: Model,
) -> Result<Definition, StoreError> {
    let id = TemplateId::from_uuid(row.template_id);
    Ok(Definition {
        number: row.definition_version,
        name: row.name,
        description: row.description,
        price_minor: row.price_minor,
        tax_basis_points: row.tax_basis_points,
        validity: row
            .validity
            .map(|json| from_json(json, TABLE, id))
            .transpose()?,
        priority: row.priority,
        quarantine_days: row.quarantine_days,
        reminder_leads: row
            .reminder_leads
            .map(|json| from_json(json, TABLE, id))
            .transpose()?,
        emails: emails(row.emails, id)?,
        freeze: row
            .freeze_policy
            .map(|json| from_json(json, TABLE, id))
            .transpose()?,
        use_limit: row
            .use_limit
            .map(|json| from_json(json, TABLE, id))
            .transpose()?,
        booking_rules: row
            .booking_rules
            .map(|json| from_json(json, TABLE, id))
            .transpose()?,
        transferable: row.transferable,
        lines: lines::of_template(db, business_id, id, row.definition_version).await?,
        pricing: from_json(row.pricing, TABLE, id)?,
        selling: SellingRules {
            is_freestyle: row.is_freestyle,
            overlap: known(Overlap::from_code(row.overlap), TABLE, id)?,
            is_online: row.is_online,
            share_max: u32::try_from(row.share_max).map_err(|_| StoreError::corrupt(TABLE, id))?,
            issue_when: row
                .issue_when
                .map(|code| known(IssueWhen::from_code(code), TABLE, id))
                .transpose()?,
        },
    })
}
