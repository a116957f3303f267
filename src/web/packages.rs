//! The customer's page (H7): packages as used and unused units, until when they can be used, and what happened.
//!
//! It needs no session, no cookie and no script; what it may show stands signed in its address, which is why it
//! tells no other page where it was. Colour says nothing that words and signs do not say.

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::html::{Document, escape};
use super::page;
use crate::domain::calendar;
use crate::domain::entry::EntryKind;
use crate::domain::package::Status;
use crate::mail::locale::{Direction, Locale};
use crate::mail::view::{self, LineView, Mark, PackageView};
use crate::service::Context;
use crate::service::customer_page::{self, CustomerPage, Opened, Shown, ShownPackage};
use crate::service::portal::MyEntry;

/// What the page may do: have a style.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'none'; \
     base-uri 'none'; frame-ancestors 'none'";

/// What there is to do about a link that nobody signed.
const INVALID: &str = "<p>Copy the whole link from the e-mail, or ask whoever sent it to you.</p>";

/// A phrase that is missing, which no set of words that is in use lacks.
type Missing = String;

/// Where the page is.
pub(super) fn routes() -> Router<Context> {
    Router::new().route("/packages/{link}", get(look))
}

async fn look(
    State(ctx): State<Context>,
    Path(link): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let from = query
        .as_deref()
        .and_then(|query| query.strip_prefix("from="));
    match customer_page::open(&ctx, &link, from).await {
        Ok(Some(opened)) => answer(&opened).unwrap_or_else(|missing| {
            tracing::error!("the page of a customer has no words: {missing}");
            unavailable()
        }),
        Ok(None) => {
            let html = Document::english("This link does not work", INVALID).html();
            page(StatusCode::NOT_FOUND, POLICY, html)
        }
        Err(error) => {
            tracing::warn!(%error, "the page of a customer failed: {error}");
            unavailable()
        }
    }
}

/// Nobody knows the language of who cannot be read.
fn unavailable() -> Response {
    let body = "<p>Please try again in a few minutes.</p>";
    let html = Document::english("This does not work right now", body).html();
    page(StatusCode::SERVICE_UNAVAILABLE, POLICY, html)
}

fn answer(opened: &Opened) -> Result<Response, Missing> {
    let words = Words(opened.templates.locales().resolve(&opened.locale));
    let (status, html) = match &opened.shown {
        Shown::Page(shown) => (StatusCode::OK, words.page(shown)?),
        Shown::Ended => (
            StatusCode::GONE,
            words.notice("page.ended_title", "page.ended")?,
        ),
        Shown::SwitchedOff => (
            StatusCode::SERVICE_UNAVAILABLE,
            words.notice("page.closed_title", "page.closed")?,
        ),
    };
    Ok(page(status, POLICY, html))
}

/// The page in the words of a language.
struct Words<'a>(&'a Locale);

impl Words<'_> {
    fn document(&self, title: &str, body: &str, is_wide: bool) -> String {
        let document = Document {
            language: self.0.tag(),
            direction: match self.0.direction() {
                Direction::LeftToRight => "ltr",
                Direction::RightToLeft => "rtl",
            },
            title,
            body,
            class: if is_wide { "customer" } else { "narrow" },
        };
        document.html()
    }

    /// A page with nothing of a customer on it.
    fn notice(&self, title: &str, text: &str) -> Result<String, Missing> {
        let body = format!("<p>{}</p>", self.said(text)?);
        Ok(self.document(&self.phrase(title)?, &body, false))
    }

    fn page(&self, shown: &CustomerPage) -> Result<String, Missing> {
        let mut body = format!("<p class=\"small\">{}</p>", escape(&shown.business_name));
        if let Some(packages) = &shown.packages {
            body.push_str(&self.packages(packages, shown)?);
        }
        body.push_str(&self.history(shown)?);
        Ok(self.document(&self.phrase("page.title")?, &body, true))
    }

    fn packages(&self, all: &[ShownPackage], shown: &CustomerPage) -> Result<String, Missing> {
        let (mut current, past): (Vec<_>, Vec<_>) =
            all.iter().partition(|package| is_current(package.status));
        // What ends first comes first, what never ends last.
        current.sort_by_key(|package| {
            let last_day = package.facts.last_usable_day;
            (last_day.is_none(), last_day)
        });
        let mut html = format!("<h2>{}</h2>", self.said("page.current")?);
        if current.is_empty() {
            let _ = write!(html, "<p>{}</p>", self.said("page.nothing")?);
        }
        html.push_str(&self.cards(&current, shown)?);
        if !past.is_empty() {
            let _ = write!(html, "<h2>{}</h2>", self.said("page.past")?);
            html.push_str(&self.cards(&past, shown)?);
        }
        Ok(html)
    }

    fn cards(&self, packages: &[&ShownPackage], shown: &CustomerPage) -> Result<String, Missing> {
        let cards: Vec<String> = packages
            .iter()
            .map(|package| self.card(package, shown))
            .collect::<Result<_, _>>()?;
        if cards.is_empty() {
            return Ok(String::new());
        }
        Ok(format!("<ul class=\"packages\">{}</ul>", cards.concat()))
    }

    fn card(&self, package: &ShownPackage, shown: &CustomerPage) -> Result<String, Missing> {
        let told = view::package(self.0, shown.today, &package.facts)?;
        let mut html = format!(
            "<li class=\"card package\"><div class=\"line\"><h3>{}</h3>",
            escape(&told.name)
        );
        if let Some(badge) = self.badge(package.status, &told)? {
            let _ = write!(html, "<span class=\"badge\">{}</span>", escape(&badge));
        }
        html.push_str("</div>");
        if package.is_shared {
            let _ = write!(html, "<p class=\"small\">{}</p>", self.said("page.shared")?);
        }
        for line in &told.lines {
            html.push_str(&self.line(line)?);
        }
        html.push_str("<dl>");
        for (label, value) in self.facts(package, &told)? {
            let (label, value) = (escape(&label), escape(&value));
            let _ = write!(html, "<div><dt>{label}</dt><dd>{value}</dd></div>");
        }
        html.push_str("</dl>");
        if let Some(date) = told
            .restorable_through
            .filter(|_| package.status == Status::Expired)
        {
            let values = BTreeMap::from([("date".to_owned(), date)]);
            let text = self.0.phrase("expired.restore", None, &values)?;
            let _ = write!(html, "<p>{}</p>", escape(&text));
        }
        html.push_str("</li>");
        Ok(html)
    }

    /// What stands beside the name.
    fn badge(&self, status: Status, told: &PackageView) -> Result<Option<String>, Missing> {
        let key = match status {
            Status::Active if told.valid_for.is_some() => return Ok(None),
            Status::Active => {
                let days = told.days_left;
                let left = |_| self.0.phrase("days_left", days, &BTreeMap::new());
                return days.map(left).transpose();
            }
            Status::Revoked => "page.taken_back",
            Status::Transferred => "page.moved",
            Status::Completed | Status::UsedUp => "page.used_up",
            Status::Frozen => "page.paused",
            Status::Expired => "badge.expired",
            Status::Queued => "page.waits",
            Status::Upcoming => "page.not_begun",
        };
        self.phrase(key).map(Some)
    }

    fn line(&self, line: &LineView) -> Result<String, Missing> {
        let values = BTreeMap::from([
            ("name".to_owned(), line.name_of_available.clone()),
            ("name_of_all".to_owned(), line.name_of_all.clone()),
            ("quantity".to_owned(), line.quantity.clone()),
        ]);
        let left = self.0.phrase("line.left", None, &values)?;
        let mut html = format!(
            "<p class=\"amount\"><strong>{}</strong> {}</p>",
            escape(&line.available),
            escape(&left)
        );
        let marks = line.mark_rows.iter().flatten();
        let marks: String = marks.map(|mark| mark_html(*mark)).collect();
        if !marks.is_empty() {
            // The sentence before and the legend say the same in words.
            let _ = write!(
                html,
                "<ul class=\"marks\" aria-hidden=\"true\">{marks}</ul>"
            );
        }
        if let Some(legend) = &line.legend {
            let _ = write!(html, "<p class=\"small\">{}</p>", escape(legend));
        }
        Ok(html)
    }

    /// From when and until when it can be used.
    fn facts(
        &self,
        package: &ShownPackage,
        told: &PackageView,
    ) -> Result<Vec<(String, String)>, Missing> {
        let mut facts = Vec::new();
        let mut tell = |label: &str, value: Option<String>| -> Result<(), Missing> {
            if let Some(value) = value {
                facts.push((self.phrase(label)?, value));
            }
            Ok(())
        };
        tell("label.starts", told.starts.clone())?;
        let paused = package.frozen_through.map(|day| self.0.date(day));
        tell("page.paused_through", paused)?;
        let through = told.usable_through.clone();
        match package.status {
            Status::Revoked | Status::Transferred | Status::Frozen => {}
            Status::Expired => tell("label.was_usable_through", through)?,
            Status::Active
            | Status::Upcoming
            | Status::Queued
            | Status::UsedUp
            | Status::Completed => {
                if told.valid_for.is_some() {
                    tell("label.valid_for", told.valid_for.clone())?;
                    tell("label.start_by", told.start_by.clone())?;
                } else {
                    let never = || self.phrase("never_expires");
                    let through = through.map_or_else(never, Ok)?;
                    tell("label.usable_through", Some(through))?;
                }
            }
        }
        Ok(facts)
    }

    fn history(&self, shown: &CustomerPage) -> Result<String, Missing> {
        let mut html = format!("<h2 id=\"history\">{}</h2>", self.said("page.history")?);
        if shown.events.is_empty() {
            let _ = write!(html, "<p>{}</p>", self.said("page.no_history")?);
        } else {
            html.push_str(
                "<div class=\"card scroll\" role=\"region\" aria-labelledby=\"history\" tabindex=\"0\">\
                 <table><thead><tr>",
            );
            for head in ["page.date", "page.event", "page.amount", "page.package"] {
                let _ = write!(html, "<th scope=\"col\">{}</th>", self.said(head)?);
            }
            html.push_str("</tr></thead><tbody>");
            for event in &shown.events {
                html.push_str(&self.event(event, shown)?);
            }
            html.push_str("</tbody></table></div>");
        }
        // Each link is in the address of this very page, which is signed.
        let newest = shown.packages.is_none().then_some(("?", "page.newest"));
        let older = shown
            .next
            .as_ref()
            .map(|next| format!("?from={next}#history"));
        let older = older.as_deref().map(|address| (address, "page.older"));
        let links = newest.into_iter().chain(older);
        for (address, name) in links {
            let _ = write!(
                html,
                "<p><a href=\"{}\">{}</a></p>",
                escape(address),
                self.said(name)?
            );
        }
        Ok(html)
    }

    fn event(&self, event: &MyEntry, shown: &CustomerPage) -> Result<String, Missing> {
        let entry = &event.entry;
        let day = calendar::local_day(entry.effective_at, shown.zone);
        let millionths = entry.amount.millionths();
        let name = if self.0.is_one(millionths) {
            &event.credit_type.name
        } else {
            &event.credit_type.name_plural
        };
        let item = event.item_name.as_ref();
        let item = item.map(|name| format!("<br><span class=\"small\">{}</span>", escape(name)));
        Ok(format!(
            "<tr><td>{}</td><td>{}{}</td><td>{}\u{a0}{}</td><td>{}</td></tr>",
            escape(&self.0.date_near(day, shown.today)),
            self.said(happened(entry.kind))?,
            item.unwrap_or_default(),
            escape(&self.0.credits(millionths)),
            escape(name),
            escape(&event.package_name),
        ))
    }

    fn phrase(&self, key: &str) -> Result<String, Missing> {
        self.0.phrase(key, None, &BTreeMap::new())
    }

    /// The phrase, escaped.
    fn said(&self, key: &str) -> Result<String, Missing> {
        self.phrase(key).map(|text| escape(&text))
    }
}

/// Whether there is something to use of it, now or later.
fn is_current(status: Status) -> bool {
    match status {
        Status::Active | Status::Frozen | Status::Upcoming | Status::Queued => true,
        Status::Revoked
        | Status::Transferred
        | Status::Completed
        | Status::Expired
        | Status::UsedUp => false,
    }
}

/// The phrase for a kind of entry.
const fn happened(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Issue => "entry.issue",
        EntryKind::Consume => "entry.consume",
        EntryKind::Hold => "entry.hold",
        EntryKind::Capture => "entry.capture",
        EntryKind::Release => "entry.release",
        EntryKind::TimeOut => "entry.time_out",
        EntryKind::Reverse => "entry.reverse",
        EntryKind::Expire => "entry.expire",
        EntryKind::Restore => "entry.restore",
        EntryKind::Revoke => "entry.revoke",
        EntryKind::Reinstate => "entry.reinstate",
        EntryKind::Transfer => "entry.transfer",
        // Value alone is on no customer's page.
        EntryKind::Adjust | EntryKind::Revalue => "entry.adjust",
    }
}

fn mark_html(mark: Mark) -> &'static str {
    if mark.used {
        "<li class=\"mark used\">\u{2713}</li>"
    } else if mark.lost {
        "<li class=\"mark lost\">\u{2715}</li>"
    } else {
        "<li class=\"mark left\"></li>"
    }
}
