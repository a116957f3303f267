//! Fills a database with packages whose ledger is true: the lots, entries and hashes come from the same
//! domain as those of a sale, so that `carnet verify` finds nothing wrong.
//!
//! PostgreSQL is filled by COPY, SQLite by plain inserts. What does not grow (businesses, tokens and the
//! catalogue) is written by the store on both.

mod copy;
mod insert;
mod make;

use carnet::clock::Clock;
use carnet::domain::business::Business;
use carnet::domain::catalog::{CreditType, Definition, Item, Template, TemplateState};
use carnet::domain::credits::Credits;
use carnet::domain::line::{Coverage, Line, LineKind, Subject};
use carnet::domain::money::Currency;
use carnet::domain::overlap::SellingRules;
use carnet::domain::permission::Permission;
use carnet::domain::pricing::Pricing;
use carnet::domain::template_emails::{TemplateEmails, UseEmails};
use carnet::domain::validity::{Anchor, Period, PeriodUnit, Validity};
use carnet::ids::{CreditTypeId, ItemId, LineId, TemplateId};
use carnet::service::Context;
use carnet::service::business::{NewBusiness, create_business};
use carnet::service::tokens::create_for_operator;
use carnet::store::db::{Database, sqlite_path};
use carnet::store::{credit_types, items, migrate, templates};
use chrono::{DateTime, Days, TimeDelta, Utc};

use crate::FillArgs;
use crate::dataset::{Dataset, Group, Tenant};
use make::Maker;

/// How long ago the oldest package was sold.
const SOLD_BEFORE: TimeDelta = TimeDelta::days(30);
/// What a deep package costs, in minor units: one a credit.
const PRICE_MINOR: i64 = 1_000_000_000;
/// Connections that the filler opens.
const CONNECTIONS: u32 = 2;

/// A business with something to sell.
struct Shop {
    business: Business,
    tenant: Tenant,
    /// Sells deep packages.
    deep: Template,
    /// Sells shallow ones.
    shallow: Template,
    /// Sold what is due.
    due: Template,
}

/// Fills the database and says what is in it.
pub(crate) async fn fill(args: &FillArgs) -> anyhow::Result<Dataset> {
    let url = &args.database_url;
    let db = Box::pin(Database::connect(url, CONNECTIONS)).await?;
    migrate::migrate(&db).await?;
    let ctx = Context::new(db, Clock::System);
    let now = ctx.clock.now();
    let shop = open_shop(&ctx, "Half a million swimmers").await?;
    let seller = open_shop(&ctx, "The bulk seller").await?;
    let sold_from = now - SOLD_BEFORE;
    let dataset = Dataset {
        business: shop.tenant.clone(),
        seller: seller.tenant.clone(),
        packages: args.packages,
        shallow_packages: args.shallow_packages,
        first_mail_day: now.date_naive() + Days::new(1),
        epoch_milliseconds: u64::try_from(sold_from.timestamp_millis())?,
    };
    let deep = Maker::new(&dataset, &shop.business, &shop.deep, Group::Deep, now)?;
    let deep = deep.with_uses(args.uses_per_package)?;
    let shallow = Maker::new(&dataset, &shop.business, &shop.shallow, Group::Shallow, now)?;
    let due = Maker::new(&dataset, &shop.business, &shop.due, Group::Due, now)?;
    let groups = [
        (&deep, args.packages),
        (&shallow, args.shallow_packages),
        (&due, args.due_packages),
    ];
    if sqlite_path(url).is_some() {
        insert::buyers(&ctx.db, seller.business.id, &deep).await?;
        for (maker, packages) in groups {
            insert::packages(&ctx.db, maker, packages).await?;
        }
    } else {
        let mut loader = copy::Loader::connect(url).await?;
        loader.buyers(seller.business.id, &deep).await?;
        for (maker, packages) in groups {
            loader.packages(maker, packages).await?;
        }
        loader.finish().await?;
    }
    ctx.db.close().await?;
    Ok(dataset)
}

/// Makes a business, a token that may do everything, an item, and templates that pay for it.
async fn open_shop(ctx: &Context, name: &str) -> anyhow::Result<Shop> {
    let new = NewBusiness {
        name: name.to_owned(),
        zone: chrono_tz::UTC,
        locale: "en".to_owned(),
        currency: Currency::parse("EUR")?,
        feature_enabled: true,
    };
    let business = create_business(ctx, &new).await?;
    let all = Permission::of_staff().collect();
    let token = create_for_operator(ctx, business.id, "load", all).await?;
    let now = ctx.clock.now();
    let credit_type = credit_type(now);
    let item = item(now);
    let deep = template(Group::Deep, PRICE_MINOR, &credit_type, &item, now)?;
    let shallow = template(Group::Shallow, 1_500, &credit_type, &item, now)?;
    let due = template(Group::Due, 15_000, &credit_type, &item, now)?;
    let txn = ctx.db.begin().await?;
    credit_types::insert(&txn, business.id, &credit_type).await?;
    items::insert(&txn, business.id, &item).await?;
    for template in [&deep, &shallow, &due] {
        templates::insert(&txn, business.id, template).await?;
    }
    txn.commit().await?;
    let tenant = Tenant {
        id: business.id.to_string(),
        token: token.text,
        item_id: item.id.to_string(),
        template_id: shallow.id.to_string(),
        business_uuid: business.id.uuid(),
        item_uuid: item.id.uuid(),
        token_uuid: token.token.id.uuid(),
    };
    Ok(Shop {
        business,
        tenant,
        deep,
        shallow,
        due,
    })
}

fn credit_type(now: DateTime<Utc>) -> CreditType {
    CreditType {
        id: CreditTypeId::generate(now),
        external_id: None,
        name: "lesson".to_owned(),
        name_plural: "lessons".to_owned(),
        description: String::new(),
        decimal_places: 0,
        default_validity: None,
        archived_at: None,
        created_at: now,
        version: 1,
    }
}

fn item(now: DateTime<Utc>) -> Item {
    Item {
        id: ItemId::generate(now),
        external_id: None,
        name: "Swimming lesson".to_owned(),
        category: "Lessons".to_owned(),
        standard_rate_minor: Some(1_800),
        active: true,
        created_at: now,
        version: 1,
    }
}

fn template(
    group: Group,
    price_minor: i64,
    credit_type: &CreditType,
    item: &Item,
    now: DateTime<Utc>,
) -> anyhow::Result<Template> {
    let quantity = Credits::parse(&group.quantity().to_string())?;
    let line = Line {
        id: LineId::generate(now),
        position: 1,
        kind: LineKind::Prepaid,
        credit_type_id: credit_type.id,
        decimal_places: credit_type.decimal_places,
        quantity,
        covers: vec![Coverage {
            subject: Subject::Item(item.id),
            credits_per_unit: Credits::UNIT,
        }],
        emails: UseEmails::default(),
    };
    line.check()?;
    let length = Period::new(1, PeriodUnit::Year)?;
    Ok(Template {
        id: TemplateId::generate(now),
        external_id: None,
        state: TemplateState::Active,
        definition: Definition {
            number: 1,
            name: "Standard".to_owned(),
            description: String::new(),
            price_minor,
            tax_basis_points: 0,
            validity: Some(Validity::Period {
                length,
                anchor: Anchor::Sale,
            }),
            transferable: None,
            freeze: None,
            use_limit: None,
            booking_rules: None,
            priority: None,
            quarantine_days: None,
            reminder_leads: None,
            emails: TemplateEmails::default(),
            lines: vec![line.into()],
            pricing: Pricing::default(),
            selling: SellingRules::default(),
        },
        created_at: now,
        version: 1,
    })
}
