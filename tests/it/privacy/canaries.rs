//! A customer of whom everything is known that there is a place for; each of it bears the word that the tests look
//! for.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::support::app::TestApp;
use crate::support::day::{Day, Step};

/// The word.
pub(super) const WORD: &str = "canary";

/// Each text that is kept somewhere, before it is erased.
pub(super) const CANARIES: [&str; 30] = [
    "canary-name",
    "canary-mail@example.com",
    "canary-phone",
    "canary-view",
    "canary-customer",
    "canary-twin",
    "canary-twin@example.com",
    "canary-note-of-twin",
    "canary-package",
    "canary-sale-note",
    "canary-receipt",
    "canary-payment",
    "canary-use-note",
    "canary-shared-note",
    "canary-gift",
    "canary-counted",
    "canary-extension",
    "canary-away",
    "canary-back",
    "canary-invoice",
    "canary-line",
    "canary-cause",
    "canary-transfer",
    "canary-refund",
    "canary-booking",
    "canary-lane",
    "canary-subscription",
    "canary-event",
    "canary-household",
    "canary-revoked",
];

/// What the business offers.
pub(super) const CATALOGUE: &[Step] = &[
    (
        "CreateCreditType",
        r#"{"credit_type": {"name": "lesson", "name_plural": "lessons"}}"#,
        &[("lesson", "/credit_type/id")],
    ),
    (
        "CreateItem",
        r#"{"item": {"name": "Swimming", "category": "Lessons", "active": true,
            "standard_rate": {"currency_code": "EUR", "minor_units": 1800}}}"#,
        &[("swim", "/item/id")],
    ),
    (
        "CreateTemplate",
        r#"{"template": {"name": "Eight", "price": {"currency_code": "EUR", "minor_units": 8000},
            "validity": {"period": {"count": 90, "unit": "PERIOD_UNIT_DAY", "anchor": "ANCHOR_SALE"}},
            "freeze": {"times_max": 5, "days_max": 30}, "transferable": true, "selling": {"share_max": 3},
            "lines": [{"kind": "LINE_KIND_PREPAID", "credit_type_id": "$lesson", "quantity": "8",
                "covers": [{"item_id": "$swim"}]}]}}"#,
        &[("template", "/template/id")],
    ),
    ("ActivateTemplate", r#"{"template_id": "$template"}"#, &[]),
    (
        "CreateTemplate",
        r#"{"template": {"name": "Monthly", "price": {"currency_code": "EUR", "minor_units": 4000},
            "validity": {"never": {}},
            "pricing": {"subscription_only": true, "subscription": {
                "price": {"currency_code": "EUR", "minor_units": 4000},
                "every": {"count": 1, "unit": "PERIOD_UNIT_MONTH"}, "carry_over": "CARRY_OVER_NONE"}},
            "lines": [{"kind": "LINE_KIND_PREPAID", "credit_type_id": "$lesson", "quantity": "4",
                "covers": [{"item_id": "$swim"}]}]}}"#,
        &[("monthly", "/template/id")],
    ),
    ("ActivateTemplate", r#"{"template_id": "$monthly"}"#, &[]),
    (
        "CreateTrigger",
        r#"{"trigger": {"name": "Welcome", "event": "TRIGGER_EVENT_FIRED", "event_name": "welcome",
            "credits": {"credit_type_id": "$lesson", "amount": "1"}}}"#,
        &[],
    ),
];

/// Who she is, and somebody else who stays.
pub(super) const PEOPLE: &[Step] = &[
    (
        "CreateCustomer",
        r#"{"customer": {"name": "canary-name", "email": "canary-mail@example.com", "email_verified": true,
            "phone": "canary-phone 1", "external_id": "canary-customer", "locale": "et",
            "time_zone": "Europe/Riga"}}"#,
        &[("mari", "/customer/id")],
    ),
    (
        "UpdateCustomer",
        r#"{"customer": {"id": "ext:canary-customer", "phone": "canary-phone 2"}}"#,
        &[],
    ),
    (
        "CreateToken",
        r#"{"token": {"name": "canary-view", "permissions": ["PERMISSION_PORTAL_READ"],
            "customer_id": "$mari", "expires_at": "$ends"}}"#,
        &[],
    ),
    (
        "CreateCustomer",
        r#"{"customer": {"name": "Jaan", "email": "jaan@example.com", "email_verified": true}}"#,
        &[("jaan", "/customer/id")],
    ),
    (
        "CreateGroup",
        r#"{"group": {"name": "Club", "contact_id": "$jaan"}}"#,
        &[("club", "/group/id")],
    ),
    (
        "AddGroupMember",
        r#"{"group_id": "$club", "customer_id": "$mari"}"#,
        &[],
    ),
    (
        "CreateGroup",
        r#"{"group": {"name": "canary-household", "contact_id": "$mari"}}"#,
        &[("household", "/group/id")],
    ),
    (
        "UpdateGroup",
        r#"{"group": {"id": "$household", "active": false}, "update_mask": "active"}"#,
        &[],
    ),
    (
        "CreateCustomer",
        r#"{"customer": {"name": "canary-twin", "email": "canary-twin@example.com",
            "email_verified": true}}"#,
        &[("twin", "/customer/id")],
    ),
    (
        "SellPackages",
        r#"{"entries": [{"customer_id": "$twin", "template_id": "$template",
            "note": "canary-note-of-twin", "recorded": {"method": "PAYMENT_METHOD_CASH"}}]}"#,
        &[("of_twin", "/results/0/package/id")],
    ),
];

/// What she buys and uses, once the first e-mails are out.
pub(super) const LIFE: &[Step] = &[
    (
        "MergeCustomers",
        r#"{"customer_id": "$twin", "into_id": "$mari"}"#,
        &[],
    ),
    (
        "SellPackages",
        r#"{"entries": [{"customer_id": "ext:canary-customer", "template_id": "$template",
            "external_id": "canary-package", "note": "canary-sale-note",
            "recorded": {"method": "PAYMENT_METHOD_CASH", "reference": "canary-receipt"}}]}"#,
        &[
            ("package", "/results/0/package/id"),
            ("line", "/results/0/package/lines/0/id"),
        ],
    ),
    (
        "SellPackages",
        r#"{"entries": [{"customer_id": "$mari", "template_id": "$template", "none": {}}]}"#,
        &[
            ("second", "/results/0/package/id"),
            ("unpaid", "/results/0/sale_id"),
        ],
    ),
    (
        "RecordPayment",
        r#"{"sale_id": "$unpaid", "payment": {"method": "PAYMENT_METHOD_CARD",
            "reference": "canary-payment"}}"#,
        &[],
    ),
    (
        "SellPackages",
        r#"{"entries": [{"customer_id": "$jaan", "template_id": "$template", "member_ids": ["$mari"],
            "recorded": {"method": "PAYMENT_METHOD_CASH", "reference": "of Jaan"}}]}"#,
        &[("shared", "/results/0/package/id")],
    ),
    (
        "SellPackages",
        r#"{"entries": [{"group_id": "$club", "template_id": "$template", "none": {}}]}"#,
        &[("of_club", "/results/0/package/id")],
    ),
    (
        "Consume",
        r#"{"customer_id": "$mari", "item": {"item_id": "$swim"}, "package_ids": ["$package"],
            "note": "canary-use-note"}"#,
        &[],
    ),
    (
        "Consume",
        r#"{"customer_id": "$mari", "item": {"item_id": "$swim"}, "package_ids": ["$shared"],
            "note": "canary-shared-note"}"#,
        &[],
    ),
    (
        "Consume",
        r#"{"customer_id": "$jaan", "item": {"item_id": "$swim"}, "package_ids": ["$shared"],
            "note": "a note of Jaan"}"#,
        &[],
    ),
    (
        "Issue",
        r#"{"customer_id": "$mari", "reason": "canary-gift",
            "credits": {"credit_type_id": "$lesson", "amount": "2", "covers": [{"item_id": "$swim"}]}}"#,
        &[("gift", "/package/id")],
    ),
    (
        "Adjust",
        r#"{"package_id": "$package", "line_id": "$line", "remove": "1", "reason": "canary-counted"}"#,
        &[],
    ),
    (
        "ExtendPackage",
        r#"{"package_id": "$package", "by": {"count": 5, "unit": "PERIOD_UNIT_DAY"},
            "reason": "canary-extension"}"#,
        &[],
    ),
    (
        "FreezePackage",
        r#"{"package_id": "$package", "until_date": "$soon", "reason": "canary-away"}"#,
        &[],
    ),
    (
        "UnfreezePackage",
        r#"{"package_id": "$package", "reason": "canary-back"}"#,
        &[],
    ),
    (
        "CreateInvoice",
        r#"{"customer_id": "$mari", "external_id": "canary-invoice",
            "lines": [{"item_id": "$swim", "description": "canary-line"}]}"#,
        &[("invoice", "/invoice/id")],
    ),
    (
        "IssueInvoice",
        r#"{"invoice_id": "$invoice", "charge": {}}"#,
        &[("charge", "/invoice/charge_requests/0/id")],
    ),
    (
        "FailCharge",
        r#"{"charge_request_id": "$charge", "cause": "canary-cause"}"#,
        &[],
    ),
    (
        "RecordPayment",
        r#"{"invoice_id": "$invoice", "payment": {"method": "PAYMENT_METHOD_CARD",
            "reference": "canary-transfer"}}"#,
        &[],
    ),
    (
        "RecordRefund",
        r#"{"invoice_id": "$invoice", "refund": {"method": "PAYMENT_METHOD_CASH",
            "amount": {"currency_code": "EUR", "minor_units": 100}, "reference": "canary-refund"}}"#,
        &[],
    ),
    (
        "CreateBooking",
        r#"{"customer_id": "$mari", "item_id": "$swim", "external_id": "canary-booking",
            "note": "canary-lane", "starts_at": "$begins", "ends_at": "$ends",
            "package_choice": "PACKAGE_CHOICE_BEST"}"#,
        &[("booking", "/booking/id")],
    ),
    (
        "CreateSubscription",
        r#"{"customer_id": "$mari", "template_id": "$monthly", "external_id": "canary-subscription",
            "start_date": "$later"}"#,
        &[("subscription", "/subscription/id")],
    ),
    (
        "FireEvent",
        r#"{"event_name": "welcome", "event_id": "canary-event", "customer_id": "$mari"}"#,
        &[],
    ),
    (
        "ReportBounce",
        r#"{"email": "canary-mail@example.com", "status_code": "5.1.1"}"#,
        &[],
    ),
    (
        "AddSuppression",
        r#"{"email": "canary-twin@example.com"}"#,
        &[],
    ),
];

/// What has to be settled before she can be erased.
pub(super) const SETTLED: &[Step] = &[
    ("CancelBooking", r#"{"booking_id": "$booking"}"#, &[]),
    (
        "CancelSubscription",
        r#"{"subscription_id": "$subscription"}"#,
        &[],
    ),
    (
        "RevokePackage",
        r#"{"package_id": "$package", "reason": "canary-revoked"}"#,
        &[],
    ),
    ("RevokePackage", r#"{"package_id": "$second"}"#, &[]),
    ("RevokePackage", r#"{"package_id": "$of_twin"}"#, &[]),
    ("RevokePackage", r#"{"package_id": "$gift"}"#, &[]),
];

/// A business in which all of it has happened.
pub(super) async fn lived(app: &TestApp) -> Day {
    let mut day = Day::new(&app.channel, app);
    day.known.extend(dates(app.clock.now()));
    day.take_all(CATALOGUE).await;
    day.take_all(PEOPLE).await;
    assert_eq!(app.deliver().await.sent, 1);
    day.take_all(LIFE).await;
    day
}

/// The dates of all this, by their names.
pub(super) fn dates(now: DateTime<Utc>) -> [(&'static str, String); 4] {
    let begins = now + TimeDelta::days(10);
    let ends = begins + TimeDelta::hours(1);
    let day = |days| (now + TimeDelta::days(days)).date_naive().to_string();
    [
        ("soon", day(5)),
        ("later", day(31)),
        ("begins", begins.to_rfc3339_opts(SecondsFormat::Secs, true)),
        ("ends", ends.to_rfc3339_opts(SecondsFormat::Secs, true)),
    ]
}

/// The request that erases her.
pub(super) const ERASE: Step = ("EraseCustomer", r#"{"customer_id": "$mari"}"#, &[]);
