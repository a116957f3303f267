//! The composition root: [`App::build`] opens what a server needs and starts nothing, [`App::bind`]
//! starts it all, [`Running::stop`] ends it within a bound.
//!
//! A stop has three steps: no new work (health says so at once), the drain time for calls under way,
//! and a short while for the database units that still run. What is not done by then is left to the
//! database, which rolls it back; nobody was told that it was done.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::{DatabaseSettings, MailSettings, ServerSettings, Settings};
use crate::grpc::server;
use crate::grpc::tls::Tls;
use crate::jobs::deliver::{self, Mail, Rates};
use crate::jobs::schedule::Scheduler;
use crate::mail::capture::CaptureFolder;
use crate::mail::reload::Folder;
use crate::mail::session::SmtpSession;
use crate::mail::session::settings::{SmtpSettings, Timeouts};
use crate::mail::transport::Transport;
use crate::service::mailing::Mailing;
use crate::service::{Context, denials, readiness, token_uses};
use crate::store::db::{Database, sqlite_path};
use crate::store::migrate;
use crate::store::serve_lock::ServeLock;
use crate::web::{self, EmailPages, WebOptions};

/// How long database units are given after the calls that began them.
const UNITS_GRACE: Duration = Duration::from_secs(5);
/// How long connections to the database are given to say goodbye.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// A server that has what it needs and has not begun.
#[derive(Debug)]
pub struct App {
    settings: Settings,
    ctx: Context,
    folder: Option<Folder>,
    lock: Option<ServeLock>,
}

/// A server that serves.
#[derive(Debug)]
pub struct Running {
    /// Where gRPC is served, unless it is switched off.
    pub grpc_address: Option<SocketAddr>,
    /// Where the HTTP side is served.
    pub http_address: SocketAddr,
    scheduler: Option<Scheduler>,
    ctx: Context,
    drain: Duration,
    parts: JoinSet<anyhow::Result<()>>,
    tasks: TaskTracker,
    stopped: CancellationToken,
    lock: Option<ServeLock>,
}

/// Connects to the database of `settings`.
///
/// # Errors
/// If it cannot be reached.
pub async fn connect(settings: &DatabaseSettings) -> anyhow::Result<Database> {
    let url = settings.database_url.expose();
    let db = Database::connect(url, settings.database_connections_max)
        .await
        .context("cannot open the database")?;
    let Some(url) = &settings.database_batches_url else {
        return Ok(db);
    };
    db.with_batches_by(url.expose())
        .await
        .context("cannot open the database for batches")
}

/// Builds the second wall if the settings name a role for it.
async fn with_wall(db: Database, settings: &Settings) -> anyhow::Result<Database> {
    let Some(url) = &settings.server.database_calls_url else {
        return Ok(db);
    };
    let connections_max = settings.database.database_connections_max;
    db.with_wall(url.expose(), connections_max)
        .await
        .context("cannot open the database for calls")
}

impl App {
    /// Opens the database and looks at its schema. That of an SQLite file is brought up to date, that of
    /// PostgreSQL only if the settings say so, since other replicas may not be ready for it.
    ///
    /// # Errors
    /// If the database cannot be reached, its schema cannot be served, it is an SQLite file that another
    /// process serves, connections to it do not keep to what was asked of them, or row level security does not hold
    /// for the second role.
    pub async fn build(settings: Settings, clock: Clock) -> anyhow::Result<Self> {
        let url = settings.database.database_url.expose();
        let lock = ServeLock::take(url)?;
        let db = connect(&settings.database).await?;
        if settings.server.migrate || sqlite_path(url).is_some() {
            migrate::migrate(&db).await?;
        } else {
            migrate::check(&db).await?;
        }
        db.prove_sessions()
            .await
            .context("cannot serve this database")?;
        let db = with_wall(db, &settings).await?;
        let folder = templates_folder(&settings.mail)?;
        let mailing = mailing(&settings.mail, folder.as_ref());
        Ok(Self {
            ctx: Context::serving(db, clock, settings.ledger).with_mailing(mailing),
            settings,
            folder,
            lock,
        })
    }

    /// What its use cases work with.
    pub fn context(&self) -> &Context {
        &self.ctx
    }

    /// Starts everything that the settings ask for and says where it is.
    ///
    /// # Errors
    /// If an address is taken, or certificates cannot be used.
    pub async fn bind(self) -> anyhow::Result<Running> {
        let Self {
            settings,
            ctx,
            folder,
            lock,
        } = self;
        web::metrics::install();
        let tls = Tls::open(&settings.server.tls).await?;
        let (listener, http_address) = listen(settings.server.http_address).await?;
        let mut running = Running {
            grpc_address: None,
            http_address,
            scheduler: None,
            drain: settings.server.drain(),
            parts: JoinSet::new(),
            tasks: TaskTracker::new(),
            stopped: CancellationToken::new(),
            ctx,
            lock,
        };
        readiness::check(&running.ctx).await;
        running.start(readiness::follow(running.ctx.clone()));
        if let Some(folder) = folder {
            running.start(folder.follow());
        }
        running.start(web::metrics::keep_up());
        running.start_writing(token_uses::WRITTEN_EVERY, token_uses::write);
        running.start_writing(denials::COUNTED_FOR, denials::write_counts);
        if !settings.server.no_scheduler {
            let mails = mails(&settings.mail, &running.ctx.mailing)?;
            let (ctx, verify_at) = (running.ctx.clone(), settings.server.verify_at);
            let scheduler = Scheduler::start(ctx, mails, settings.retention, verify_at);
            running.scheduler = Some(scheduler.await?);
        }
        if !settings.server.no_grpc {
            running.start_grpc(settings.server.clone(), tls).await?;
        }
        // Last, so that nobody hears of a readiness that has nothing behind it.
        running.start_http(listener, &settings);
        Ok(running)
    }
}

impl Running {
    /// What its use cases work with.
    pub fn context(&self) -> &Context {
        &self.ctx
    }

    /// Serves until `shutdown`, then stops.
    ///
    /// # Errors
    /// If a part of the server ended by itself.
    pub async fn serve_until(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        if let Some(address) = self.grpc_address {
            tracing::info!(%address, "gRPC is served at {address}");
        }
        let address = self.http_address;
        tracing::info!(%address, "HTTP is served at {address}");
        let ended = tokio::select! {
            () = shutdown => Ok(()),
            ended = self.ended() => ended,
        };
        self.stop().await;
        ended
    }

    /// Runs a part that has no end of its own until the server stops.
    fn start(&mut self, part: impl Future<Output = ()> + Send + 'static) {
        let stopped = self.stopped.clone();
        self.parts.spawn(async move {
            stopped.run_until_cancelled(part).await;
            Ok(())
        });
    }

    /// Writes what calls note in memory every so often; in a task of its own, which a stop does not cut.
    fn start_writing<F>(&mut self, period: Duration, write: fn(Context) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (ctx, tasks) = (self.ctx.clone(), self.tasks.clone());
        self.start(async move {
            let mut ticks = tokio::time::interval(period);
            // The first one is at once.
            ticks.tick().await;
            loop {
                ticks.tick().await;
                // What cannot be written is in the log.
                let _ = tasks.spawn(write(ctx.clone())).await;
            }
        });
    }

    async fn start_grpc(
        &mut self,
        settings: ServerSettings,
        tls: Option<Tls>,
    ) -> anyhow::Result<()> {
        let (listener, address) = listen(settings.grpc_address).await?;
        if tls.is_none() && !address.ip().is_loopback() {
            tracing::warn!(
                %address,
                "gRPC is served without TLS where others may listen: tokens can be read on the way; \
                 see --tls-certificate, unless a proxy encrypts"
            );
        }
        self.grpc_address = Some(address);
        let (ctx, tasks) = (self.ctx.clone(), self.tasks.clone());
        let stopped = self.stopped.clone();
        self.parts.spawn(async move {
            let stopped = stopped.cancelled();
            server::serve((listener, tls), &settings, &ctx, tasks, stopped).await?;
            Ok(())
        });
        Ok(())
    }

    fn start_http(&mut self, listener: TcpListener, settings: &Settings) {
        let email_pages = if settings.mail.show_captured_mail {
            EmailPages::Shown
        } else {
            EmailPages::Hidden
        };
        let router = web::router(self.ctx.clone(), WebOptions { email_pages });
        let stopped = self.stopped.clone();
        self.parts.spawn(async move {
            let stopped = stopped.cancelled_owned();
            axum::serve(listener, router)
                .with_graceful_shutdown(stopped)
                .await?;
            Ok(())
        });
    }

    /// Waits until a part ends although nobody told it to.
    async fn ended(&mut self) -> anyhow::Result<()> {
        match self.parts.join_next().await {
            Some(ended) => ended?.and_then(|()| anyhow::bail!("a part of the server ended")),
            None => anyhow::bail!("there is nothing to serve"),
        }
    }

    /// Ends everything, within the drain time and a few seconds.
    pub async fn stop(mut self) {
        self.ctx.readiness.stop();
        self.stopped.cancel();
        let scheduler = self.scheduler.take();
        let jobs = async {
            if let Some(scheduler) = scheduler {
                scheduler.stop().await;
            }
        };
        let parts = timeout(self.drain, async {
            while let Some(ended) = self.parts.join_next().await {
                if let Ok(Err(error)) = ended {
                    tracing::error!(%error, "a part of the server failed: {error}");
                }
            }
        });
        let (drained, ()) = tokio::join!(parts, jobs);
        if drained.is_err() {
            tracing::warn!("the drain time is over, connections that are still open are cut");
            self.parts.shutdown().await;
        }
        self.tasks.spawn(token_uses::write(self.ctx.clone()));
        self.tasks.spawn(denials::write_counts(self.ctx.clone()));
        self.tasks.close();
        let units = async {
            tokio::join!(self.tasks.wait(), self.ctx.ledger.stop());
        };
        if timeout(UNITS_GRACE, units).await.is_err() {
            let units = self.tasks.len();
            tracing::warn!(units, "{units} database units are left to be rolled back");
        }
        let closed = timeout(CLOSE_GRACE, self.ctx.db.close()).await;
        if let Ok(Err(error)) = closed {
            tracing::warn!(%error, "the database was not closed well: {error}");
        }
        drop(self.lock);
        tracing::info!("stopped");
    }
}

/// The folder of templates that the settings name, if they name one.
fn templates_folder(settings: &MailSettings) -> anyhow::Result<Option<Folder>> {
    let path = settings.templates_folder.as_deref();
    Ok(path.map(Folder::open).transpose()?)
}

fn mailing(settings: &MailSettings, folder: Option<&Folder>) -> Mailing {
    let from_name = Some(settings.mail_from_name.clone());
    Mailing {
        templates: folder.map(Folder::templates).cloned().unwrap_or_default(),
        operator: deliver::MailSettings {
            from_email: settings.mail_from_address.clone(),
            from_name: from_name.filter(|name| !name.is_empty()),
            public_url: settings.public_url.clone(),
            rates: Rates {
                all_max: settings.mail_rate_per_minute,
                business_max: settings.mail_business_rate_per_minute,
            },
        },
    }
}

/// What e-mails go out with.
///
/// # Errors
/// If the settings of the mail server or the templates cannot be used.
pub fn mail(settings: &MailSettings) -> anyhow::Result<Mail> {
    let folder = templates_folder(settings)?;
    mail_of(settings, mailing(settings, folder.as_ref()))
}

/// A way out for each connection to the mail server; the folder needs but one.
fn mails(settings: &MailSettings, mailing: &Mailing) -> anyhow::Result<Vec<Mail>> {
    let connections = settings
        .smtp_url
        .as_ref()
        .map(|_| settings.smtp_connections);
    (0..connections.unwrap_or(1))
        .map(|_| mail_of(settings, mailing.clone()))
        .collect()
}

fn mail_of(settings: &MailSettings, mailing: Mailing) -> anyhow::Result<Mail> {
    let transport = match &settings.smtp_url {
        Some(url) => {
            let smtp = SmtpSettings::parse(url.expose(), settings.smtp_ca_file.as_deref())?;
            let timeouts = Timeouts::of_answer(settings.smtp_timeout());
            Transport::Smtp(Box::new(SmtpSession::new(smtp.with_timeouts(timeouts))))
        }
        None => Transport::Capture(CaptureFolder::new(&settings.mail_capture_folder)),
    };
    Ok(Mail {
        settings: mailing.operator,
        templates: mailing.templates,
        transport,
    })
}

async fn listen(wanted: SocketAddr) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(wanted)
        .await
        .with_context(|| format!("cannot listen on {wanted}"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
