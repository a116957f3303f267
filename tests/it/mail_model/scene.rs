//! One server with two replicas' jobs, on which everything is played.

use std::collections::{HashMap, HashSet};

use carnet::domain::notice::NoticeKind;
use carnet::ids::PackageId;
use carnet::jobs::deliver::Deliverer;
use carnet::jobs::mail_day;
use carnet::mail::session::SmtpSession;
use carnet::mail::session::settings::SmtpSettings;
use carnet::proto::v1;
use carnet::proto::v1::{AttemptOutcome, EmailKind, EmailState};
use carnet::service::{Context, readiness};
use carnet::store::notices;
use chrono::{NaiveDate, TimeDelta};
use proptest::sample::Index;

use super::Command;
use super::oracle::{LEADS, Moment, Told};
use crate::support::app::{TestApp, settings};
use crate::support::fresh::{Database, Fresh};
use crate::support::mailroom::{email, message_id, outcomes, set_customer, set_leads, through};
use crate::support::shop::{Shop, days};
use crate::support::smtp::{Act, At, Mode, Received, SmtpServer};
use crate::support::tenant::ZONE;

/// How many customers there are.
pub(super) const CUSTOMERS: usize = 3;
/// How many of them may be erased.
pub(super) const ERASED_MAX: usize = 1;

pub(super) struct Scene {
    app: TestApp,
    shop: Shop,
    customers: Vec<String>,
    packages: Vec<String>,
    /// On which day each package's end came to be; nothing if it was ever frozen.
    changed_on: HashMap<String, Option<NaiveDate>>,
    server: SmtpServer,
    /// The second has a connection to the database of its own.
    replicas: Vec<Context>,
    sent: HashSet<String>,
    told: Told,
}

impl Scene {
    pub(super) async fn set(database: Database) -> Self {
        let fresh = Fresh::migrated(database).await;
        let mut settings = settings(&fresh.url);
        settings.mail.mail_capture_folder = fresh.folder.path().join("mail");
        let connection = fresh.connect().await;
        let app = TestApp::start(fresh, settings).await;
        let other = Context::new(connection, app.clock.clone());
        readiness::check(&other).await;
        let shop = Shop::open(&app).await;
        let leads = LEADS.map(|lead| i32::try_from(lead).unwrap());
        set_leads(&app, &leads).await;
        let mut customers = vec![shop.customer.clone()];
        for name in ["Jaan Kask", "Kadri Tamm"] {
            customers.push(shop.customer(name).await);
        }
        Self {
            replicas: vec![app.context().clone(), other],
            app,
            shop,
            customers,
            packages: Vec::new(),
            changed_on: HashMap::new(),
            server: SmtpServer::start(Mode::Clear).await,
            sent: HashSet::new(),
            told: Told::default(),
        }
    }

    pub(super) async fn play(&mut self, command: &Command) {
        match command {
            Command::Sell { customer, days } => self.sell(*customer, *days).await,
            Command::Extend { package, days } => self.extend(*package, *days).await,
            Command::Use { package, lessons } => self.use_lessons(*package, *lessons).await,
            Command::Freeze { package, days } => self.freeze(*package, *days).await,
            Command::Unfreeze { package } => self.unfreeze(*package).await,
            Command::Activate { customer, active } => {
                if self.is_erased(*customer).await {
                    return;
                }
                let changed = v1::Customer {
                    id: self.customers[*customer].clone(),
                    active: *active,
                    ..Default::default()
                };
                set_customer(&self.app, &["active"], changed).await;
            }
            Command::Subscribe {
                customer,
                subscribed,
            } => {
                if self.is_erased(*customer).await {
                    return;
                }
                let changed = v1::Customer {
                    id: self.customers[*customer].clone(),
                    unsubscribed: !subscribed,
                    ..Default::default()
                };
                set_customer(&self.app, &["unsubscribed"], changed).await;
            }
            Command::Erase { customer } => self.erase(*customer).await,
            Command::RunDay => self.run_day().await,
            Command::Deliver { replica } => self.deliver(*replica, None).await,
            Command::DeliverBoth => self.deliver_both().await,
            Command::PutOff { replica, is_away } => {
                let (at, act) = if *is_away {
                    (At::Greeting, Act::Drop)
                } else {
                    (At::Dot, Act::Say("451 4.3.0 not now"))
                };
                self.server.plan(at, act);
                self.deliver(*replica, None).await;
                self.server.forget_plans();
            }
            Command::Die { replica, taken } => {
                let act = if *taken { Act::TakeAndHang } else { Act::Hang };
                self.deliver(*replica, Some(act)).await;
            }
            Command::Wait { hours } => {
                self.app.clock.advance(TimeDelta::hours(*hours));
            }
        }
    }

    fn today(&self) -> NaiveDate {
        self.app.clock.now().with_timezone(&ZONE).date_naive()
    }

    fn named(&self, package: Index) -> Option<String> {
        (!self.packages.is_empty()).then(|| package.get(&self.packages).clone())
    }

    async fn sell(&mut self, customer: usize, length: i32) {
        self.shop.customer.clone_from(&self.customers[customer]);
        let template_id = self
            .shop
            .offer(self.shop.lessons("8", days(length + 1)))
            .await;
        let answer = self
            .shop
            .try_to_sell(vec![self.shop.entry(&template_id)])
            .await;
        // Nothing is sold to one who is inactive.
        if let Ok(answer) = answer {
            let id = answer.into_inner().results.remove(0).package.unwrap().id;
            self.changed_on.insert(id.clone(), Some(self.today()));
            self.packages.push(id);
        }
    }

    /// An end that was moved today is as old as today; that of one that was ever frozen is not foretold.
    fn note_change(&mut self, id: &str) {
        let today = self.today();
        let changed_on = self.changed_on.get_mut(id).unwrap();
        *changed_on = changed_on.map(|_| today);
    }

    async fn extend(&mut self, package: Index, days: i32) {
        let Some(id) = self.named(package) else {
            return;
        };
        let by = v1::Period {
            count: days,
            unit: v1::PeriodUnit::Day.into(),
        };
        let request = v1::ExtendPackageRequest {
            request_id: self.app.request_id(),
            package_id: id.clone(),
            new_expiry: Some(v1::extend_package_request::NewExpiry::By(by)),
            ..Default::default()
        };
        if self.app.packages().extend_package(request).await.is_ok() {
            self.note_change(&id);
        }
    }

    async fn use_lessons(&mut self, package: Index, lessons: i32) {
        let Some(id) = self.named(package) else {
            return;
        };
        self.shop.customer = self.shop.package(&id).await.customer_id;
        let request = self.shop.use_lessons_of(&id, &lessons.to_string());
        // What is not there any more cannot be used.
        let _refused = self.shop.consume(request).await;
    }

    async fn freeze(&mut self, package: Index, days: i64) {
        let Some(id) = self.named(package) else {
            return;
        };
        let request = v1::FreezePackageRequest {
            request_id: self.app.request_id(),
            package_id: id.clone(),
            until_date: (self.today() + TimeDelta::days(days)).to_string(),
            ..Default::default()
        };
        if self.app.packages().freeze_package(request).await.is_ok() {
            self.changed_on.insert(id, None);
        }
    }

    async fn unfreeze(&mut self, package: Index) {
        let Some(id) = self.named(package) else {
            return;
        };
        let request = v1::UnfreezePackageRequest {
            request_id: self.app.request_id(),
            package_id: id,
            ..Default::default()
        };
        let _refused = self.app.packages().unfreeze_package(request).await;
    }

    async fn moment(&self) -> Moment {
        let mut moment = Moment {
            now: self.app.clock.now(),
            packages: HashMap::new(),
            customers: HashMap::new(),
        };
        for id in &self.packages {
            moment
                .packages
                .insert(id.clone(), self.shop.package(id).await);
        }
        for id in &self.customers {
            moment.customers.insert(id.clone(), self.customer(id).await);
        }
        moment
    }

    async fn run_day(&mut self) {
        let moment = self.moment().await;
        let (one, other) = tokio::join!(
            Box::pin(mail_day::step(&self.replicas[0])),
            Box::pin(mail_day::step(&self.replicas[1])),
        );
        let runs = one.unwrap().runs + other.unwrap().runs;
        assert!(runs <= 1, "{runs} runs of a day");
        if runs == 0 {
            return;
        }
        let ids: Vec<PackageId> = self.packages.iter().map(|id| id.parse().unwrap()).collect();
        let db = &self.replicas[0].db;
        let found = notices::of_packages(db.reader(), self.app.business_id, &ids).await;
        let mut found = found.unwrap();
        found.retain(|notice| notice.kind != NoticeKind::Confirmation);
        let found = found.into_iter().map(|notice| {
            let kind = if notice.kind == NoticeKind::Expired {
                EmailKind::Expired
            } else {
                EmailKind::ExpiryReminder
            };
            let lead = notice.lead_days.unwrap_or_default();
            (kind, notice.package_id.to_string(), lead)
        });
        moment.check_run(&found.collect(), &self.changed_on);
    }

    async fn customer(&self, id: &str) -> v1::Customer {
        let request = v1::GetCustomerRequest {
            customer_id: id.to_owned(),
        };
        let found = self.app.customers().get_customer(request).await.unwrap();
        found.into_inner().customer.unwrap()
    }

    async fn is_erased(&self, customer: usize) -> bool {
        let found = self.customer(&self.customers[customer]).await;
        found.erased_at.is_some()
    }

    async fn erase(&self, customer: usize) {
        if self.is_erased(customer).await {
            return;
        }
        let request = v1::EraseCustomerRequest {
            request_id: self.app.request_id(),
            customer_id: self.customers[customer].clone(),
            ..Default::default()
        };
        // Nobody is erased who has something that can be used.
        let _refused = self.app.customers().erase_customer(request).await;
    }

    fn worker(&self, replica: usize) -> Deliverer {
        let smtp = SmtpSettings::parse(&self.server.clear_url(), None).unwrap();
        let mail = through(SmtpSession::new(smtp), self.app.mail_settings());
        Deliverer::new(self.replicas[replica].clone(), mail)
    }

    async fn deliver_both(&mut self) {
        let moment = self.moment().await;
        let [mut one, mut other] = [0, 1].map(|replica| self.worker(replica));
        let (here, there) = tokio::join!(Box::pin(one.step()), Box::pin(other.step()));
        for delivered in [here, there] {
            delivered.unwrap();
        }
        for mut worker in [one, other] {
            worker.close().await;
        }
        self.look(&moment).await;
    }

    /// Delivers what is due, and checks what went out; with an act, until the mail server falls silent.
    async fn deliver(&mut self, replica: usize, dies_at: Option<Act>) {
        let moment = self.moment().await;
        let mut worker = self.worker(replica);
        match dies_at {
            None => {
                worker.step().await.unwrap();
            }
            Some(act) => {
                let before = self.server.stalls();
                self.server.plan(At::Dot, act);
                let is_silent = async {
                    while self.server.stalls() == before {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::select! {
                    delivered = worker.step() => {
                        delivered.unwrap();
                    }
                    () = is_silent => {}
                }
                self.server.forget_plans();
            }
        }
        worker.close().await;
        self.look(&moment).await;
    }

    /// Checks every e-mail that is sent since it was looked last, and that there are no copies without cause.
    async fn look(&mut self, moment: &Moment) {
        let request = v1::ListEmailsRequest {
            page_size: 200,
            ..Default::default()
        };
        let listed = self.app.emails().list_emails(request).await.unwrap();
        for listed in listed.into_inner().emails {
            let is_new = listed.state() == EmailState::Sent && !self.sent.contains(&listed.id);
            if !is_new {
                continue;
            }
            let email = email(&self.app, &listed.id).await;
            moment.check(&email, &mut self.told);
            let received = self.server.received();
            let is_it = |it: &&Received| message_id(&it.text) == email.message_id;
            let copies = received.iter().filter(is_it).count();
            let known = |outcome: &AttemptOutcome| *outcome == AttemptOutcome::Unknown;
            let unknown = outcomes(&email).iter().filter(|it| known(it)).count();
            assert!((1..=unknown + 1).contains(&copies), "{copies} of {email:?}");
            self.sent.insert(listed.id);
        }
    }

    /// The harness proves that nothing is forgotten.
    pub(super) async fn end(self) {
        let other = self.replicas.into_iter().nth(1).unwrap();
        other.db.close().await.unwrap();
        drop(self.shop);
        Box::pin(self.app.finish()).await;
    }
}
