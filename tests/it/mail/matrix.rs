//! Every step at which a worker can die, times every fault of a mail server at every stage (G7): in the end
//! each e-mail is sent or given up, never lost; and it is delivered more than once only where an outcome could
//! not be known, and then under one Message-ID.
//!
//! A worker dies by being dropped in the middle, on the test's clock, so its lease runs out at once. That a
//! killed process leaves the same behind is shown beside this.

mod private;

use std::time::Duration;

use carnet::jobs::deliver::Deliverer;
use carnet::mail::session::SmtpSession;
use carnet::mail::session::settings::{SmtpSettings, Timeouts};
use carnet::proto::v1::{self, AttemptOutcome, EmailKind, EmailState};
use chrono::TimeDelta;
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{email, message_id, outcomes, through};
use crate::support::shop::{Shop, never};
use crate::support::smtp::{Act, At, Mode, Received, SmtpServer};

/// How long the workers wait for the mail server, at any stage.
const ANSWER_MAX: Duration = Duration::from_millis(400);
/// More than the rounds that any fault takes.
const ROUNDS_MAX: usize = 8;

/// Where a worker dies, if it does, and what the mail server does then.
const CRASHES: [Option<(At, Act)>; 6] = [
    None,
    Some((At::Greeting, Act::Hang)),
    Some((At::Rcpt, Act::Hang)),
    Some((At::Body, Act::Hang)),
    Some((At::Dot, Act::Hang)),
    Some((At::Dot, Act::TakeAndHang)),
];

const STAGES: [At; 7] = [
    At::Greeting,
    At::Ehlo,
    At::Mail,
    At::Rcpt,
    At::Data,
    At::Body,
    At::Dot,
];

/// What goes wrong at any stage: put off, refused, gone, silent, garbage, and slow but right.
const FAULTS: [Act; 7] = [
    Act::Say("451 4.3.0 not now"),
    Act::Say("554 5.7.1 never"),
    Act::SayAndDrop("421 4.3.2 closing"),
    Act::Drop,
    Act::Hang,
    Act::Say("\u{1}\u{2} what is this"),
    Act::Slow,
];

/// What goes wrong after the final dot only, when the server has the message already.
const AFTER_THE_DOT: [Act; 3] = [Act::TakeAndDrop, Act::TakeAndHang, Act::TakeAnswerAndDrop];

/// A mail server, workers and a shop whose e-mails they deliver.
struct Scene<'a> {
    app: &'a TestApp,
    server: &'a SmtpServer,
    settings: SmtpSettings,
    shop: Shop,
    template_id: String,
}

impl<'a> Scene<'a> {
    async fn set(app: &'a TestApp, server: &'a SmtpServer, settings: SmtpSettings) -> Self {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", never())).await;
        let timeouts = Timeouts {
            connect: ANSWER_MAX,
            tls: ANSWER_MAX,
            greeting: ANSWER_MAX,
            auth: ANSWER_MAX,
            command: ANSWER_MAX,
            data: ANSWER_MAX,
            body: ANSWER_MAX,
            final_dot: ANSWER_MAX,
        };
        Self {
            app,
            server,
            settings: settings.with_timeouts(timeouts),
            shop,
            template_id,
        }
    }

    fn worker(&self) -> Deliverer {
        let session = SmtpSession::new(self.settings.clone());
        let mail = through(session, self.app.mail_settings());
        Deliverer::new(self.app.context().clone(), mail)
    }

    /// One e-mail, from the sale to its end.
    async fn play(&self, crash: Option<(At, Act)>, fault: (At, Act)) {
        let taken = self.server.received().len();
        self.app.clock.advance(TimeDelta::minutes(10));
        self.shop.sell(&self.template_id).await;
        let email_id = self.newest().await;
        if let Some((at, act)) = crash {
            self.server.plan(at, act);
            self.die_in_the_middle().await;
        }
        self.server.plan(fault.0, fault.1);
        // Both have a session each, so each meets the fault where there is one left.
        let mut workers = [self.worker(), self.worker()];
        let scene = format!("died {crash:?}, then {fault:?}");
        for round in 0.. {
            assert!(
                round < ROUNDS_MAX,
                "{scene}: {:?}",
                self.email(&email_id).await
            );
            for worker in &mut workers {
                worker.step().await.unwrap();
            }
            if self.email(&email_id).await.due_at.is_none() {
                break;
            }
            self.app.clock.advance(TimeDelta::minutes(6));
        }
        for worker in &mut workers {
            worker.close().await;
        }
        let received = self.server.received_after(taken);
        check(&self.email(&email_id).await, fault, &received, &scene);
        self.server.forget_plans();
    }

    async fn newest(&self) -> String {
        let request = v1::ListEmailsRequest {
            page_size: 1,
            kinds: vec![EmailKind::Confirmation.into()],
            ..Default::default()
        };
        let listed = self.app.emails().list_emails(request).await.unwrap();
        listed.into_inner().emails.remove(0).id
    }

    async fn email(&self, id: &str) -> v1::Email {
        email(self.app, id).await
    }

    /// A worker that is gone as soon as the server has fallen silent.
    async fn die_in_the_middle(&self) {
        let before = self.server.stalls();
        let mut worker = self.worker();
        let is_silent = async {
            while self.server.stalls() == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            delivered = worker.step() => panic!("it lived: {delivered:?}"),
            () = is_silent => {}
        }
    }
}

/// What was received since the sale are copies of this e-mail, and no more of them than can be.
fn check(email: &v1::Email, (at, act): (At, Act), received: &[Received], scene: &str) {
    let is_refusal = matches!(act, Act::Say(reply) if reply.starts_with("554"));
    let is_about_it = matches!(at, At::Rcpt | At::Data | At::Dot);
    let expected = if is_refusal && is_about_it {
        EmailState::Failed
    } else {
        EmailState::Sent
    };
    assert_eq!(email.state(), expected, "{scene}: {email:?}");
    let ids = received.iter().map(|it| message_id(&it.text));
    assert!(ids.into_iter().all(|it| it == email.message_id), "{scene}");
    let outcomes = outcomes(email);
    let count = |wanted| outcomes.iter().filter(|it| **it == wanted).count();
    let accepted = count(AttemptOutcome::Accepted);
    assert_eq!(
        accepted,
        usize::from(expected == EmailState::Sent),
        "{scene}"
    );
    let copies = received.len();
    assert!(copies >= accepted, "{scene}: lost");
    let unknown = count(AttemptOutcome::Unknown);
    assert!(
        copies <= accepted + unknown,
        "{scene}: {copies} copies, {outcomes:?}"
    );
    assert_eq!(
        count(AttemptOutcome::Unspecified),
        0,
        "{scene}: {outcomes:?}"
    );
}

#[rstest]
#[tokio::test]
async fn whoever_dies_and_whatever_fails_each_email_comes_to_its_end(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let settings = SmtpSettings::parse(&server.clear_url(), None).unwrap();
        let scene = Scene::set(app, &server, settings).await;
        for crash in CRASHES {
            for at in STAGES {
                for act in FAULTS {
                    scene.play(crash, (at, act)).await;
                }
            }
            for act in AFTER_THE_DOT {
                scene.play(crash, (At::Dot, act)).await;
            }
        }
        let played = CRASHES.len() * (STAGES.len() * FAULTS.len() + AFTER_THE_DOT.len());
        assert_eq!(count_ended(app).await, played);
    })
    .await;
}

async fn count_ended(app: &TestApp) -> usize {
    let mut request = v1::ListEmailsRequest {
        page_size: 200,
        kinds: vec![EmailKind::Confirmation.into()],
        ..Default::default()
    };
    let mut count = 0;
    loop {
        let listed = app.emails().list_emails(request.clone()).await.unwrap();
        let listed = listed.into_inner();
        count += listed
            .emails
            .iter()
            .filter(|it| it.due_at.is_none())
            .count();
        if listed.next_page_token.is_empty() {
            return count;
        }
        request.page_token = listed.next_page_token;
    }
}
