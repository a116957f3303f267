//! A day in the life of a business: calls of every method that takes an id or writes, each of which does
//! something. `$name` stands for an id that an earlier answer gave.

use super::mailing::MAILING;
use crate::support::day::Step;

pub(super) const ACCESS: &[Step] = &[
    (
        "UpdateSettings",
        r#"{"settings": {"name": "The school"}}"#,
        &[],
    ),
    (
        "CreateRole",
        r#"{"role": {"name": "Till", "permissions": ["PERMISSION_CATALOG_READ"]}}"#,
        &[("role", "/role/id")],
    ),
    (
        "UpdateRole",
        r#"{"role": {"id": "$role", "name": "The till"}}"#,
        &[],
    ),
    (
        "CreateUser",
        r#"{"user": {"name": "Kati", "role_id": "$role"}}"#,
        &[("user", "/user/id")],
    ),
    (
        "UpdateUser",
        r#"{"user": {"id": "$user", "name": "Coach Kati", "role_id": "$role"}}"#,
        &[],
    ),
    (
        "CreateToken",
        r#"{"token": {"name": "Till", "permissions": ["PERMISSION_CATALOG_READ"], "user_id": "$user"}}"#,
        &[("token", "/token/id")],
    ),
    ("RotateToken", r#"{"token_id": "$token"}"#, &[]),
    ("RevokeToken", r#"{"token_id": "$token"}"#, &[]),
];

pub(super) const CATALOGUE: &[Step] = &[
    (
        "CreateCreditType",
        r#"{"credit_type": {"name": "lesson", "name_plural": "lessons"}}"#,
        &[("lesson", "/credit_type/id")],
    ),
    (
        "UpdateCreditType",
        r#"{"credit_type": {"id": "$lesson", "name": "Lesson"}}"#,
        &[],
    ),
    ("GetCreditType", r#"{"credit_type_id": "$lesson"}"#, &[]),
    (
        "CreateCreditType",
        r#"{"credit_type": {"name": "hour", "name_plural": "hours"}}"#,
        &[("hour", "/credit_type/id")],
    ),
    ("ArchiveCreditType", r#"{"credit_type_id": "$hour"}"#, &[]),
    (
        "CreateItem",
        r#"{"item": {"name": "Swimming", "category": "Lessons", "active": true,
            "standard_rate": {"currency_code": "EUR", "minor_units": 1800}}}"#,
        &[("swim", "/item/id")],
    ),
    (
        "UpdateItem",
        r#"{"item": {"id": "$swim", "name": "Swimming lesson"}}"#,
        &[],
    ),
    ("GetItem", r#"{"item_id": "$swim"}"#, &[]),
    (
        "CreateItem",
        r#"{"item": {"name": "Diving", "category": "Lessons", "active": true}}"#,
        &[("dive", "/item/id")],
    ),
    ("ArchiveItem", r#"{"item_id": "$dive"}"#, &[]),
    (
        "CreateTemplate",
        r#"{"template": {"name": "Eight", "price": {"currency_code": "EUR", "minor_units": 8000},
            "validity": {"period": {"count": 90, "unit": "PERIOD_UNIT_DAY", "anchor": "ANCHOR_SALE"}},
            "freeze": {"times_max": 5, "days_max": 30}, "transferable": true, "selling": {"share_max": 3},
            "lines": [{"kind": "LINE_KIND_PREPAID", "credit_type_id": "$lesson", "quantity": "8",
                "covers": [{"item_id": "$swim"}]}]}}"#,
        &[("template", "/template/id")],
    ),
    (
        "UpdateTemplate",
        r#"{"template": {"id": "$template", "name": "Eight lessons"}}"#,
        &[],
    ),
    ("ActivateTemplate", r#"{"template_id": "$template"}"#, &[]),
    ("GetTemplate", r#"{"template_id": "$template"}"#, &[]),
    ("Quote", r#"{"template_id": "$template"}"#, &[]),
    (
        "CloneTemplate",
        r#"{"template_id": "$template", "name": "Copy"}"#,
        &[("copy", "/template/id")],
    ),
    ("ArchiveTemplate", r#"{"template_id": "$copy"}"#, &[]),
    ("UnarchiveTemplate", r#"{"template_id": "$copy"}"#, &[]),
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
];

pub(super) const PEOPLE: &[Step] = &[
    (
        "CreateCustomer",
        r#"{"customer": {"name": "Mari", "email": "mari@example.com", "email_verified": true}}"#,
        &[("mari", "/customer/id")],
    ),
    (
        "CreateCustomer",
        r#"{"customer": {"name": "Jaan"}}"#,
        &[("jaan", "/customer/id")],
    ),
    (
        "CreateCustomer",
        r#"{"customer": {"name": "Jaan twice"}}"#,
        &[("twice", "/customer/id")],
    ),
    (
        "UpdateCustomer",
        r#"{"customer": {"id": "$mari", "phone": "+372 5"}}"#,
        &[],
    ),
    ("GetCustomer", r#"{"customer_id": "$mari"}"#, &[]),
    ("ResolveCustomer", r#"{"email": "mari@example.com"}"#, &[]),
    (
        "MergeCustomers",
        r#"{"customer_id": "$twice", "into_id": "$jaan"}"#,
        &[],
    ),
    (
        "CreateCustomer",
        r#"{"customer": {"name": "Forgotten"}}"#,
        &[("forgotten", "/customer/id")],
    ),
    ("EraseCustomer", r#"{"customer_id": "$forgotten"}"#, &[]),
    (
        "CreateGroup",
        r#"{"group": {"name": "Club", "contact_id": "$mari"}}"#,
        &[("club", "/group/id")],
    ),
    (
        "UpdateGroup",
        r#"{"group": {"id": "$club", "name": "The club"}}"#,
        &[],
    ),
    ("GetGroup", r#"{"group_id": "$club"}"#, &[]),
    (
        "AddGroupMember",
        r#"{"group_id": "$club", "customer_id": "$jaan"}"#,
        &[],
    ),
    (
        "RemoveGroupMember",
        r#"{"group_id": "$club", "customer_id": "$jaan"}"#,
        &[],
    ),
];

pub(super) const SELLING: &[Step] = &[
    (
        "SellPackages",
        r#"{"entries": [{"customer_id": "$mari", "template_id": "$template",
            "recorded": {"method": "PAYMENT_METHOD_CASH"}}]}"#,
        &[
            ("package", "/results/0/package/id"),
            ("line", "/results/0/package/lines/0/id"),
            ("sale", "/results/0/sale_id"),
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
            "amount": {"currency_code": "EUR", "minor_units": 8000}}}"#,
        &[],
    ),
    (
        "SellPackages",
        r#"{"entries": [{"group_id": "$club", "template_id": "$template", "none": {}}]}"#,
        &[("mistake", "/results/0/sale_id")],
    ),
    (
        "UndoSale",
        r#"{"sale_id": "$mistake", "reason": "A mistake"}"#,
        &[],
    ),
    ("GetSale", r#"{"sale_id": "$sale"}"#, &[]),
    ("GetPackage", r#"{"package_id": "$package"}"#, &[]),
    ("ListPackages", r#"{"customer_id": "$mari"}"#, &[]),
    (
        "CreateSubscription",
        r#"{"customer_id": "$mari", "template_id": "$monthly", "start_date": "2026-01-15"}"#,
        &[("subscription", "/subscription/id")],
    ),
    (
        "RecordRenewal",
        r#"{"subscription_id": "$subscription", "period_start_date": "2026-01-15",
            "payment": {"method": "PAYMENT_METHOD_CARD"}}"#,
        &[],
    ),
    (
        "GetSubscription",
        r#"{"subscription_id": "$subscription"}"#,
        &[],
    ),
    ("ListSubscriptions", r#"{"customer_id": "$mari"}"#, &[]),
    (
        "CancelSubscription",
        r#"{"subscription_id": "$subscription"}"#,
        &[],
    ),
    (
        "CreateTrigger",
        r#"{"trigger": {"name": "Welcome", "event": "TRIGGER_EVENT_FIRED", "event_name": "welcome",
            "credits": {"credit_type_id": "$lesson", "amount": "1"}}}"#,
        &[("trigger", "/trigger/id")],
    ),
    (
        "UpdateTrigger",
        r#"{"trigger": {"id": "$trigger", "name": "A welcome"}}"#,
        &[],
    ),
    ("GetTrigger", r#"{"trigger_id": "$trigger"}"#, &[]),
    (
        "FireEvent",
        r#"{"event_name": "welcome", "event_id": "1", "customer_id": "$mari"}"#,
        &[],
    ),
    ("ArchiveTrigger", r#"{"trigger_id": "$trigger"}"#, &[]),
];

pub(super) const USING: &[Step] = &[
    (
        "Issue",
        r#"{"customer_id": "$mari", "reason": "Sorry",
            "credits": {"credit_type_id": "$lesson", "amount": "2", "covers": [{"item_id": "$swim"}]}}"#,
        &[],
    ),
    (
        "Consume",
        r#"{"customer_id": "$mari", "item": {"item_id": "$swim"}, "package_ids": ["$package"],
            "consumed_by": "$user"}"#,
        &[("use", "/posting_id")],
    ),
    (
        "MoveConsumption",
        r#"{"posting_id": "$use", "package_ids": ["$second"]}"#,
        &[],
    ),
    (
        "Consume",
        r#"{"customer_id": "$mari", "item": {"item_id": "$swim"}, "package_ids": ["$package"]}"#,
        &[("another", "/posting_id")],
    ),
    ("Reverse", r#"{"posting_id": "$another"}"#, &[]),
    (
        "Hold",
        r#"{"customer_id": "$mari", "item": {"item_id": "$swim"}, "package_ids": ["$package"]}"#,
        &[("hold", "/hold_id")],
    ),
    ("Capture", r#"{"hold_id": "$hold"}"#, &[]),
    (
        "Hold",
        r#"{"customer_id": "$mari", "item": {"item_id": "$swim"}, "package_ids": ["$package"]}"#,
        &[("hold_again", "/hold_id")],
    ),
    ("Release", r#"{"hold_id": "$hold_again"}"#, &[]),
    (
        "Adjust",
        r#"{"package_id": "$package", "line_id": "$line", "remove": "1", "reason": "Counted"}"#,
        &[],
    ),
    ("GetBalance", r#"{"package_id": "$package"}"#, &[]),
    ("Explain", r#"{"balance": {"package_id": "$package"}}"#, &[]),
    (
        "ListUsablePackages",
        r#"{"customer_id": "$mari", "items": [{"item_id": "$swim"}]}"#,
        &[],
    ),
    ("ListEntries", r#"{"package_id": "$package"}"#, &[]),
];

pub(super) const AMENDING: &[Step] = &[
    (
        "AddMember",
        r#"{"package_id": "$package", "customer_id": "$jaan"}"#,
        &[],
    ),
    (
        "RemoveMember",
        r#"{"package_id": "$package", "customer_id": "$jaan"}"#,
        &[],
    ),
    (
        "ExtendPackage",
        r#"{"package_id": "$package", "by": {"count": 5, "unit": "PERIOD_UNIT_DAY"}, "reason": "Ill"}"#,
        &[],
    ),
    (
        "UpdatePackage",
        r#"{"package_id": "$package", "edit": {"priority": 3}, "update_mask": "priority", "reason": "First"}"#,
        &[],
    ),
    (
        "FreezePackage",
        r#"{"package_id": "$package", "until_date": "2026-01-20", "reason": "Away"}"#,
        &[],
    ),
    (
        "UnfreezePackage",
        r#"{"package_id": "$package", "reason": "Back"}"#,
        &[],
    ),
    (
        "TransferPackage",
        r#"{"package_id": "$second", "customer_id": "$jaan", "reason": "Asked for"}"#,
        &[("received", "/received/id")],
    ),
    ("PreviewRevoke", r#"{"package_id": "$received"}"#, &[]),
    (
        "RevokePackage",
        r#"{"package_id": "$received", "reason": "Not paid"}"#,
        &[],
    ),
    (
        "ReinstatePackage",
        r#"{"package_id": "$received", "reason": "Paid"}"#,
        &[],
    ),
    ("ListChanges", r#"{"package_id": "$package"}"#, &[]),
    (
        "ExtendPackages",
        r#"{"ids": {"package_ids": ["$package"]}, "by": {"count": 5, "unit": "PERIOD_UNIT_DAY"},
            "reason": "Closed"}"#,
        &[("run", "/run/id")],
    ),
    ("GetBulkRun", r#"{"run_id": "$run"}"#, &[]),
    ("ListBulkResults", r#"{"run_id": "$run"}"#, &[]),
    (
        "PreviewClosure",
        r#"{"closure": {"name": "Easter", "first_date": "2026-04-01", "last_date": "2026-04-03",
            "template_id": "$template"}}"#,
        &[],
    ),
    (
        "CreateClosure",
        r#"{"closure": {"name": "Easter", "first_date": "2026-04-01", "last_date": "2026-04-03",
            "template_id": "$template"}}"#,
        &[("closure", "/closure/id")],
    ),
    ("GetClosure", r#"{"closure_id": "$closure"}"#, &[]),
    (
        "UpdateClosure",
        r#"{"closure": {"id": "$closure", "name": "At Easter"}}"#,
        &[],
    ),
    ("UndoClosure", r#"{"closure_id": "$closure"}"#, &[]),
];

pub(super) const BILLING: &[Step] = &[
    (
        "CreateInvoice",
        r#"{"customer_id": "$mari", "lines": [{"item_id": "$swim", "quantity": "2"}]}"#,
        &[
            ("invoice", "/invoice/id"),
            ("invoice_line", "/invoice/lines/0/id"),
        ],
    ),
    (
        "UpdateInvoice",
        r#"{"invoice_id": "$invoice", "edit": {"external_id": "A-1"}}"#,
        &[],
    ),
    (
        "ApplyCredits",
        r#"{"invoice_id": "$invoice", "invoice_line_id": "$invoice_line", "units": "1",
            "package_ids": ["$package"]}"#,
        &[],
    ),
    (
        "RemoveCredits",
        r#"{"invoice_id": "$invoice", "invoice_line_id": "$invoice_line"}"#,
        &[],
    ),
    ("IssueInvoice", r#"{"invoice_id": "$invoice"}"#, &[]),
    (
        "RecordPayment",
        r#"{"invoice_id": "$invoice", "payment": {"method": "PAYMENT_METHOD_CARD"}}"#,
        &[("payment", "/invoice/money/0/id")],
    ),
    ("ReversePayment", r#"{"payment_id": "$payment"}"#, &[]),
    (
        "RecordPayment",
        r#"{"invoice_id": "$invoice", "payment": {"method": "PAYMENT_METHOD_CASH"}}"#,
        &[],
    ),
    (
        "RecordRefund",
        r#"{"invoice_id": "$invoice", "refund": {"method": "PAYMENT_METHOD_CASH"}}"#,
        &[],
    ),
    ("GetInvoice", r#"{"invoice_id": "$invoice"}"#, &[]),
    ("ListInvoices", r#"{"customer_id": "$mari"}"#, &[]),
    ("VoidInvoice", r#"{"invoice_id": "$invoice"}"#, &[]),
    (
        "CreateInvoice",
        r#"{"customer_id": "$mari", "lines": [{"item_id": "$swim"}]}"#,
        &[("charged", "/invoice/id")],
    ),
    (
        "IssueInvoice",
        r#"{"invoice_id": "$charged", "charge": {}}"#,
        &[("charge", "/invoice/charge_requests/0/id")],
    ),
    (
        "FailCharge",
        r#"{"charge_request_id": "$charge", "cause": "declined"}"#,
        &[],
    ),
    (
        "CreateBooking",
        r#"{"customer_id": "$mari", "item_id": "$swim", "starts_at": "2026-01-15T10:00:00Z",
            "ends_at": "2026-01-15T11:00:00Z", "package_choice": "PACKAGE_CHOICE_BEST"}"#,
        &[("booking", "/booking/id")],
    ),
    (
        "UpdateBooking",
        r#"{"booking": {"id": "$booking", "note": "Lane 3"}}"#,
        &[],
    ),
    (
        "ChangePackage",
        r#"{"booking_id": "$booking", "package_ids": ["$package"]}"#,
        &[],
    ),
    ("CompleteBooking", r#"{"booking_id": "$booking"}"#, &[]),
    ("ReopenBooking", r#"{"booking_id": "$booking"}"#, &[]),
    ("MarkNoShow", r#"{"booking_id": "$booking"}"#, &[]),
    ("GetBooking", r#"{"booking_id": "$booking"}"#, &[]),
    ("ListBookings", r#"{"customer_id": "$mari"}"#, &[]),
    (
        "CreateBooking",
        r#"{"customer_id": "$mari", "item_id": "$swim", "starts_at": "2026-01-20T10:00:00Z",
            "ends_at": "2026-01-20T11:00:00Z", "package_choice": "PACKAGE_CHOICE_NONE"}"#,
        &[("called_off", "/booking/id")],
    ),
    ("CancelBooking", r#"{"booking_id": "$called_off"}"#, &[]),
    (
        "CreateBookingSeries",
        r#"{"customer_id": "$mari", "item_id": "$swim", "starts_at": "2026-01-21T10:00:00Z",
            "ends_at": "2026-01-21T11:00:00Z", "count": 2, "every_weeks": 1,
            "package_choice": "PACKAGE_CHOICE_NONE"}"#,
        &[("series", "/series_id")],
    ),
    ("CancelBookingSeries", r#"{"series_id": "$series"}"#, &[]),
];

/// The whole day.
pub(crate) fn steps() -> impl Iterator<Item = &'static Step> {
    let parts = [
        ACCESS, CATALOGUE, PEOPLE, MAILING, SELLING, USING, AMENDING, BILLING,
    ];
    parts.into_iter().flatten()
}
