//! The small HTTP side: liveness, readiness, metrics, the customer's page, the page to unsubscribe at, and for
//! trying out the e-mails in a browser.
//!
//! The pages with e-mails show those of every business and ask for no token: they are there only where
//! e-mails are captured instead of sent ([`EmailPages::Shown`]). No page runs a script, and what an
//! e-mail says is shown in a frame that may do nothing.

mod emails;
mod html;
pub mod metrics;
mod packages;
mod unsubscribe;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use crate::service::Context;

/// What a page may load: its style and the frame that shows an e-mail.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; frame-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Whether the captured e-mails can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailPages {
    /// Anybody who reaches the port sees the e-mails of all businesses: for trying out.
    Shown,
    /// There are no such pages.
    Hidden,
}

/// What the HTTP side offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebOptions {
    /// Whether the captured e-mails can be looked at.
    pub email_pages: EmailPages,
}

/// The routes of the second port.
pub fn router(ctx: Context, options: WebOptions) -> Router {
    let mut router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics::page))
        .route("/style.css", get(html::style))
        .merge(packages::routes())
        .merge(unsubscribe::routes());
    if options.email_pages == EmailPages::Shown {
        router = router
            .route("/", get(emails::to_list))
            .route("/emails", get(emails::list))
            .route("/emails/{id}", get(emails::one))
            .route("/emails/{id}/html", get(emails::html_part));
    }
    router.with_state(ctx)
}

async fn readyz(State(ctx): State<Context>) -> Response {
    let (status, reasons) = match ctx.readiness.get() {
        Ok(()) => (StatusCode::OK, Vec::new()),
        Err(cause) => (StatusCode::SERVICE_UNAVAILABLE, vec![cause.as_str()]),
    };
    let body = json!({ "ready": reasons.is_empty(), "reasons": reasons });
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body.to_string()).into_response()
}

/// An HTML answer that may load nothing but what `policy` says.
fn page(status: StatusCode, policy: &'static str, body: String) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    (status, headers, body).into_response()
}
