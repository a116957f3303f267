//! The page behind the link to unsubscribe (G10), and the one click of RFC 8058.
//!
//! Looking changes nothing, since programs that check links look at all of them: only a POST does. It needs
//! no session and no cookie, what it may do stands signed in its address, and its body says nothing more. It
//! is answered where it is sent, as RFC 8058 wants it, not by leading elsewhere. The page is in the
//! customer's language, without a script, and its one button does the one thing that can be wanted.

mod words;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::html::{Document, escape};
use super::page;
use crate::service::unsubscribing::{self, Subscription, Wish};
use crate::service::{Context, ServiceError};
use words::Words;

/// What the page may do: have a style and send its button back here.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";

/// Where each wish is sent to.
pub(super) fn routes() -> Router<Context> {
    Router::new()
        .route("/unsubscribe/{link}", get(look).post(unsubscribe))
        .route("/subscribe/{link}", get(look).post(subscribe))
}

async fn look(State(ctx): State<Context>, Path(link): Path<String>) -> Response {
    let found = unsubscribing::read(&ctx, &link).await;
    answer(found, &link)
}

async fn unsubscribe(State(ctx): State<Context>, Path(link): Path<String>) -> Response {
    fulfil(ctx, link, Wish::Unsubscribe).await
}

async fn subscribe(State(ctx): State<Context>, Path(link): Path<String>) -> Response {
    fulfil(ctx, link, Wish::Subscribe).await
}

/// In a task of its own, since who hangs up must not cut a database unit.
async fn fulfil(ctx: Context, link: String, wish: Wish) -> Response {
    let text = link.clone();
    let done = tokio::spawn(async move { unsubscribing::fulfil(&ctx, &text, wish).await }).await;
    match done {
        Ok(found) => answer(found, &link),
        Err(error) => {
            tracing::error!(%error, "a wish about e-mails ended in a panic: {error}");
            unavailable()
        }
    }
}

fn answer(found: Result<Option<Subscription>, ServiceError>, link: &str) -> Response {
    match found {
        Ok(Some(subscription)) => page(StatusCode::OK, POLICY, document(&subscription, link)),
        Ok(None) => invalid(),
        Err(error) => {
            tracing::warn!(%error, "a wish about e-mails failed: {error}");
            unavailable()
        }
    }
}

fn document(subscription: &Subscription, link: &str) -> String {
    let words = Words::of(&subscription.locale);
    let of_business = |text: &str| text.replace("{business}", &subscription.business_name);
    let (says, does, path) = if subscription.is_unsubscribed {
        (words.unsubscribed, words.subscribe, "subscribe")
    } else {
        (words.subscribed, words.unsubscribe, "unsubscribe")
    };
    let exception = if subscription.is_unsubscribed && subscription.has_mandatory {
        format!("<p>{}</p>\n", escape(&of_business(words.mandatory)))
    } else {
        String::new()
    };
    let body = format!(
        "<p>{}</p>\n{exception}<form method=\"post\" action=\"../{path}/{}\">\
         <button>{}</button></form>",
        escape(&of_business(says)),
        escape(link),
        escape(does),
    );
    let title = of_business(words.title);
    let document = Document {
        language: words.language,
        ..Document::english(&title, &body)
    };
    document.html()
}

/// Nobody can know the language of who has a link that is none.
fn invalid() -> Response {
    let body = "<p>Copy the whole link from the e-mail, or ask whoever sent it to you.</p>";
    let html = Document::english("This link does not work", body).html();
    page(StatusCode::NOT_FOUND, POLICY, html)
}

fn unavailable() -> Response {
    let body = "<p>Nothing was changed. Please try again in a few minutes.</p>";
    let html = Document::english("This does not work right now", body).html();
    page(StatusCode::SERVICE_UNAVAILABLE, POLICY, html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_business_cannot_put_markup_into_the_page() {
        let html = document(
            &Subscription {
                business_name: "<script>alert(1)</script>".to_owned(),
                locale: "en".to_owned(),
                is_unsubscribed: false,
                has_mandatory: false,
            },
            "link",
        );
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains("&lt;script&gt;"), "{html}");
    }
}
