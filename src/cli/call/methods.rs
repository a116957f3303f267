//! The methods that can be called, by name, with what the proto files say about them.

use std::fmt::Write as _;
use std::io::{self, Write};

use prost_reflect::{
    DescriptorError, DescriptorPool, EnumValueDescriptor, FieldDescriptor, FileDescriptor,
    MessageDescriptor, MethodDescriptor,
};
use prost_types::source_code_info::Location;

use crate::proto::FILE_DESCRIPTOR_SET;

/// How alike a wrong name and a right one must be to suggest it, from 0 to 1.
const ALIKE: f64 = 0.8;

/// All methods of this service, and those of gRPC's own health service.
#[derive(Clone, Debug)]
pub struct Methods {
    pool: DescriptorPool,
}

impl Methods {
    /// Reads the descriptors that are built in. Fails only if those are broken.
    pub fn read() -> Result<Self, DescriptorError> {
        let mut pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)?;
        pool.decode_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)?;
        Ok(Self { pool })
    }

    /// The method with this name, `Service/Method`, in any case of letters and with or without the
    /// package. Otherwise what to say: the nearest name, or all of them.
    pub fn find(&self, name: &str) -> Result<MethodDescriptor, String> {
        let (service_name, method_name) = name
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or(("", name));
        let found = self.all().find(|method| {
            let service = method.parent_service();
            method.name().eq_ignore_ascii_case(method_name)
                && (service.name().eq_ignore_ascii_case(service_name)
                    || service.full_name().eq_ignore_ascii_case(service_name))
        });
        found.ok_or_else(|| match self.nearest(name) {
            Some(nearest) => format!("there is no method {name}; did you mean {nearest}?"),
            None => format!("there is no method {name}\n\n{}", self.list()),
        })
    }

    /// Writes all services and methods with the first sentence of their comments.
    pub fn write_list(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(self.list().as_bytes())?;
        out.flush()
    }

    fn all(&self) -> impl Iterator<Item = MethodDescriptor> + '_ {
        let services: Vec<_> = self.pool.services().collect();
        services
            .into_iter()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
    }

    fn nearest(&self, name: &str) -> Option<String> {
        let wrong = name.to_lowercase();
        let wrong_method = wrong.rsplit('/').next().unwrap_or_default();
        self.all()
            .map(|method| {
                let right = short_name(&method);
                let whole = strsim::jaro_winkler(&wrong, &right.to_lowercase());
                let part = strsim::jaro_winkler(wrong_method, &method.name().to_lowercase());
                (whole.max(part), right)
            })
            .filter(|(alike, _)| *alike >= ALIKE)
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, name)| name)
    }

    fn list(&self) -> String {
        let width = self.all().map(|method| short_name(&method).len()).max();
        let width = width.unwrap_or_default();
        let mut list = String::new();
        let mut last_service = String::new();
        for method in self.all() {
            let service = method.parent_service();
            if service.full_name() != last_service {
                if !list.is_empty() {
                    list.push('\n');
                }
                service.full_name().clone_into(&mut last_service);
            }
            let comment = first_sentence(&method.parent_file(), method.path());
            write_row(&mut list, "", &short_name(&method), width, &comment);
        }
        list
    }
}

/// The fields of a message, each with its type and the first sentence of its comment.
pub fn description(message: &MessageDescriptor) -> String {
    let fields: Vec<_> = message
        .fields()
        .map(|field| {
            let comment = first_sentence(&field.parent_file(), field.path());
            (format!("{}: {}", field.name(), type_name(&field)), comment)
        })
        .collect();
    let width = fields.iter().map(|(field, _)| field.len()).max();
    let mut text = format!("{}\n", message.full_name());
    for (field, comment) in &fields {
        write_row(&mut text, "  ", field, width.unwrap_or_default(), comment);
    }
    text
}

fn short_name(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().name(), method.name())
}

fn write_row(text: &mut String, indent: &str, name: &str, width: usize, comment: &str) {
    let row = format!("{indent}{name:width$}  {comment}");
    // Writing to a string cannot fail.
    let _done = writeln!(text, "{}", row.trim_end());
}

fn type_name(field: &FieldDescriptor) -> String {
    let kind = field.kind();
    let name = if let Some(message) = kind.as_message() {
        message.name().to_owned()
    } else if let Some(choice) = kind.as_enum() {
        let values: Vec<_> = choice.values().skip(1).collect();
        let names: Vec<_> = values.iter().map(EnumValueDescriptor::name).collect();
        names.join(" | ")
    } else {
        format!("{kind:?}")
    };
    if field.is_list() {
        format!("[{name}]")
    } else {
        name
    }
}

/// The first sentence of the comment on the thing at this path in its file; empty without one.
fn first_sentence(file: &FileDescriptor, path: &[i32]) -> String {
    let comment = file
        .file_descriptor_proto()
        .source_code_info
        .as_ref()
        .and_then(|info| info.location.iter().find(|place| place.path == path))
        .map(Location::leading_comments)
        .unwrap_or_default();
    let words: Vec<_> = comment.split_whitespace().collect();
    let text = words.join(" ");
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text,
    }
}
