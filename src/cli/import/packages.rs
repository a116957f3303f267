//! The file of packages: a row for each, or, of a package with several credit types, a row for each of these, one after
//! the other. What is about the whole package stands in the first of them.

use super::cells::{Cells, Paid, Writing, day};
use super::sheet::{Column, Row, optional, required};
use crate::domain::credits::Credits;
use crate::domain::validity::Validity;
use crate::grpc::convert::customer::NAME_LENGTH_MAX;
use crate::grpc::convert::selling::NOTE_LENGTH_MAX;
use crate::ids::{CustomerId, Reference};
use crate::service::importing::Fault;
use crate::service::importing::packages::{PackageLine, PartLine};

/// Its columns.
pub(super) const COLUMNS: [Column; 15] = [
    required("external_id"),
    required("customer"),
    optional("template"),
    optional("credit_type"),
    optional("items"),
    optional("name"),
    required("quantity"),
    required("used"),
    required("price"),
    optional("currency"),
    optional("paid"),
    optional("sold_on"),
    optional("starts"),
    optional("expires"),
    optional("note"),
];
/// The columns that a further row of the same package fills.
const OF_PART: [&str; 5] = ["external_id", "credit_type", "items", "quantity", "used"];
/// What lies between two items in a cell.
const BETWEEN_ITEMS: char = '|';
/// How a file says that a package never ends.
const NEVER: &str = "never";

/// Reads the first row of a package.
pub(super) fn read(row: &Row, writing: Writing) -> Result<PackageLine, Vec<Fault>> {
    let mut cells = Cells::new(row, writing);
    let external_id = cells.required("external_id", |cells| {
        cells.text("external_id", |faults, text| {
            faults.external_id("", text).flatten()
        })
    });
    let customer = cells.required("customer", customer);
    let part = part(row, &mut cells);
    let name = cells.text("name", |faults, text| {
        faults.text("", text, NAME_LENGTH_MAX)
    });
    let price = cells.required("price", |cells| cells.money("price"));
    currency(&mut cells, writing);
    let paid = cells.paid("paid");
    let (sold_on, starts) = (cells.day("sold_on"), cells.day("starts"));
    let expires = expires(&mut cells);
    let note = cells.text("note", |faults, text| {
        faults.long_text("", text, NOTE_LENGTH_MAX)
    });
    let template = cells.given("template").map(str::to_owned);
    let read = || {
        Some(PackageLine {
            line: row.line,
            external_id: external_id?,
            customer: customer?,
            template,
            name: name.map(|name| Some(name).filter(|it| !it.is_empty()))?,
            price_minor: price?,
            paid_minor: match paid? {
                Paid::All => None,
                Paid::Sum(minor) => Some(minor),
            },
            sold_on: sold_on?,
            starts: starts?,
            expires: expires?,
            expires_text: row.cell("expires").to_owned(),
            note: note?,
            parts: vec![part?],
        })
    };
    let read = read();
    cells.all(read)
}

/// Reads a further row of a package that begins on the line `first`.
pub(super) fn read_part(row: &Row, first: u64, writing: Writing) -> Result<PartLine, Vec<Fault>> {
    let mut cells = Cells::new(row, writing);
    for column in row.filled().filter(|column| !OF_PART.contains(column)) {
        let expected = format!("must be empty: this row goes on with the package of line {first}");
        cells.refuse(column, expected);
    }
    let part = part(row, &mut cells);
    cells.all(part)
}

fn part(row: &Row, cells: &mut Cells<'_>) -> Option<PartLine> {
    let quantity = cells.required("quantity", |cells| cells.credits("quantity"));
    let used = cells.required("used", |cells| cells.credits("used"));
    if quantity == Some(Credits::ZERO) {
        cells.refuse("quantity", "must be above 0");
    }
    let items = row.cell("items").split(BETWEEN_ITEMS).map(str::trim);
    let items = items.filter(|item| !item.is_empty()).map(str::to_owned);
    Some(PartLine {
        line: row.line,
        credit_type: cells.given("credit_type").map(str::to_owned),
        items: items.collect(),
        quantity: quantity?,
        used: used?,
    })
}

/// Whose a package is: our id, or the business's own.
fn customer(cells: &mut Cells<'_>) -> Option<Reference<CustomerId>> {
    cells.text("customer", |faults, text| {
        if let Ok(id) = text.parse() {
            return Some(Reference::Id(id));
        }
        let text = text.strip_prefix("ext:").unwrap_or(text);
        faults.external_id("", text)?.map(Reference::External)
    })
}

fn currency(cells: &mut Cells<'_>, writing: Writing) {
    let code = writing.currency.code();
    if cells.given("currency").is_some_and(|text| text != code) {
        let expected = format!("must be {code}, which the business counts in");
        cells.refuse("currency", expected);
    }
}

#[expect(
    clippy::option_option,
    reason = "outside: whether it could be read; inside: whether it is there"
)]
fn expires(cells: &mut Cells<'_>) -> Option<Option<Validity>> {
    let Some(text) = cells.given("expires") else {
        return Some(None);
    };
    if text.to_lowercase() == NEVER {
        return Some(Some(Validity::Never));
    }
    let last = day(text).map(Validity::Until);
    if last.is_none() {
        let expected = "must be the last usable day, such as 2026-12-31, or `never`";
        cells.refuse("expires", expected);
    }
    last.map(Some)
}
