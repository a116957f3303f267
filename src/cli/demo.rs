//! `carnet demo`: a business with a past, in a new folder, served; or its story told by a tour.
//!
//! Nothing in it is canned: the past is lived day by day through a real server whose clock is set to the
//! days in question, and every call goes through a real gRPC connection.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use clap::Args;

use crate::app::{self, App, Running};
use crate::cli::serve;
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::money::Currency;
use crate::domain::permission::Permission;
use crate::jobs::deliver::Deliverer;
use crate::jobs::{bulk, mail_day, settle};
use crate::service::business::{self, NewBusiness};
use crate::service::{Context, tokens};

use self::caller::Caller;

mod caller;
mod past;
mod tour;

/// Where the demo's business is.
const ZONE: Tz = Tz::Europe__Tallinn;
/// How long before now the demo's past begins.
const PAST: TimeDelta = TimeDelta::days(41);
/// How many folders the demo tries to make.
const FOLDERS_MAX: u32 = 1_000;

/// What to show.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Play the story by itself, print each call with its answer, and end.
    #[arg(long)]
    pub tour: bool,
    /// The new folder that everything goes into. Without it: `carnet-demo`, or the first of
    /// `carnet-demo-2`, `carnet-demo-3` … that is not there yet.
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// The demo's server with its clock in hand; its jobs run when the story wants.
struct Stage {
    running: Running,
    clock: Clock,
    caller: Caller,
    deliverer: Deliverer,
}

impl Stage {
    fn ctx(&self) -> &Context {
        self.running.context()
    }

    /// Lets the jobs do what is due.
    async fn run_jobs(&mut self) -> anyhow::Result<()> {
        settle::step(self.ctx()).await?;
        bulk::step(self.ctx()).await?;
        mail_day::step(self.ctx()).await?;
        self.deliverer.step().await?;
        Ok(())
    }
}

/// Lives through the past, then serves until the process is told to stop, or plays the tour.
///
/// # Errors
/// If something in the story went otherwise than it should.
pub async fn run(args: DemoArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let folder = new_folder(args.folder.as_deref())?;
    let mut settings = args.settings;
    settings.database.database_url = format!("sqlite://{}/carnet.db", folder.display()).parse()?;
    settings.mail.mail_capture_folder = folder.join("mail");
    settings.mail.smtp_url = None;
    let http = settings.server.http_address;
    if settings.mail.public_url.is_none() && http.port() != 0 {
        settings.mail.public_url = format!("http://{http}").parse().ok();
    }
    let now = Clock::System.now();
    let (mut stage, token) = set_up(&settings, now).await?;
    past::live(&mut stage, now).await?;
    stage.clock.set(now);
    if args.tour {
        tour::play(&mut stage, out).await?;
        stage.running.stop().await;
        writeln!(out, "\nAll of it is in {}.", folder.display())?;
        return Ok(());
    }
    stage.running.stop().await;
    settings.mail.show_captured_mail = true;
    let running = App::build(settings, Clock::System).await?.bind().await?;
    announce(&running, &folder, &token, out)?;
    serve::until_told(running).await
}

/// A server on free ports, on a clock of its own and without jobs, with the demo's business in it.
async fn set_up(settings: &Settings, now: DateTime<Utc>) -> anyhow::Result<(Stage, String)> {
    let clock = Clock::manual(now.checked_sub_signed(PAST).unwrap_or(now));
    let mut settings = settings.clone();
    settings.server.grpc_address = ([127, 0, 0, 1], 0).into();
    settings.server.http_address = ([127, 0, 0, 1], 0).into();
    settings.server.no_scheduler = true;
    let mail = app::mail(&settings.mail)?;
    let app = App::build(settings, clock.clone()).await?;
    let ctx = app.context().clone();
    let new = NewBusiness {
        name: "Aqua Swim & Spa".to_owned(),
        zone: ZONE,
        locale: "en".to_owned(),
        currency: Currency::parse("EUR")?,
        feature_enabled: true,
    };
    let business = business::create_business(&ctx, &new).await?;
    let all = Permission::of_staff().collect();
    let token = tokens::create_for_operator(&ctx, business.id, "demo", all)
        .await?
        .text;
    let running = app.bind().await?;
    let caller = Caller::new(&running, &token, clock.clone())?;
    let stage = Stage {
        deliverer: Deliverer::new(ctx, mail),
        running,
        clock,
        caller,
    };
    Ok((stage, token))
}

/// Tells where everything is, and calls that are ready to paste.
fn announce(
    running: &Running,
    folder: &Path,
    token: &str,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let grpc = running
        .grpc_address
        .context("the demo needs gRPC: leave out --no-grpc")?;
    let http = running.http_address;
    let program = std::env::current_exe().unwrap_or_else(|_| "carnet".into());
    let program = program.display();
    let folder = folder.display();
    let consume = r#"{"customer_id": "ext:mari", "item": {"item_id": "ext:swim-lesson"}}"#;
    writeln!(
        out,
        "Aqua Swim & Spa is open. Everything is in {folder}; remove it when you are done.

  gRPC      {grpc}
  e-mails   http://{http}/emails
  token     {token}

Try it, in another terminal:

  export CARNET_ADDRESS=http://{grpc} CARNET_TOKEN={token}
  {program} call CreditService/GetBalance '{{\"customer_id\": \"ext:mari\"}}'
  {program} call CreditService/Consume '{consume}'
  {program} call PackageService/ListPackages
  {program} call EmailService/ListEmails
  buf curl --protocol grpc --http2-prior-knowledge --header \"authorization: Bearer $CARNET_TOKEN\" \\
    --data '{{\"package_id\": \"ext:mari-standard-8\"}}' \\
    $CARNET_ADDRESS/carnet.v1.PackageService/GetPackage

Ctrl-C ends it."
    )?;
    out.flush()?;
    Ok(())
}

fn new_folder(wanted: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = wanted {
        std::fs::create_dir(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        return Ok(folder.to_owned());
    }
    for number in 1..FOLDERS_MAX {
        let folder = PathBuf::from(match number {
            1 => "carnet-demo".to_owned(),
            _ => format!("carnet-demo-{number}"),
        });
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).context("cannot make a folder for the demo"),
        }
    }
    anyhow::bail!("there are too many folders of demos here: remove some")
}
