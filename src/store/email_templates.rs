//! `email_templates`: what businesses wrote in place of the templates that are shipped. A row without text
//! is one that was reset; it stays, so that versions go on.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, Set};

use crate::domain::email_template::{OwnTemplate, TemplateText};
use crate::domain::notice::NoticeKind;
use crate::ids::BusinessId;
use crate::store::columns::{instant, known, micros};
use crate::store::error::StoreError;

const TABLE: &str = "email_templates";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "email_templates")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: i16,
        #[sea_orm(primary_key, auto_increment = false)]
        pub locale: String,
        pub subject: Option<String>,
        pub text_body: Option<String>,
        pub html_body: Option<String>,
        pub updated_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes a template as it is now; the business is locked, so nobody else does at the same time.
pub async fn put(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    template: &OwnTemplate,
) -> Result<(), StoreError> {
    let again = OnConflict::columns([Column::BusinessId, Column::Kind, Column::Locale])
        .update_columns([
            Column::Subject,
            Column::TextBody,
            Column::HtmlBody,
            Column::UpdatedAt,
            Column::Version,
        ])
        .to_owned();
    let text = template.text.as_ref();
    Entity::insert(ActiveModel {
        business_id: Set(business_id.uuid()),
        kind: Set(template.kind.code()),
        locale: Set(template.locale.clone()),
        subject: Set(text.map(|text| text.subject.clone())),
        text_body: Set(text.map(|text| text.text_body.clone())),
        html_body: Set(text.map(|text| text.html_body.clone())),
        updated_at: Set(micros(template.updated_at)),
        version: Set(template.version),
    })
    .on_conflict(again)
    .exec_without_returning(txn)
    .await?;
    Ok(())
}

/// What there is for a kind and a language, reset ones included.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    kind: NoticeKind,
    locale: &str,
) -> Result<Option<OwnTemplate>, StoreError> {
    let key = (business_id.uuid(), kind.code(), locale.to_owned());
    let row = Entity::find_by_id(key).one(db).await?;
    row.map(read).transpose()
}

/// Those for one of these kinds and one of these languages that say something.
pub async fn of_locales(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    kinds: &[NoticeKind],
    locales: impl IntoIterator<Item = String>,
) -> Result<Vec<OwnTemplate>, StoreError> {
    let kinds = kinds.iter().map(|kind| kind.code());
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Kind.is_in(kinds))
        .filter(Column::Locale.is_in(locales))
        .filter(Column::Subject.is_not_null())
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// A page of those that say something, by kind and language, behind this one.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    after: Option<(NoticeKind, &str)>,
    limit: u64,
) -> Result<Vec<OwnTemplate>, StoreError> {
    let behind = after.map(|(kind, locale)| {
        let of_kind = Condition::all()
            .add(Column::Kind.eq(kind.code()))
            .add(Column::Locale.gt(locale));
        let behind = Condition::any()
            .add(Column::Kind.gt(kind.code()))
            .add(of_kind);
        // For the index, which does not read through "any".
        Condition::all()
            .add(Column::Kind.gte(kind.code()))
            .add(behind)
    });
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add(Column::Subject.is_not_null())
        .add_option(behind);
    let rows = Entity::find()
        .filter(condition)
        .order_by_asc(Column::Kind)
        .order_by_asc(Column::Locale)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

fn read(row: Model) -> Result<OwnTemplate, StoreError> {
    let id = row.business_id;
    let texts = (row.subject, row.text_body, row.html_body);
    let text = match texts {
        (Some(subject), Some(text_body), Some(html_body)) => Some(TemplateText {
            subject,
            text_body,
            html_body,
        }),
        (None, None, None) => None,
        _ => return Err(StoreError::corrupt(TABLE, id)),
    };
    Ok(OwnTemplate {
        kind: known(NoticeKind::from_code(row.kind), TABLE, id)?,
        locale: row.locale,
        text,
        updated_at: instant(row.updated_at, TABLE, id)?,
        version: row.version,
    })
}
