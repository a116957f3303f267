//! Messages as rows of a table: each field is a column, named by its path. Of one repeated field each element
//! makes a row of its own; any other is one cell of JSON.
//!
//! Messages are read as they are encoded, field after field: a ledger has millions of them, and most of what they
//! say is text that is copied as it is. Types that are rare are left to `prost_reflect`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use prost::Message as _;
use prost::encoding::{WireType, decode_key, decode_varint};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};
use prost_types::Timestamp;

use crate::domain::csv;

/// How messages of one type become rows.
#[derive(Debug)]
pub struct Sheet {
    names: Vec<String>,
    shape: Shape,
    /// The cells of one row.
    cells: Vec<String>,
}

/// What becomes of the fields of a message.
#[derive(Debug)]
struct Shape {
    message: MessageDescriptor,
    /// By their numbers.
    parts: BTreeMap<u32, Part>,
}

/// What becomes of a field.
#[derive(Debug)]
enum Part {
    /// A cell.
    Cell(Column),
    /// Cells of its own fields.
    Message(Shape),
    /// A row for each of its elements.
    Rows(Shape),
}

/// A column of one field.
#[derive(Debug)]
struct Column {
    place: usize,
    text: Text,
    /// What a message says that does not have it; nothing if it can be absent.
    unset: String,
}

/// How a field becomes text.
#[derive(Debug)]
enum Text {
    Copied,
    Number,
    YesOrNo,
    Choice(BTreeMap<i32, String>),
    Bytes,
    Instant,
    Rare(FieldDescriptor),
}

/// What an encoded field has.
enum Found<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

/// An encoded element that makes a row.
type Element<'a> = (&'a Shape, &'a [u8]);

impl Sheet {
    /// A sheet of messages of the type `name`, with a row for each element of the repeated field at the path
    /// `rows_of`. `None` if the descriptors have no such type.
    pub fn new(pool: &DescriptorPool, name: &str, rows_of: &str) -> Option<Self> {
        let message = pool.get_message_by_name(&format!("carnet.v1.{name}"))?;
        let mut names = Vec::new();
        let shape = Shape::new(message, "", rows_of, &mut names);
        Some(Self {
            cells: vec![String::new(); names.len()],
            names,
            shape,
        })
    }

    /// Appends the names of the columns.
    pub fn push_header(&self, out: &mut String) {
        csv::push_row(out, &self.names);
    }

    /// Appends the rows of a message, and says how many. `None` if it is of another type.
    pub fn push(&mut self, out: &mut String, message: &impl prost::Message) -> Option<u64> {
        let encoded = message.encode_to_vec();
        let (shape, cells) = (&self.shape, &mut self.cells);
        let mut elements = Vec::new();
        shape.clear(cells);
        shape.read(&encoded, cells, &mut elements)?;
        if elements.is_empty() {
            csv::push_row(out, &*cells);
            return Some(1);
        }
        for (shape, element) in &elements {
            shape.clear(cells);
            shape.read(element, cells, &mut Vec::new())?;
            csv::push_row(out, &*cells);
        }
        u64::try_from(elements.len()).ok()
    }
}

impl Shape {
    /// Adds the columns of a message at the path `within`.
    fn new(
        message: MessageDescriptor,
        within: &str,
        rows_of: &str,
        names: &mut Vec<String>,
    ) -> Self {
        let mut parts = BTreeMap::new();
        for field in message.fields() {
            let name = format!("{within}{}", field.name());
            let is_rows = name == rows_of;
            let is_one = (!field.is_list() || is_rows) && !field.is_map();
            let kind = field.kind();
            let inner = kind.as_message().filter(|_| is_one);
            let part = if let Some(inner) = inner.filter(|inner| !is_instant(inner)) {
                let shape = Self::new(inner.clone(), &format!("{name}."), rows_of, names);
                if is_rows {
                    Part::Rows(shape)
                } else {
                    Part::Message(shape)
                }
            } else {
                let place = names.len();
                names.push(name);
                Part::Cell(Column::new(place, &field))
            };
            parts.insert(field.number(), part);
        }
        Self { message, parts }
    }

    /// Reads the cells of an encoded message, and finds the elements that make rows. `None` if it is none.
    fn read<'a>(
        &'a self,
        encoded: &'a [u8],
        cells: &mut [String],
        elements: &mut Vec<Element<'a>>,
    ) -> Option<()> {
        for part in self.parts.values() {
            if let Part::Cell(column) = part {
                cells.get_mut(column.place)?.push_str(&column.unset);
            }
        }
        let mut rest = encoded;
        while !rest.is_empty() {
            let (number, found) = next_field(&mut rest)?;
            match (self.parts.get(&number)?, found) {
                (Part::Message(shape), Found::Bytes(inner)) => {
                    shape.read(inner, cells, elements)?;
                }
                (Part::Rows(shape), Found::Bytes(element)) => elements.push((shape, element)),
                (Part::Cell(column), found) => {
                    let cell = cells.get_mut(column.place)?;
                    cell.clear();
                    if let Text::Rare(field) = &column.text {
                        let message = self.message.clone();
                        let whole = DynamicMessage::decode(message, encoded).ok()?;
                        cell.push_str(&text(field, &whole.get_field(field)));
                    } else {
                        column.text.push(cell, found)?;
                    }
                }
                (Part::Message(_) | Part::Rows(_), Found::Number(_) | Found::Other) => return None,
            }
        }
        Some(())
    }

    /// Empties the cells of a message and of all that is in it.
    fn clear(&self, cells: &mut [String]) {
        for part in self.parts.values() {
            match part {
                Part::Cell(column) => {
                    if let Some(cell) = cells.get_mut(column.place) {
                        cell.clear();
                    }
                }
                Part::Message(shape) | Part::Rows(shape) => shape.clear(cells),
            }
        }
    }
}

impl Column {
    fn new(place: usize, field: &FieldDescriptor) -> Self {
        let can_be_absent = field.supports_presence();
        Self {
            place,
            text: Text::of(field),
            unset: if can_be_absent {
                String::new()
            } else {
                text(field, &Value::default_value_for_field(field))
            },
        }
    }
}

impl Text {
    fn of(field: &FieldDescriptor) -> Self {
        let kind = field.kind();
        if field.is_list() || field.is_map() {
            return Self::Rare(field.clone());
        }
        match &kind {
            Kind::String => Self::Copied,
            Kind::Int32 | Kind::Int64 => Self::Number,
            Kind::Bool => Self::YesOrNo,
            Kind::Bytes => Self::Bytes,
            Kind::Message(message) if is_instant(message) => Self::Instant,
            Kind::Enum(choices) => {
                let numbers = choices.values().map(|it| it.number());
                Self::Choice(numbers.map(|it| (it, choice(field, it))).collect())
            }
            Kind::Double
            | Kind::Float
            | Kind::Uint32
            | Kind::Uint64
            | Kind::Sint32
            | Kind::Sint64
            | Kind::Fixed32
            | Kind::Fixed64
            | Kind::Sfixed32
            | Kind::Sfixed64
            | Kind::Message(_) => Self::Rare(field.clone()),
        }
    }

    /// Appends what an encoded field says. `None` if it is of another type.
    fn push(&self, cell: &mut String, found: Found<'_>) -> Option<()> {
        match (self, found) {
            (Self::Copied, Found::Bytes(bytes)) => cell.push_str(str::from_utf8(bytes).ok()?),
            (Self::Number, Found::Number(number)) => {
                write!(cell, "{}", number.cast_signed()).ok()?;
            }
            (Self::YesOrNo, Found::Number(number)) => {
                cell.push_str(if number == 0 { "false" } else { "true" });
            }
            (Self::Choice(names), Found::Number(number)) => {
                let number = i32::try_from(number.cast_signed()).ok()?;
                cell.push_str(names.get(&number).map_or("", String::as_str));
            }
            (Self::Bytes, Found::Bytes(bytes)) => push_hex(cell, bytes),
            (Self::Instant, Found::Bytes(bytes)) => {
                write!(cell, "{}", Timestamp::decode(bytes).ok()?).ok()?;
            }
            _ => return None,
        }
        Some(())
    }
}

/// Takes the first field off an encoded message: its number, and what it has.
fn next_field<'a>(rest: &mut &'a [u8]) -> Option<(u32, Found<'a>)> {
    let (number, wire_type) = decode_key(rest).ok()?;
    let found = match wire_type {
        WireType::Varint => Found::Number(decode_varint(rest).ok()?),
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
            Found::Bytes(rest.split_off(..length)?)
        }
        WireType::SixtyFourBit => rest.split_off(..8).map(|_| Found::Other)?,
        WireType::ThirtyTwoBit => rest.split_off(..4).map(|_| Found::Other)?,
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    Some((number, found))
}

fn is_instant(message: &MessageDescriptor) -> bool {
    message.full_name() == "google.protobuf.Timestamp"
}

/// A value as the text of a cell.
fn text(field: &FieldDescriptor, value: &Value) -> String {
    match value {
        Value::String(value) => value.clone(),
        Value::List(elements) if elements.is_empty() => String::new(),
        Value::Map(_) => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::Bytes(bytes) => {
            let mut text = String::new();
            push_hex(&mut text, bytes);
            text
        }
        Value::EnumNumber(number) => choice(field, *number),
        Value::Message(message) => instant(message),
        Value::List(elements) => {
            let elements = elements.iter().map(|element| json(field, element));
            serde_json::Value::Array(elements.collect()).to_string()
        }
    }
}

fn json(field: &FieldDescriptor, value: &Value) -> serde_json::Value {
    match value.as_message() {
        Some(message) => serde_json::to_value(message).unwrap_or_default(),
        None => text(field, value).into(),
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for half in [byte >> 4, byte & 0xf] {
            text.extend(char::from_digit(half.into(), 16));
        }
    }
}

/// The name of a choice without its prefix; nothing for the one that says nothing.
fn choice(field: &FieldDescriptor, number: i32) -> String {
    let Kind::Enum(choices) = field.kind() else {
        return String::new();
    };
    let zero = choices.default_value();
    let prefix = zero.name().trim_end_matches("UNSPECIFIED");
    match choices.get_value(number) {
        Some(value) if number != 0 => {
            let name = value.name();
            name.strip_prefix(prefix).unwrap_or(name).to_owned()
        }
        _ => String::new(),
    }
}

/// An instant as RFC 3339 in UTC.
fn instant(message: &DynamicMessage) -> String {
    let instant: Option<Timestamp> = message.transcode_to().ok();
    instant.map(|at| at.to_string()).unwrap_or_default()
}
