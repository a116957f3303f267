//! Messages as rows of a table: each field is a column, named by its path. Of one repeated field each element
//! makes a row of its own; any other is one cell of JSON.

use std::borrow::Cow;
use std::fmt::Write as _;

use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};
use prost_types::Timestamp;

use crate::domain::csv;

/// How messages of one type become rows.
#[derive(Debug)]
pub struct Sheet {
    message: MessageDescriptor,
    columns: Vec<Column>,
    rows_of: Option<FieldDescriptor>,
}

/// A column: its field, and the way to the message that has it.
#[derive(Debug)]
struct Column {
    name: String,
    way: Vec<FieldDescriptor>,
    field: FieldDescriptor,
}

impl Sheet {
    /// A sheet of messages of the type `name`, with a row for each element of the repeated field at the path
    /// `rows_of`. `None` if the descriptors have no such type.
    pub fn new(pool: &DescriptorPool, name: &str, rows_of: &str) -> Option<Self> {
        let message = pool.get_message_by_name(&format!("carnet.v1.{name}"))?;
        let mut sheet = Self {
            message: message.clone(),
            columns: Vec::new(),
            rows_of: None,
        };
        sheet.add_columns(&message, &mut Vec::new(), rows_of);
        Some(sheet)
    }

    fn add_columns(
        &mut self,
        message: &MessageDescriptor,
        path: &mut Vec<FieldDescriptor>,
        rows_of: &str,
    ) {
        for field in message.fields() {
            path.push(field.clone());
            let names: Vec<&str> = path.iter().map(FieldDescriptor::name).collect();
            let name = names.join(".");
            let is_rows = name == rows_of;
            if is_rows {
                self.rows_of = Some(field.clone());
            }
            let is_one = (!field.is_list() || is_rows) && !field.is_map();
            let kind = field.kind();
            let inner = kind.as_message().filter(|_| is_one);
            match inner.filter(|inner| !is_instant(inner)) {
                Some(inner) => self.add_columns(inner, path, rows_of),
                None => self.columns.push(Column {
                    name,
                    way: path
                        .split_last()
                        .map(|(_, way)| way.to_vec())
                        .unwrap_or_default(),
                    field: field.clone(),
                }),
            }
            path.pop();
        }
    }

    /// Appends the names of the columns.
    pub fn push_header(&self, out: &mut String) {
        csv::push_row(out, self.columns.iter().map(|column| &column.name));
    }

    /// Appends the rows of a message, and says how many. `None` if it is of another type.
    pub fn push(&self, out: &mut String, message: &impl prost::Message) -> Option<u64> {
        let bytes = message.encode_to_vec();
        let message = DynamicMessage::decode(self.message.clone(), bytes.as_slice()).ok()?;
        let elements = self.elements(&message);
        if elements.is_empty() {
            self.push_one(out, &message, None);
            return Some(1);
        }
        for element in elements {
            self.push_one(out, &message, element.as_message());
        }
        u64::try_from(elements.len()).ok()
    }

    fn push_one(
        &self,
        out: &mut String,
        message: &DynamicMessage,
        element: Option<&DynamicMessage>,
    ) {
        let cells = self.columns.iter();
        csv::push_row(out, cells.map(|column| self.cell(column, message, element)));
    }

    /// The elements that make rows.
    fn elements<'a>(&self, message: &'a DynamicMessage) -> &'a [Value] {
        let Some(rows_of) = &self.rows_of else {
            return &[];
        };
        let through = |column: &&Column| column.way.contains(rows_of);
        let way = self.columns.iter().find(through);
        let way = way.map(|column| column.way.as_slice()).unwrap_or_default();
        let way = way.iter().take_while(|field| *field != rows_of);
        let value = self
            .inner(way, message, None)
            .and_then(|message| set(message, rows_of));
        value.and_then(Value::as_list).unwrap_or_default()
    }

    /// The message at the end of a way that leads through `element` where the rows are; none if there is none.
    fn inner<'a, 'b>(
        &self,
        way: impl IntoIterator<Item = &'b FieldDescriptor>,
        message: &'a DynamicMessage,
        element: Option<&'a DynamicMessage>,
    ) -> Option<&'a DynamicMessage> {
        way.into_iter().try_fold(message, |message, field| {
            if Some(field) == self.rows_of.as_ref() {
                element
            } else {
                set(message, field)?.as_message()
            }
        })
    }

    /// What a message has in a column; empty where it is not set.
    fn cell<'a>(
        &self,
        column: &Column,
        message: &'a DynamicMessage,
        element: Option<&'a DynamicMessage>,
    ) -> Cow<'a, str> {
        let field = &column.field;
        match self.inner(&column.way, message, element) {
            Some(message) if message.has_field(field) || !field.supports_presence() => {
                match message.get_field(field) {
                    Cow::Borrowed(value) => text(field, value),
                    Cow::Owned(value) => Cow::Owned(text(field, &value).into_owned()),
                }
            }
            _ => Cow::Borrowed(""),
        }
    }
}

/// What a message has in a field, if it is set.
fn set<'a>(message: &'a DynamicMessage, field: &FieldDescriptor) -> Option<&'a Value> {
    match message.get_field(field) {
        Cow::Borrowed(value) => Some(value),
        Cow::Owned(_) => None,
    }
}

fn is_instant(message: &MessageDescriptor) -> bool {
    message.full_name() == "google.protobuf.Timestamp"
}

/// A value as the text of a cell.
fn text<'a>(field: &FieldDescriptor, value: &'a Value) -> Cow<'a, str> {
    let text = match value {
        Value::String(value) => return Cow::Borrowed(value),
        Value::List(elements) if elements.is_empty() => return Cow::Borrowed(""),
        Value::Map(_) => return Cow::Borrowed(""),
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::Bytes(bytes) => hex(bytes),
        Value::EnumNumber(number) => choice(field, *number),
        Value::Message(message) => instant(message),
        Value::List(elements) => {
            let elements = elements.iter().map(|element| json(field, element));
            serde_json::Value::Array(elements.collect()).to_string()
        }
    };
    Cow::Owned(text)
}

fn json(field: &FieldDescriptor, value: &Value) -> serde_json::Value {
    match value.as_message() {
        Some(message) => serde_json::to_value(message).unwrap_or_default(),
        None => text(field, value).into(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _done = write!(text, "{byte:02x}");
        text
    })
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
