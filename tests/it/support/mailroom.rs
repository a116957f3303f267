//! The jobs that mail comes from, run by hand at the time of the test's clock, and what they left.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use carnet::clock::Clock;
use carnet::config::MailSettings;
use carnet::domain::calendar;
use carnet::domain::email::{AttemptOutcome, Email, EmailState};
use carnet::domain::notice::NoticeKind;
use carnet::jobs::deliver::{self, Delivered, Deliverer, Mail, Rates};
use carnet::jobs::{mail_day, settle};
use carnet::mail::capture::CaptureFolder;
use carnet::mail::reload::Templates;
use carnet::mail::session::SmtpSession;
use carnet::mail::session::settings::{SmtpSettings, Timeouts};
use carnet::mail::transport::Transport;
use carnet::proto::v1;
use carnet::service::Context;
use carnet::store::db::Database as Connection;
use carnet::store::{businesses, email_attempts, emails, mail_days};
use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;
use sea_orm::{ConnectionTrait, Statement};

use crate::support::app::{Sqlite, TestApp, on};
use crate::support::shop::Shop;
use crate::support::smtp::SmtpServer;
use crate::support::tenant::{Tenant, ZONE};

/// How often the clock moves on to what is due next before a test gives up on an e-mail.
const ROUNDS_MAX: usize = 50;
/// More e-mails than any test makes.
const EMAILS_MAX: u64 = 1_000;

/// The mail day and the delivery of an app.
pub(crate) struct Mailroom<'a> {
    app: &'a TestApp,
    deliverer: Deliverer,
}

impl<'a> Mailroom<'a> {
    /// Delivers into the app's capture folder.
    pub(crate) fn capturing(app: &'a TestApp) -> Self {
        Self::with(app, capture(app.mail_settings()))
    }

    /// Delivers to a mail server.
    pub(crate) fn posting_to(app: &'a TestApp, server: &SmtpServer) -> Self {
        Self::posting_with(app, server, app.mail_settings())
    }

    /// The same with other settings.
    pub(crate) fn posting_with(
        app: &'a TestApp,
        server: &SmtpServer,
        settings: &MailSettings,
    ) -> Self {
        let smtp = SmtpSettings::parse(&server.clear_url(), None).unwrap();
        let timeouts = Timeouts::of_answer(settings.smtp_timeout());
        let session = SmtpSession::new(smtp.with_timeouts(timeouts));
        Self::with(app, through(session, settings))
    }

    fn with(app: &'a TestApp, mail: Mail) -> Self {
        let deliverer = Deliverer::new(app.context().clone(), mail);
        Self { app, deliverer }
    }

    /// Runs the mail day, if it is due, and delivers what is due.
    pub(crate) async fn run(&mut self) -> Delivered {
        mail_day::step(self.app.context()).await.unwrap();
        self.deliver().await
    }

    /// Only delivers what is due.
    pub(crate) async fn deliver(&mut self) -> Delivered {
        self.deliverer.step().await.unwrap()
    }

    /// The same at a local time, such as `2026-02-07 09:00`.
    pub(crate) async fn run_at(&mut self, local_time: &str) -> Delivered {
        self.app.clock.set(local(local_time));
        self.run().await
    }

    /// Runs at nine on each local day, the last included; how many e-mails went out on which.
    pub(crate) async fn run_daily(&mut self, from: &str, through: &str) -> Vec<(String, usize)> {
        let days = date(from).iter_days();
        let mut sent = Vec::new();
        for day in days.take_while(|day| *day <= date(through)) {
            let delivered = self.run_at(&format!("{day} 09:00")).await;
            if delivered.sent > 0 {
                sent.push((day.to_string(), delivered.sent));
            }
        }
        sent
    }
}

/// The way to a mail server, as a server's own settings make it.
pub(crate) fn through(session: SmtpSession, settings: &MailSettings) -> Mail {
    let mut mail = capture(settings);
    mail.settings.from_name = Some(settings.mail_from_name.clone());
    mail.settings.rates = Rates {
        all_max: settings.mail_rate_per_minute,
        business_max: settings.mail_business_rate_per_minute,
    };
    mail.transport = Transport::Smtp(Box::new(session));
    mail
}

/// The way into the capture folder.
fn capture(settings: &MailSettings) -> Mail {
    Mail {
        settings: deliver::MailSettings {
            from_email: settings.mail_from_address.clone(),
            from_name: None,
            public_url: settings.public_url.clone(),
            rates: Rates::default(),
        },
        templates: Templates::default(),
        transport: Transport::Capture(CaptureFolder::new(&settings.mail_capture_folder)),
    }
}

fn date(text: &str) -> chrono::NaiveDate {
    text.parse().unwrap()
}

/// The instant at which clocks in the zone of most tests show this.
pub(crate) fn local(time: &str) -> DateTime<Utc> {
    local_in(ZONE, time)
}

/// The instant at which clocks in a zone show this.
pub(crate) fn local_in(zone: Tz, time: &str) -> DateTime<Utc> {
    let time = NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M").unwrap();
    zone.from_local_datetime(&time).unwrap().with_timezone(&Utc)
}

/// One e-mail with all that is known of it.
pub(crate) async fn email(tenant: &Tenant, email_id: &str) -> v1::Email {
    let request = v1::GetEmailRequest {
        email_id: email_id.to_owned(),
    };
    let answer = tenant.emails().get_email(request).await.unwrap();
    answer.into_inner().email.unwrap()
}

/// All e-mails of one kind, the oldest first.
pub(crate) async fn emails(tenant: &Tenant, kind: v1::EmailKind) -> Vec<v1::Email> {
    let request = v1::ListEmailsRequest {
        kinds: vec![kind.into()],
        page_size: 200,
        ..Default::default()
    };
    let listed = tenant.emails().list_emails(request).await.unwrap();
    let mut complete = Vec::new();
    for listed in listed.into_inner().emails.iter().rev() {
        complete.push(email(tenant, &listed.id).await);
    }
    complete
}

/// The only e-mail of a kind.
pub(crate) async fn only_email(tenant: &Tenant, kind: v1::EmailKind) -> v1::Email {
    let mut found = emails(tenant, kind).await;
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// How an e-mail's attempts ended.
pub(crate) fn outcomes(email: &v1::Email) -> Vec<v1::AttemptOutcome> {
    email
        .attempts
        .iter()
        .map(v1::EmailAttempt::outcome)
        .collect()
}

/// Changes what goes out by itself.
pub(crate) async fn set_policy(tenant: &Tenant, paths: &[&str], policy: v1::ReminderPolicy) {
    let request = v1::UpdateReminderPolicyRequest {
        policy: Some(policy),
        update_mask: Some(mask(paths)),
        ..Default::default()
    };
    tenant
        .emails()
        .update_reminder_policy(request)
        .await
        .unwrap();
}

/// Reminds so many days before the last usable day.
pub(crate) async fn set_leads(tenant: &Tenant, lead_days: &[i32]) {
    let policy = v1::ReminderPolicy {
        lead_days: lead_days.to_vec(),
        ..Default::default()
    };
    set_policy(tenant, &["lead_days"], policy).await;
}

/// Changes settings of the business.
pub(crate) async fn set_settings(tenant: &Tenant, paths: &[&str], settings: v1::Settings) {
    let request = v1::UpdateSettingsRequest {
        settings: Some(settings),
        update_mask: Some(mask(paths)),
        ..Default::default()
    };
    tenant.business().update_settings(request).await.unwrap();
}

/// Switches the feature on or off.
pub(crate) async fn set_feature(tenant: &Tenant, settings: v1::Settings) {
    set_settings(tenant, &["feature_enabled"], settings).await;
}

/// Changes a customer.
pub(crate) async fn set_customer(tenant: &Tenant, paths: &[&str], customer: v1::Customer) {
    let request = v1::UpdateCustomerRequest {
        customer: Some(customer),
        update_mask: Some(mask(paths)),
        ..Default::default()
    };
    tenant.customers().update_customer(request).await.unwrap();
}

fn mask(paths: &[&str]) -> prost_types::FieldMask {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    prost_types::FieldMask { paths }
}

/// Proves that no e-mail that is due is forgotten, and that none was delivered twice: the jobs run into
/// the capture folder until every e-mail has come to its end.
pub(crate) async fn prove(connection: &Connection, clock: &Clock, settings: &MailSettings) {
    let ctx = Context::new(connection.clone(), clock.clone());
    let mut deliverer = Deliverer::new(ctx.clone(), capture(settings));
    let mut all = Vec::new();
    for _ in 0..ROUNDS_MAX {
        settle::step(&ctx).await.unwrap();
        mail_day::step(&ctx).await.unwrap();
        prove_days_done(&ctx).await;
        deliverer.step().await.unwrap();
        all = all_emails(connection).await;
        let open = all.iter().filter(|email| email.finished_at.is_none());
        let next = open.map(|email| email.due_at.max(email.lease_until.unwrap_or_default()));
        let Some(next) = next.min() else { break };
        clock.set(next.max(clock.now()));
    }
    for email in &all {
        let is_open = matches!(email.state, EmailState::Queued | EmailState::Sending);
        assert!(!is_open, "an e-mail is forgotten: {email:?}");
    }
    prove_each_notice_told(connection).await;
    prove_once(connection, &all, &settings.mail_capture_folder).await;
}

/// Every business whose mail day is due has it behind it.
async fn prove_days_done(ctx: &Context) {
    let now = ctx.clock.now();
    for business in businesses::all(ctx.db.reader()).await.unwrap() {
        let today = calendar::local_day(now, business.zone);
        let hour = business.reminder_policy.local_hour;
        let due_at = calendar::at_local_hour(today, hour, business.zone);
        if business.feature_enabled && due_at.is_some_and(|due_at| due_at <= now) {
            let day = mail_days::get(ctx.db.reader(), business.id, today).await;
            let is_done = day.unwrap().is_some_and(|day| day.done_at.is_some());
            assert!(is_done, "the mail day {today} of {}", business.name);
        }
    }
}

async fn all_emails(connection: &Connection) -> Vec<Email> {
    let reader = connection.reader();
    let mut all = Vec::new();
    for business in businesses::all(reader).await.unwrap() {
        let filter = emails::Filter::default();
        let found = emails::list(reader, business.id, &filter, None, EMAILS_MAX).await;
        all.extend(found.unwrap());
    }
    all
}

/// A notice is in an e-mail, or it says why not.
async fn prove_each_notice_told(connection: &Connection) {
    let untold = "SELECT count(*) FROM notices WHERE email_id IS NULL AND dropped_reason IS NULL";
    let statement = Statement::from_string(connection.backend(), untold);
    let row = connection.reader().query_one_raw(statement).await.unwrap();
    let untold: i64 = row.unwrap().try_get_by_index(0).unwrap();
    assert_eq!(untold, 0, "notices are in no e-mail");
}

async fn prove_once(connection: &Connection, all: &[Email], folder: &Path) {
    let mut told = HashSet::new();
    let mut message_ids = BTreeMap::new();
    for email in all.iter().filter(|email| email.state == EmailState::Sent) {
        let fact = (email.customer_id, email.kind, &email.occasion);
        assert!(told.insert(fact), "told twice: {email:?}");
        let text = email.text.as_ref().unwrap();
        let earlier = message_ids.insert(text.message_id.as_str(), email.id);
        assert_eq!(earlier, None, "a Message-ID of two e-mails");
        let reader = connection.reader();
        let attempts = email_attempts::of_email(reader, email.business_id, email.id).await;
        let taken = attempts.unwrap().into_iter();
        let taken = taken.filter(|attempt| attempt.outcome == Some(AttemptOutcome::Accepted));
        assert_eq!(taken.count(), 1, "deliveries of {email:?}");
    }
    let mut captured = HashSet::new();
    for message_id in captured_ids(folder) {
        let known = message_ids.contains_key(message_id.as_str());
        assert!(known, "{message_id} went out and is not marked as sent");
        assert!(captured.insert(message_id), "a message is captured twice");
    }
}

/// The Message-IDs of the captured messages.
pub(crate) fn captured_ids(folder: &Path) -> Vec<String> {
    let Ok(files) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let read = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    read.map(|text| message_id(&text)).collect()
}

/// The Message-ID of a message.
pub(crate) fn message_id(text: &str) -> String {
    let mut lines = text.lines();
    let found = lines.find_map(|line| line.strip_prefix("Message-ID: "));
    found.unwrap().trim().to_owned()
}

#[tokio::test]
#[should_panic(expected = "an e-mail is forgotten")]
async fn a_test_that_leaves_an_email_that_nobody_will_send_fails() {
    on(Sqlite, async |app| {
        let customer_id = Shop::open(app).await.customer.parse().unwrap();
        let now = app.clock.now();
        let kind = NoticeKind::Expiring;
        let mut lost = Email::new(app.business_id, customer_id, kind, "lost".to_owned(), now);
        // Of a run that nobody began.
        lost.mail_day = Some(date("2026-01-01"));
        let txn = app.context().db.begin().await.unwrap();
        emails::ensure(&txn, &[lost]).await.unwrap();
        txn.commit().await.unwrap();
    })
    .await;
}
