//! One SMTP session: many messages over one connection, each with a certain outcome.
//!
//! Invariants: only 2xx to the final dot counts as accepted. The connection is taken out of its slot
//! before it is used and put back only between messages, so whatever ends an attempt early (an error,
//! a time-out, a dropped future) drops the connection, and no answer to one message can be taken for
//! that of the next. Every stage has a time-out of its own, and nothing is written once the claim of the
//! e-mail has run out (`bounded`). A connection that the server closed in the meantime is replaced once, as
//! long as it answered for no sender.
//!
//! Where a server takes several commands at once (RFC 2920) all that comes before the text is one write from the
//! second message of a connection on. The first is said one by one, so a recipient over whom a server breaks
//! down is known for it.
//!
//! Deliberately absent: a pool (each worker owns one session), logging (replies hold addresses), and
//! encryption "if offered".

mod bounded;
mod outcomes;
pub mod settings;
mod stream;
mod trace;

use std::fmt::{self, Display};
use std::future::Future;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, ready};
use lettre::Address;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Ehlo, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use self::bounded::{Bounded, Bounds};
use self::settings::{SmtpSettings, Timeouts};
use self::stream::Failure;
use super::message::Outgoing;
use super::reply::Reply;
use super::transport::{Leave, Outcome, Stage};

/// A connection that lay idle longer is not used again; many servers hang up after a minute.
const IDLE_MAX: Duration = Duration::from_secs(25);
/// Messages over one connection; many servers allow a hundred.
const MESSAGES_MAX: u32 = 100;
/// How long the farewell may take.
const QUIT_MAX: Duration = Duration::from_secs(2);
/// The message is written in pieces of this size.
const CHUNK_BYTES: usize = 16 * 1024;
/// What a server offers that takes several commands at once.
const PIPELINING: &str = "PIPELINING";

/// A session with one mail server; owned by one worker.
pub struct SmtpSession {
    settings: SmtpSettings,
    me: ClientId,
    open: Option<Open>,
}

/// A connection on which the next command may be `MAIL`.
struct Open {
    connection: AsyncSmtpConnection,
    bounds: Bounds,
    messages: u32,
    used_at: Instant,
    /// Whether the server takes several commands at once; asked when a second message comes.
    pipelines: bool,
}

impl fmt::Debug for SmtpSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.open.is_some();
        f.debug_struct("SmtpSession")
            .field("settings", &self.settings)
            .field("open", &open)
            .finish_non_exhaustive()
    }
}

impl SmtpSession {
    /// A session that connects when the first message comes.
    pub fn new(settings: SmtpSettings) -> Self {
        Self {
            settings,
            me: ClientId::default(),
            open: None,
        }
    }

    /// Tries once to deliver a message; its text goes out when there is leave to.
    pub async fn send(
        &mut self,
        message: &Outgoing,
        mut leave: Leave<impl Future + Unpin>,
    ) -> Outcome {
        if let Some(open) = self.open.take().filter(Open::is_fresh) {
            let outcome = self.send_over(open, message, &mut leave).await;
            if !matches!(outcome, Outcome::NotTried { .. }) {
                return outcome;
            }
        }
        match self.connect().await {
            Ok(open) => self.send_over(open, message, &mut leave).await,
            Err((stage, reason)) => Outcome::NotTried { stage, reason },
        }
    }

    /// The mail server's host and port.
    pub fn server(&self) -> String {
        format!("{}:{}", self.settings.host, self.settings.port)
    }

    /// The longest that one attempt can take.
    pub fn attempt_max(&self) -> Duration {
        self.settings.timeouts().attempt_max()
    }

    /// Says goodbye, if there is a connection.
    pub async fn close(&mut self) {
        if let Some(mut open) = self.open.take() {
            let _ = timeout(QUIT_MAX, open.connection.quit()).await;
        }
    }

    async fn connect(&self) -> Result<Open, Failure> {
        let limits = self.settings.timeouts();
        let stream = stream::open(&self.settings, &self.me).await?;
        let bounds = Bounds::default();
        let stream = Bounded::new(stream, bounds.clone());
        let mut connection = {
            let span = trace::begin(Stage::Greeting);
            let greeting = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.me);
            let greeted = match timeout(limits.greeting, greeting).await {
                Ok(greeted) => greeted.map_err(|error| Reply::of_error(&error)),
                Err(_) => Err(Reply::timed_out(limits.greeting)),
            };
            greeted.map_err(|reply| {
                trace::end(&span, &reply);
                (Stage::Greeting, reply.describe())
            })?
        };
        if let Some(credentials) = &self.settings.credentials {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            let auth = connection.auth(&mechanisms, credentials);
            let reply = trace::answer(Stage::Auth, Reply::within(limits.auth, auth)).await;
            if !reply.is_completion() {
                return Err((Stage::Auth, reply.describe()));
            }
        }
        Ok(Open {
            connection,
            bounds,
            messages: 0,
            used_at: Instant::now(),
            pipelines: false,
        })
    }

    /// Sends over this connection and keeps it if the dialogue ended cleanly.
    async fn send_over(
        &mut self,
        mut open: Open,
        message: &Outgoing,
        leave: &mut Leave<impl Future + Unpin>,
    ) -> Outcome {
        let limits = *self.settings.timeouts();
        if open.messages == 1 {
            open.pipelines = open.offers_pipelining(&self.me, limits.command).await;
        }
        open.bounds.write_until(leave.until);
        let (outcome, end) = open.dialogue(message, &limits, leave).await;
        let clean = match end {
            End::Between => true,
            End::Inside => open.reset(limits.command).await,
            End::Broken => false,
        };
        if clean {
            open.bounds.lift();
            open.messages = open.messages.saturating_add(1);
            open.used_at = Instant::now();
            self.open = Some(open);
        }
        outcome
    }
}

/// How a dialogue left the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The server is ready for the next message.
    Between,
    /// The server still has a sender or recipient in mind.
    Inside,
    /// Nobody knows; not to be used again.
    Broken,
}

impl Open {
    fn is_fresh(&self) -> bool {
        self.messages < MESSAGES_MAX && self.used_at.elapsed() < IDLE_MAX
    }

    async fn ask(&mut self, stage: Stage, command: impl Display, limit: Duration) -> Reply {
        let reply = Reply::within(limit, self.connection.command(command));
        trace::answer(stage, reply).await
    }

    /// Asks, unless all was asked at once.
    async fn ask_or_hear(&mut self, stage: Stage, command: impl Display, limit: Duration) -> Reply {
        if self.pipelines {
            let reply = Reply::within(limit, self.connection.read_response());
            trace::answer(stage, reply).await
        } else {
            self.ask(stage, command, limit).await
        }
    }

    /// Whether the server takes several commands at once. The client forgets that of the first time it asks.
    async fn offers_pipelining(&mut self, me: &ClientId, limit: Duration) -> bool {
        let offers = self.connection.command(Ehlo::new(me.clone()));
        match timeout(limit, offers).await {
            Ok(Ok(offers)) => offers
                .message()
                .any(|offer| offer.eq_ignore_ascii_case(PIPELINING)),
            // The next command tells what is wrong.
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// Lets the server forget what it has in mind; says whether it did.
    async fn reset(&mut self, limit: Duration) -> bool {
        let reply = Reply::within(limit, self.connection.command(Rset));
        reply.await.is_completion()
    }

    async fn dialogue(
        &mut self,
        message: &Outgoing,
        limits: &Timeouts,
        leave: &mut Leave<impl Future + Unpin>,
    ) -> (Outcome, End) {
        let parameters = match self.mail_parameters(message) {
            Ok(parameters) => parameters,
            Err(outcome) => return (outcome, End::Between),
        };
        let mail = Mail::new(Some(message.sender.clone()), parameters);
        let recipient = Rcpt::new(message.recipient.clone(), Vec::new());
        let first = if self.pipelines {
            format!("{mail}{recipient}{Data}")
        } else {
            mail.to_string()
        };
        let reply = self.ask(Stage::Sender, first, limits.command).await;
        if !reply.is_completion() {
            return (reply.into_no_to_sender(), End::Broken);
        }
        let reply = self.ask_or_hear(Stage::Recipient, recipient, limits.command);
        let reply = reply.await;
        if !reply.is_completion() {
            let (outcome, end) = reply.into_failure(Stage::Recipient, End::Inside);
            return (outcome, self.without_text(end, limits.data).await);
        }
        let reply = self.ask_or_hear(Stage::Data, Data, limits.data).await;
        if !reply.is_go_ahead() {
            return reply.into_failure(Stage::Data, End::Inside);
        }
        // Whatever comes: that it has come is all.
        (&mut leave.from).await;
        self.transmit(&message.bytes, limits).await
    }

    /// How the connection is left after a refused recipient: a server that wants the text nevertheless, since it was
    /// asked for everything at once, gets none.
    async fn without_text(&mut self, end: End, limit: Duration) -> End {
        if end != End::Inside || !self.pipelines {
            return end;
        }
        let reply = Reply::within(limit, self.connection.read_response());
        match trace::answer(Stage::Data, reply).await.code() {
            Some(400..) => end,
            Some(..400) | None => End::Broken,
        }
    }

    /// Writes the message and the final dot, and waits for the answer.
    async fn transmit(&mut self, bytes: &[u8], limits: &Timeouts) -> (Outcome, End) {
        let body_written = Notify::new();
        let chunks = Chunks {
            rest: bytes,
            bounds: self.bounds.clone(),
            end: &body_written,
        };
        let sending = self.connection.message_iter(chunks);
        tokio::pin!(sending);
        // The dot is written as soon as the last chunk is, so from then on it may be on its way.
        let dot_begun = body_written.notified();
        tokio::pin!(dot_begun);
        let body = trace::begin(Stage::Body);
        let early = tokio::select! {
            biased;
            () = &mut dot_begun => None,
            result = &mut sending => Some(result),
            () = tokio::time::sleep(limits.body) => {
                // After standing still all may have been written in the same moment.
                if dot_begun.as_mut().now_or_never().is_none() {
                    let reply = Reply::timed_out(limits.body);
                    trace::end(&body, &reply);
                    return reply.into_failure(Stage::Body, End::Broken);
                }
                None
            }
        };
        let answer = match early {
            Some(result) => {
                let reply = Reply::of(&result);
                // Both at once: the notice of the last chunk was left behind by a quick server.
                if dot_begun.now_or_never().is_none() {
                    trace::end(&body, &reply);
                    let late = self.bounds.was_late().then(Reply::too_late);
                    return late.unwrap_or(reply).into_failure(Stage::Body, End::Broken);
                }
                Either::Left(ready(reply))
            }
            None => Either::Right(Reply::within(limits.final_dot, sending)),
        };
        drop(body);
        let reply = trace::answer(Stage::FinalDot, answer).await;
        if self.bounds.was_late() {
            return Reply::too_late().into_failure(Stage::FinalDot, End::Broken);
        }
        reply.into_final()
    }

    /// What the server must be told beforehand about letters beyond ASCII.
    fn mail_parameters(&self, message: &Outgoing) -> Result<Vec<MailParameter>, Outcome> {
        let server = self.connection.server_info();
        let is_ascii = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
        let is_recipient_ascii = is_ascii(&message.recipient);
        // Only an address that answers go to is not encoded in a header.
        let is_ascii = is_recipient_ascii && is_ascii(&message.sender) && message.bytes.is_ascii();
        if is_ascii {
            return Ok(Vec::new());
        }
        if !server.supports_feature(Extension::SmtpUtfEight) {
            return Err(Outcome::Refused {
                permanent: !is_recipient_ascii,
                stage: if is_recipient_ascii {
                    Stage::Sender
                } else {
                    Stage::Recipient
                },
                code: None,
                enhanced: None,
                reply: "the server takes no addresses beyond ASCII".to_owned(),
            });
        }
        let mut parameters = vec![MailParameter::SmtpUtfEight];
        if server.supports_feature(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }
}

/// The message piece by piece, the last one together with the final dot; tells when the dot is next.
struct Chunks<'a> {
    rest: &'a [u8],
    bounds: Bounds,
    end: &'a Notify,
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            self.bounds.hold_back(false);
            self.end.notify_one();
            return None;
        }
        let (chunk, rest) = self.rest.split_at(self.rest.len().min(CHUNK_BYTES));
        self.rest = rest;
        self.bounds.hold_back(rest.is_empty());
        Some(chunk)
    }
}
