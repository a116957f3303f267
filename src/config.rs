//! All settings: flag, environment variable, default and help text in one place.
//!
//! Nothing else asks the environment. URLs that may hold a password are [`Secret`]: they are never
//! shown, not even in a `Debug` text.

mod limits;
mod public_url;
mod retention;
mod tls;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};

pub use limits::{CallRate, LimitSettings};
pub use public_url::PublicUrl;
pub use retention::RetentionSettings;
pub use tls::TlsSettings;

/// A text that is not to be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Everything that a server is told.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Where the data is.
    #[command(flatten)]
    pub database: DatabaseSettings,
    /// What is served.
    #[command(flatten)]
    pub server: ServerSettings,
    /// How credits are written.
    #[command(flatten)]
    pub ledger: LedgerSettings,
    /// How e-mails go out.
    #[command(flatten)]
    pub mail: MailSettings,
    /// For how long what is for a while only is kept.
    #[command(flatten)]
    pub retention: RetentionSettings,
}

/// Where the data is.
#[derive(Args, Clone, Debug)]
pub struct DatabaseSettings {
    /// The database: `sqlite://<path>`, or `postgres://user:password@host/database`.
    #[arg(
        long,
        env = "CARNET_DATABASE_URL",
        default_value = "sqlite://carnet.db",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database_url: Secret,
    /// How many connections to PostgreSQL are open at most, beside the two that commit large batches.
    #[arg(
        long,
        env = "CARNET_DATABASE_CONNECTIONS_MAX",
        default_value_t = 16,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=1_000)
    )]
    pub database_connections_max: u32,
    /// Another way to the same PostgreSQL database, for the two connections that commit large batches: a pooler
    /// that shares sessions needs one, since batches have settings of their own.
    #[arg(
        long,
        env = "CARNET_DATABASE_BATCHES_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database_batches_url: Option<Secret>,
}

/// What is served, and within which limits.
#[derive(Args, Clone, Debug)]
pub struct ServerSettings {
    /// Bring the schema of a PostgreSQL database up to date first. That of an SQLite file always is.
    #[arg(long, env = "CARNET_MIGRATE")]
    pub migrate: bool,
    /// A second role of the same PostgreSQL database, for which row level security holds: calls go by it and see
    /// nothing but their own business, whatever a statement says. Without it they go by the first role.
    #[arg(
        long,
        env = "CARNET_DATABASE_CALLS_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database_calls_url: Option<Secret>,
    /// Where gRPC is served. Port 0 takes a free one.
    #[arg(
        long,
        env = "CARNET_GRPC_ADDRESS",
        default_value = "127.0.0.1:50051",
        value_name = "ADDRESS"
    )]
    pub grpc_address: SocketAddr,
    /// Serve no gRPC: only run the jobs.
    #[arg(long, env = "CARNET_NO_GRPC")]
    pub no_grpc: bool,
    /// Run no jobs: only serve.
    #[arg(long, env = "CARNET_NO_SCHEDULER")]
    pub no_scheduler: bool,
    /// When the ledger is proved each day, in UTC: `HH:MM`, or `never`.
    #[arg(
        long,
        env = "CARNET_VERIFY_AT",
        default_value = "03:17",
        value_name = "TIME"
    )]
    pub verify_at: TimeOfDay,
    /// Where health, metrics and the customers' pages are served. Port 0 takes a free one.
    #[arg(
        long,
        env = "CARNET_HTTP_ADDRESS",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS"
    )]
    pub http_address: SocketAddr,
    /// How many calls may be under way at once; more are refused with `RESOURCE_EXHAUSTED`.
    #[arg(
        long,
        env = "CARNET_CALLS_MAX",
        default_value_t = 1_024,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub calls_max: u32,
    /// After how many seconds a call is answered with `DEADLINE_EXCEEDED`.
    #[arg(
        long,
        env = "CARNET_DEADLINE_SECONDS",
        default_value_t = 30,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3_600)
    )]
    pub deadline_seconds: u64,
    /// How many seconds calls under way are given when the server is told to stop.
    #[arg(
        long,
        env = "CARNET_DRAIN_SECONDS",
        default_value_t = 10,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(0..=3_600)
    )]
    pub drain_seconds: u64,
    /// How connections of gRPC clients are encrypted.
    #[command(flatten)]
    pub tls: TlsSettings,
    /// How much anybody may take.
    #[command(flatten)]
    pub limits: LimitSettings,
}

/// A time of each day in UTC, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeOfDay {
    /// On no day.
    Never,
    /// Each day at this hour and minute.
    At {
        /// 0 to 23.
        hour: u8,
        /// 0 to 59.
        minute: u8,
    },
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" {
            return Ok(Self::Never);
        }
        let number = |digits: &str, before: u8| {
            let is_two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            let number: Option<u8> = digits.parse().ok();
            number.filter(|number| is_two && *number < before)
        };
        text.split_once(':')
            .and_then(|(hour, minute)| {
                let hour = number(hour, 24)?;
                let minute = number(minute, 60)?;
                Some(Self::At { hour, minute })
            })
            .ok_or_else(|| "must be a time such as 03:17, or never".to_owned())
    }
}

impl ServerSettings {
    /// After which time a call is answered with `DEADLINE_EXCEEDED`.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds)
    }

    /// How long calls under way are given when the server is told to stop.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}

/// How credits are written.
#[derive(Args, Clone, Copy, Debug)]
pub struct LedgerSettings {
    /// How many uses of credits share a commit at most; 1 gives each a transaction of its own.
    #[arg(
        long,
        env = "CARNET_LEDGER_BATCH_MAX",
        default_value_t = 512,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u16).range(1..=2_000)
    )]
    pub ledger_batch_max: u16,
    /// Let only uses of one business share a commit: for a database that is distributed by business.
    #[arg(long, env = "CARNET_LEDGER_BATCH_ONE_BUSINESS")]
    pub ledger_batch_one_business: bool,
}

/// How e-mails go out.
#[derive(Args, Clone, Debug)]
pub struct MailSettings {
    /// The mail server: `smtps://user:password@host`, or `smtp://…` with STARTTLS. Without it e-mails
    /// are captured into a folder.
    #[arg(
        long,
        env = "CARNET_SMTP_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub smtp_url: Option<Secret>,
    /// A PEM file of the only authorities that the mail server's certificate may come from.
    #[arg(long, env = "CARNET_SMTP_CA_FILE", value_name = "FILE")]
    pub smtp_ca_file: Option<PathBuf>,
    /// How many seconds the mail server is given for an answer; ten times as long for the one to the
    /// whole text. An e-mail whose process ended is tried again when an attempt can no longer be under
    /// way, by default after 21 minutes.
    #[arg(
        long,
        env = "CARNET_SMTP_TIMEOUT_SECONDS",
        default_value_t = 60,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    pub smtp_timeout_seconds: u64,
    /// How many connections to the mail server each process has at most, one e-mail under way on each; no more
    /// than the server allows one client.
    #[arg(
        long,
        env = "CARNET_SMTP_CONNECTIONS",
        default_value_t = 4,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u16).range(1..=64)
    )]
    pub smtp_connections: u16,
    /// The folder that e-mails are captured into while there is no mail server.
    #[arg(
        long,
        env = "CARNET_MAIL_CAPTURE_FOLDER",
        default_value = "captured-mail",
        value_name = "FOLDER"
    )]
    pub mail_capture_folder: PathBuf,
    /// Show the captured e-mails of all businesses to whoever reaches the HTTP address: for trying out.
    #[arg(long, env = "CARNET_SHOW_CAPTURED_MAIL")]
    pub show_captured_mail: bool,
    /// The address that e-mails come from where a business has none of its own.
    #[arg(
        long,
        env = "CARNET_MAIL_FROM_ADDRESS",
        default_value = "carnet@localhost",
        value_name = "ADDRESS"
    )]
    pub mail_from_address: String,
    /// The name that e-mails come from where a business has none of its own.
    #[arg(
        long,
        env = "CARNET_MAIL_FROM_NAME",
        default_value = "Carnet",
        value_name = "NAME"
    )]
    pub mail_from_name: String,
    /// How many e-mails go out in any minute at most, by all replicas together. Without it: as many as the
    /// mail server takes.
    #[arg(
        long,
        env = "CARNET_MAIL_RATE_PER_MINUTE",
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub mail_rate_per_minute: Option<u32>,
    /// How many of them may be of one business at most.
    #[arg(
        long,
        env = "CARNET_MAIL_BUSINESS_RATE_PER_MINUTE",
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub mail_business_rate_per_minute: Option<u32>,
    /// What customers reach the HTTP address as, such as `https://carnet.example`: links to unsubscribe and to
    /// the customer's packages begin with it. Without it e-mails bear none. Mail programs offer to
    /// unsubscribe by one click only where it is https.
    #[arg(long, env = "CARNET_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<PublicUrl>,
    /// A folder whose files override the e-mail templates and words that are built in.
    #[arg(long, env = "CARNET_TEMPLATES_FOLDER", value_name = "FOLDER")]
    pub templates_folder: Option<PathBuf>,
}

impl MailSettings {
    /// How long the mail server is given for an answer.
    pub fn smtp_timeout(&self) -> Duration {
        Duration::from_secs(self.smtp_timeout_seconds)
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how; the log goes to standard error.
#[derive(Args, Clone, Debug)]
pub struct LogSettings {
    /// How a line of the log looks.
    #[arg(
        long,
        env = "CARNET_LOG_FORMAT",
        default_value = "text",
        value_enum,
        global = true
    )]
    pub log_format: LogFormat,
    /// What is logged: a level, or levels by module such as `info,carnet::jobs=debug`. Of the libraries nothing below
    /// `info` is logged at any level, since that can hold what somebody wrote.
    #[arg(
        long,
        env = "CARNET_LOG",
        default_value = "info",
        value_name = "FILTER",
        global = true
    )]
    pub log_filter: String,
    /// Send traces over OTLP (gRPC) to this collector, such as `http://localhost:4317`.
    #[arg(long, env = "CARNET_OTLP_ENDPOINT", value_name = "URL", global = true)]
    pub otlp_endpoint: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        settings: Settings,
    }

    #[test]
    fn a_password_is_in_no_debug_text() {
        let program = Program::parse_from([
            "carnet",
            "--database-url=postgres://carnet:hunter2@db/carnet",
            "--smtp-url=smtps://carnet:hunter2@mail",
        ]);
        let url = program.settings.database.database_url.expose();
        assert_eq!(url, "postgres://carnet:hunter2@db/carnet");
        assert!(!format!("{program:?}").contains("hunter2"));
    }

    #[test]
    fn a_time_of_day_is_four_digits_or_never() {
        let at = |hour, minute| Ok(TimeOfDay::At { hour, minute });
        for (text, wanted) in [
            ("00:00", at(0, 0)),
            ("23:59", at(23, 59)),
            ("never", Ok(TimeOfDay::Never)),
        ] {
            assert_eq!(text.parse::<TimeOfDay>(), wanted, "{text}");
        }
        for text in [
            "", "24:00", "12:60", "3:17", "03:17:00", "+3:+1", "03", "Never",
        ] {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_setting_has_a_variable_a_default_and_a_help_text() {
        let command = <Program as clap::CommandFactory>::command();
        for argument in command.get_arguments() {
            let name = argument.get_id();
            assert!(argument.get_help().is_some(), "{name} has no help");
            let variable = argument.get_env().map(|name| name.to_string_lossy());
            assert!(
                variable.is_some_and(|variable| variable.starts_with("CARNET_")),
                "{name} has no variable"
            );
        }
        Program::parse_from(["carnet"]);
    }
}
