//! How to reach the mail server: one URL, and time-outs for every stage.
//!
//! `smtps://host` speaks TLS from the start, `smtp://host` demands STARTTLS, and only
//! `smtp://host?tls=none` speaks plainly. There is no "TLS if offered": whoever sits in between
//! would decide. A password is never sent in the clear.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use percent_encoding::percent_decode_str;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use url::Url;

/// Time-outs, one per stage, after RFC 5321 section 4.5.3.2 but shorter where nothing is at stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Resolving the name and opening the connection.
    pub connect: Duration,
    /// `STARTTLS` and the handshake.
    pub tls: Duration,
    /// The greeting and `EHLO`.
    pub greeting: Duration,
    /// Signing in.
    pub auth: Duration,
    /// Each of `MAIL`, `RCPT` and `RSET`.
    pub command: Duration,
    /// The `DATA` command.
    pub data: Duration,
    /// Writing the whole message.
    pub body: Duration,
    /// The answer to the final dot. Long, because giving up here may mean sending twice.
    pub final_dot: Duration,
}

/// How long an ordinary answer may take where nobody said.
const ANSWER_MAX: Duration = Duration::from_mins(1);
/// The least that opening a connection is given.
const OPEN_MIN: Duration = Duration::from_secs(1);

impl Default for Timeouts {
    fn default() -> Self {
        Self::of_answer(ANSWER_MAX)
    }
}

impl Timeouts {
    /// All stages, in proportion to the time that an ordinary answer may take.
    pub fn of_answer(answer: Duration) -> Self {
        let part = |of: u32| answer.checked_div(of).unwrap_or(answer);
        Self {
            connect: part(4).max(OPEN_MIN),
            tls: part(4).max(OPEN_MIN),
            greeting: answer,
            auth: part(2).max(OPEN_MIN),
            command: answer,
            data: answer,
            body: answer.saturating_mul(2),
            final_dot: answer.saturating_mul(10),
        }
    }

    /// The longest that one attempt can take, reconnecting included; a claim must be leased longer.
    pub fn attempt_max(&self) -> Duration {
        let stale = self.command;
        let after = self.command;
        let opening = [
            self.connect,
            self.greeting,
            self.tls,
            self.greeting,
            self.auth,
        ];
        let message = [
            self.command,
            self.command,
            self.data,
            self.body,
            self.final_dot,
        ];
        [stale, after]
            .into_iter()
            .chain(opening)
            .chain(message)
            .fold(Duration::ZERO, Duration::saturating_add)
    }
}

/// Whether and how the session is encrypted.
#[derive(Clone, Debug)]
pub(super) enum Encryption {
    None,
    StartTls(Tls),
    Implicit(Tls),
}

/// What a handshake needs.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) server_name: ServerName<'static>,
}

/// How to reach the mail server.
#[derive(Clone)]
pub struct SmtpSettings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) credentials: Option<Credentials>,
    pub(super) timeouts: Timeouts,
}

impl fmt::Debug for SmtpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("signs_in", &self.credentials.is_some())
            .finish_non_exhaustive()
    }
}

/// Why the settings cannot be used; never shows the password.
#[derive(Debug, thiserror::Error)]
pub enum SmtpSettingsError {
    /// Not a URL of the expected form.
    #[error(
        "the SMTP URL {0}; expected smtp://[user:password@]host[:port][?tls=none] or smtps://…"
    )]
    Url(&'static str),
    /// The file of the private CA cannot be used.
    #[error("the SMTP CA file cannot be used: {0}")]
    CaFile(String),
}

impl SmtpSettings {
    /// Reads the URL. With `ca_file` (PEM) only the authorities in it are trusted, without it the
    /// public ones.
    pub fn parse(url: &str, ca_file: Option<&Path>) -> Result<Self, SmtpSettingsError> {
        let url = Url::parse(url).map_err(|_| SmtpSettingsError::Url("is not a URL"))?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or(SmtpSettingsError::Url("names no host"))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(SmtpSettingsError::Url("has a path"));
        }
        let plain = wants_plain(&url)?;
        let credentials = credentials(&url)?;
        if plain && credentials.is_some() {
            return Err(SmtpSettingsError::Url(
                "would send the password without TLS",
            ));
        }
        let encryption = if plain {
            Encryption::None
        } else {
            let tls = Tls {
                config: client_config(ca_file)?,
                server_name: server_name(&host)?,
            };
            if url.scheme() == "smtps" {
                Encryption::Implicit(tls)
            } else {
                Encryption::StartTls(tls)
            }
        };
        let default_port = match encryption {
            Encryption::None => 25,
            Encryption::StartTls(_) => 587,
            Encryption::Implicit(_) => 465,
        };
        let port = url.port().unwrap_or(default_port);
        Ok(Self {
            host,
            port,
            encryption,
            credentials,
            timeouts: Timeouts::default(),
        })
    }

    /// The same with other time-outs.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The time-outs in force.
    pub const fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }
}

fn wants_plain(url: &Url) -> Result<bool, SmtpSettingsError> {
    let mut plain = false;
    for (name, value) in url.query_pairs() {
        match (name.as_ref(), value.as_ref()) {
            ("tls", "none") => plain = true,
            ("tls", "required") => plain = false,
            ("tls", _) => {
                return Err(SmtpSettingsError::Url(
                    "has a tls other than none or required",
                ));
            }
            _ => return Err(SmtpSettingsError::Url("has a parameter other than tls")),
        }
    }
    match (url.scheme(), plain) {
        ("smtps", true) => Err(SmtpSettingsError::Url("says smtps and tls=none")),
        ("smtp" | "smtps", plain) => Ok(plain),
        _ => Err(SmtpSettingsError::Url("is neither smtp:// nor smtps://")),
    }
}

fn credentials(url: &Url) -> Result<Option<Credentials>, SmtpSettingsError> {
    let decode = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8().map(Cow::into_owned);
        decoded.map_err(|_| SmtpSettingsError::Url("has a user or password that is not UTF-8"))
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) | (_, None) => {
            Err(SmtpSettingsError::Url("has only one of user and password"))
        }
        (user, Some(password)) => Ok(Some(Credentials::new(decode(user)?, decode(password)?))),
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, SmtpSettingsError> {
    ServerName::try_from(host.to_owned())
        .map_err(|_| SmtpSettingsError::Url("names a host that is neither a name nor an address"))
}

fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, SmtpSettingsError> {
    let broken = |reason: String| SmtpSettingsError::CaFile(reason);
    let mut roots = RootCertStore::empty();
    match ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| broken(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| broken(error.to_string()))?;
                roots
                    .add(certificate)
                    .map_err(|error| broken(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(broken("there is no certificate in it".to_owned()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| broken(error.to_string()))?;
    Ok(Arc::new(
        builder.with_root_certificates(roots).with_no_client_auth(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<SmtpSettings, SmtpSettingsError> {
        SmtpSettings::parse(url, None)
    }

    #[test]
    fn encryption_is_left_out_only_when_asked() {
        let port = |url: &str| parse(url).unwrap().port;
        assert!(matches!(
            parse("smtp://mail.example").unwrap().encryption,
            Encryption::StartTls(_)
        ));
        assert!(matches!(
            parse("smtps://mail.example").unwrap().encryption,
            Encryption::Implicit(_)
        ));
        assert!(matches!(
            parse("smtp://h?tls=none").unwrap().encryption,
            Encryption::None
        ));
        assert!(matches!(
            parse("smtp://h:25?tls=required").unwrap().encryption,
            Encryption::StartTls(_)
        ));
        assert_eq!(
            [
                port("smtp://h"),
                port("smtps://h"),
                port("smtp://h?tls=none")
            ],
            [587, 465, 25]
        );
        assert_eq!(port("smtp://h:2525"), 2525);
        assert_eq!(parse("smtp://[::1]:25?tls=none").unwrap().host, "::1");
    }

    #[test]
    fn what_is_ambiguous_or_unsafe_is_refused() {
        for url in [
            "mail.example",
            "http://mail.example",
            "smtp://",
            "smtp://mail.example/path",
            "smtp://mail.example?tls=opportunistic",
            "smtp://mail.example?tsl=none",
            "smtps://mail.example?tls=none",
            "smtp://user@mail.example",
            "smtp://:password@mail.example",
            "smtp://user:password@mail.example?tls=none",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_password_is_decoded_and_never_shown() {
        let settings = parse("smtp://us%40er:p%2Fss%3Aword@mail.example").unwrap();
        let expected = Credentials::new("us@er".to_owned(), "p/ss:word".to_owned());
        assert_eq!(settings.credentials, Some(expected));
        assert!(!format!("{settings:?}").contains("ss"));
    }

    #[test]
    fn the_final_dot_is_given_ten_minutes_unless_the_operator_says_otherwise() {
        let limits = Timeouts::default();
        assert_eq!(limits.connect, Duration::from_secs(15));
        assert_eq!(limits.final_dot, Duration::from_mins(10));
        let quick = Timeouts::of_answer(Duration::from_secs(1));
        assert_eq!(quick.connect, Duration::from_secs(1));
        assert_eq!(quick.final_dot, Duration::from_secs(10));
        assert!(quick.attempt_max() < Duration::from_secs(25));
    }

    #[test]
    fn a_ca_file_must_hold_a_certificate() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refusal = SmtpSettings::parse("smtps://h", Some(file.path()));
        assert!(matches!(refusal, Err(SmtpSettingsError::CaFile(_))));
        assert!(SmtpSettings::parse("smtps://h", Some(Path::new("/no/such/file"))).is_err());
    }
}
