//! A business with customers and packages, written straight into a database.

use std::path::PathBuf;
use std::sync::Arc;

use carnet::clock::Clock;
use carnet::domain::business::{Business, Invoicing, ReminderPolicy, Sender};
use carnet::domain::calendar;
use carnet::domain::catalog::CreditType;
use carnet::domain::change::{self, ChangeKind, Expiry, NewChange};
use carnet::domain::credits::Credits;
use carnet::domain::email::{Attempt, Email, EmailState};
use carnet::domain::entry::Actor;
use carnet::domain::extend::NewLot;
use carnet::domain::line::{Line, LineKind};
use carnet::domain::lot::{Origin, Stamp};
use carnet::domain::money::Currency;
use carnet::domain::package::Package;
use carnet::domain::policies::Policies;
use carnet::domain::validity::{ExpirySource, Validity};
use carnet::ids::{self, BusinessId, CreditTypeId, CustomerId, LineId, LotId, PackageId};
use carnet::jobs::deliver::{Deliverer, Mail, MailSettings, Rates};
use carnet::ledger::post;
use carnet::mail::capture::CaptureFolder;
use carnet::mail::reload::Templates;
use carnet::mail::session::SmtpSession;
use carnet::mail::session::settings::SmtpSettings;
use carnet::mail::transport::Transport;
use carnet::service::{Context, readiness};
use carnet::store::db::Database;
use carnet::store::{
    businesses, credit_types, email_attempts, emails, lines, lots, mail_days, migrate, packages,
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sea_orm::{ConnectionTrait, Statement, Value};
use tempfile::TempDir;

use crate::support::postgres;

/// Which database.
#[derive(Clone, Copy, Debug)]
pub(super) enum Backend {
    Sqlite,
    Postgres,
}

pub(super) fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A business in Tallinn with default reminders, and one credit type.
pub(super) struct Fixture {
    pub(super) ctx: Context,
    pub(super) business_id: BusinessId,
    credit_type_id: CreditTypeId,
    directory: TempDir,
    postgres_url: Option<String>,
}

impl Fixture {
    pub(super) async fn new(backend: Backend, now: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let postgres_url = match backend {
            Backend::Sqlite => None,
            Backend::Postgres => Some(postgres::shared().create_database(None).await),
        };
        let sqlite = format!("sqlite://{}/c.db", directory.path().display());
        let url = postgres_url.as_deref().unwrap_or(&sqlite);
        let db = Database::connect(url, 4).await.unwrap();
        migrate::migrate(&db).await.unwrap();
        let now = instant(now);
        let ctx = Context::new(db, Clock::manual(now));
        readiness::check(&ctx).await;
        let business = business(now);
        let credit_type = credit_type(now);
        let txn = ctx.db.begin().await.unwrap();
        businesses::insert(&txn, &business, now).await.unwrap();
        credit_types::insert(&txn, business.id, &credit_type)
            .await
            .unwrap();
        txn.commit().await.unwrap();
        Self {
            ctx,
            business_id: business.id,
            credit_type_id: credit_type.id,
            directory,
            postgres_url,
        }
    }

    pub(super) async fn end(self) {
        self.ctx.db.close().await.unwrap();
        if let Some(url) = self.postgres_url {
            postgres::shared().drop_database(&url).await;
        }
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.ctx.clock
    }

    pub(super) async fn customer(&self, name: &str, email: Option<&str>) -> CustomerId {
        let id = CustomerId::generate(self.ctx.clock.now());
        let txn = self.ctx.db.begin().await.unwrap();
        let values: [Value; 6] = [
            self.business_id.uuid().into(),
            id.uuid().into(),
            name.into(),
            email.map(str::to_owned).into(),
            "".into(),
            0_i64.into(),
        ];
        let sql = "INSERT INTO customers (business_id, id, name, email, email_verified, active, \
             may_purchase_on_account, search_text, created_at, version) \
             VALUES ($1, $2, $3, $4, TRUE, TRUE, FALSE, $5, $6, 1)";
        let statement = Statement::from_sql_and_values(self.ctx.db.backend(), sql, values);
        txn.execute_raw(statement).await.unwrap();
        txn.commit().await.unwrap();
        id
    }

    /// A package of ten lessons that was sold now.
    pub(super) async fn package(&self, customer_id: CustomerId, through: &str) -> PackageId {
        let now = self.ctx.clock.now();
        self.make_package(customer_id, through, now).await
    }

    pub(super) async fn package_sold_at(
        &self,
        customer_id: CustomerId,
        through: &str,
        sold_at: &str,
    ) -> PackageId {
        self.make_package(customer_id, through, instant(sold_at))
            .await
    }

    async fn make_package(
        &self,
        customer_id: CustomerId,
        through: &str,
        now: DateTime<Utc>,
    ) -> PackageId {
        let quantity = Credits::parse("10").unwrap();
        let line = Arc::new(Line {
            id: LineId::generate(now),
            position: 1,
            kind: LineKind::Prepaid,
            credit_type_id: self.credit_type_id,
            decimal_places: 0,
            quantity,
            covers: Vec::new(),
            emails: carnet::domain::template_emails::UseEmails::default(),
        });
        let package = package(self.business_id, customer_id, through, now);
        let stamp = stamp(now);
        let new_lot = NewLot {
            id: LotId::generate(now),
            line: Arc::clone(&line),
            origin: Origin::Sold,
            quantity,
            value: 10_000,
        };
        let posting = post::issue(&stamp, [(package.clone(), vec![new_lot])]).unwrap();
        let txn = self.ctx.db.begin().await.unwrap();
        lines::insert(&txn, self.business_id, None, &[line])
            .await
            .unwrap();
        packages::insert(&txn, std::slice::from_ref(&package))
            .await
            .unwrap();
        post::post_in(&txn, self.business_id, &posting, "")
            .await
            .unwrap();
        txn.commit().await.unwrap();
        package.id
    }

    pub(super) async fn extend(&self, package_id: PackageId, through: &str) {
        let txn = self.ctx.db.begin().await.unwrap();
        let mut locked = packages::lock(&txn, self.business_id, &[package_id])
            .await
            .unwrap();
        let mut package = locked.remove(0);
        let old = Expiry::of(&package);
        package.expires_at = calendar::end_of(through.parse().unwrap(), package.zone);
        package.expiry_epoch += 1;
        let stamp = stamp(self.ctx.clock.now());
        let change = NewChange {
            kind: ChangeKind::Extended,
            old: change::Value::Expiry(old),
            new: change::Value::Expiry(Expiry::of(&package)),
            effective_at: stamp.now,
            by_time: false,
        };
        post::record_changes(&txn, &stamp, &mut package, vec![change])
            .await
            .unwrap();
        let ids = [package_id];
        let mut own = lots::lock_of_packages(&txn, self.business_id, &ids)
            .await
            .unwrap();
        for lot in &mut own {
            lot.terms = package.terms();
        }
        lots::update(&txn, &own).await.unwrap();
        txn.commit().await.unwrap();
    }

    /// As if the run of a day had broken off before its end.
    pub(super) async fn unfinish(&self, day: &str) {
        let day = day.parse().unwrap();
        let reader = self.ctx.db.reader();
        let mut day = mail_days::get(reader, self.business_id, day)
            .await
            .unwrap()
            .unwrap();
        day.done_at = None;
        let txn = self.ctx.db.begin().await.unwrap();
        mail_days::update(&txn, &day).await.unwrap();
        txn.commit().await.unwrap();
    }

    /// As if the process that sent it had ended before it could write the outcome.
    pub(super) async fn forget_outcome(&self, email: &Email) {
        let now = self.ctx.clock.now();
        let mut email = email.clone();
        email.state = EmailState::Sending;
        email.finished_at = None;
        email.attempts = 0;
        email.lease_until = Some(now + chrono::TimeDelta::minutes(20));
        let attempt = Attempt {
            number: 1,
            started_at: now,
            finished_at: None,
            outcome: None,
            smtp_code: None,
            detail: String::new(),
        };
        let txn = self.ctx.db.begin().await.unwrap();
        emails::update(&txn, &[&email]).await.unwrap();
        email_attempts::finish(&txn, [(self.business_id, email.id, &attempt)])
            .await
            .unwrap();
        txn.commit().await.unwrap();
    }

    pub(super) async fn emails(&self) -> Vec<Email> {
        let filter = emails::Filter::default();
        emails::list(self.ctx.db.reader(), self.business_id, &filter, None, 100)
            .await
            .unwrap()
    }

    fn folder(&self) -> PathBuf {
        self.directory.path().join("mail")
    }

    /// The names of the captured messages.
    pub(super) fn captured(&self) -> Vec<String> {
        std::fs::read_dir(self.folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    pub(super) fn capture(&self) -> Deliverer {
        Deliverer::new(self.ctx.clone(), self.capture_mail())
    }

    pub(super) fn capture_mail(&self) -> Mail {
        mail(Transport::Capture(CaptureFolder::new(self.folder())))
    }

    /// A deliverer whose mail server does not listen.
    pub(super) fn unreachable(&self) -> Deliverer {
        let settings = SmtpSettings::parse("smtp://127.0.0.1:1?tls=none", None).unwrap();
        let transport = Transport::Smtp(Box::new(SmtpSession::new(settings)));
        Deliverer::new(self.ctx.clone(), mail(transport))
    }
}

fn mail(transport: Transport) -> Mail {
    Mail {
        settings: MailSettings {
            from_email: "carnet@example.com".to_owned(),
            from_name: None,
            public_url: None,
            rates: Rates::default(),
        },
        templates: Templates::default(),
        transport,
    }
}

fn business(now: DateTime<Utc>) -> Business {
    Business {
        id: BusinessId::generate(now),
        name: "Klaverikool".to_owned(),
        zone: Tz::Europe__Tallinn,
        locale: "en".to_owned(),
        currency: Currency::parse("EUR").unwrap(),
        feature_enabled: true,
        account_payments_active: false,
        prices_include_tax: true,
        quarantine_days: 30,
        policies: Policies::default(),
        default_priority: 100,
        reminder_policy: ReminderPolicy::default(),
        invoicing: Invoicing::default(),
        sender: Sender::default(),
        version: 1,
    }
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

fn stamp(now: DateTime<Utc>) -> Stamp {
    Stamp {
        posting_id: ids::new_uuid(now),
        now,
        request_hash: None,
        method: "test".to_owned(),
        actor: Actor::System,
        purpose: None,
    }
}

fn package(
    business_id: BusinessId,
    customer_id: CustomerId,
    through: &str,
    now: DateTime<Utc>,
) -> Package {
    let zone = Tz::Europe__Tallinn;
    let day = through.parse().unwrap();
    Package {
        id: PackageId::generate(now),
        business_id,
        external_id: None,
        sale_id: None,
        came_from: None,
        group_id: None,
        share_max: 1,
        customer_id,
        template: None,
        name: "Ten lessons".to_owned(),
        list_price_minor: 10_000,
        price_minor: 10_000,
        net_price_minor: 10_000,
        priority: 100,
        quarantine_days: None,
        validity: Validity::Until(day),
        expiry_source: ExpirySource::Sale,
        zone,
        starts_at: now,
        expires_at: calendar::end_of(day, zone),
        counts_from_first_use: false,
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
        use_limit: None,
        booking_rules: None,
        paid_at: Some(now),
        invoice_line_id: None,
        unpaid_uses: 0,
        change_seq: 0,
        created_at: now,
        version: 1,
    }
}
