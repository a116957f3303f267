//! Messages as rows of a table: each field is a column, named by its path. Of one repeated field each element
//! makes a row of its own; any other is one cell of JSON.

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

/// A column: the way to its field.
#[derive(Debug)]
struct Column {
    name: String,
    path: Vec<FieldDescriptor>,
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
                    path: path.clone(),
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
        for element in &elements {
            self.push_one(out, &message, Some(element));
        }
        u64::try_from(elements.len()).ok()
    }

    fn push_one(&self, out: &mut String, message: &DynamicMessage, element: Option<&Value>) {
        let cells = self.columns.iter();
        csv::push_row(out, cells.map(|column| self.cell(column, message, element)));
    }

    /// The elements that make rows.
    fn elements(&self, message: &DynamicMessage) -> Vec<Value> {
        let through = |column: &&Column| {
            let rows_of = self.rows_of.as_ref();
            rows_of.is_some_and(|field| column.path.contains(field))
        };
        let Some(column) = self.columns.iter().find(through) else {
            return Vec::new();
        };
        let mut message = message.clone();
        for field in &column.path {
            let value = message.get_field(field).into_owned();
            if Some(field) == self.rows_of.as_ref() {
                return value.as_list().map(<[Value]>::to_vec).unwrap_or_default();
            }
            match value.as_message() {
                Some(inner) => message = inner.clone(),
                None => return Vec::new(),
            }
        }
        Vec::new()
    }

    /// What a message has in a column; empty where it is not set.
    fn cell(&self, column: &Column, message: &DynamicMessage, element: Option<&Value>) -> String {
        let mut value = Value::Message(message.clone());
        for field in &column.path {
            let Value::Message(message) = &value else {
                return String::new();
            };
            if Some(field) == self.rows_of.as_ref() {
                match element {
                    Some(element) => value = element.clone(),
                    None => return String::new(),
                }
                continue;
            }
            if field.supports_presence() && !message.has_field(field) {
                return String::new();
            }
            value = message.get_field(field).into_owned();
        }
        match column.path.last() {
            Some(field) => text(field, &value),
            None => String::new(),
        }
    }
}

fn is_instant(message: &MessageDescriptor) -> bool {
    message.full_name() == "google.protobuf.Timestamp"
}

/// A value as the text of a cell.
fn text(field: &FieldDescriptor, value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::String(value) => value.clone(),
        Value::Bytes(bytes) => bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _done = write!(text, "{byte:02x}");
            text
        }),
        Value::EnumNumber(number) => choice(field, *number),
        Value::Message(message) => instant(message),
        Value::List(elements) if elements.is_empty() => String::new(),
        Value::List(elements) => {
            let elements = elements.iter().map(|element| json(field, element));
            serde_json::Value::Array(elements.collect()).to_string()
        }
        Value::Map(_) => String::new(),
    }
}

fn json(field: &FieldDescriptor, value: &Value) -> serde_json::Value {
    match value.as_message() {
        Some(message) => serde_json::to_value(message).unwrap_or_default(),
        None => text(field, value).into(),
    }
}

/// The name of a choice without its prefix; nothing for the one that says nothing.
fn choice(field: &FieldDescriptor, number: i32) -> String {
    let Kind::Enum(choices) = field.kind() else {
        return String::new();
    };
    let name = choices.get_value(number).filter(|_| number != 0);
    let prefix = choices
        .values()
        .next()
        .map(|zero| zero.name().trim_end_matches("UNSPECIFIED").to_owned());
    let name = name.map(|name| name.name().to_owned()).unwrap_or_default();
    let prefix = prefix.unwrap_or_default();
    name.strip_prefix(&prefix).unwrap_or(&name).to_owned()
}

/// An instant as RFC 3339 in UTC.
fn instant(message: &DynamicMessage) -> String {
    let instant: Option<Timestamp> = message.transcode_to().ok();
    instant.map(|at| at.to_string()).unwrap_or_default()
}
