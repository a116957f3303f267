//! `docs/api/`: every service, message and enum, one page for each proto file.

use std::collections::BTreeMap;
use std::fmt::Write;

use carnet::grpc::permission::permission_name;
use carnet::proto::v1::Permission;
use prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor,
};

use super::comments::{comment, comment_of_file, in_a_cell};

/// Field numbers in descriptors of descriptors, of which paths are made.
const FIELD_OF_MESSAGE: i32 = 2;
const METHOD_OF_SERVICE: i32 = 2;
const VALUE_OF_ENUM: i32 = 2;

pub(super) fn pages(pool: &DescriptorPool) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let mut index = "# API reference\n\n\
        One page for each file below `proto/carnet/v1`. What holds everywhere stands in the \
        [README](../../README.md#for-client-developers), every reason for a refusal in [errors](../errors.md).\n\n\
        | page | what it has |\n|---|---|\n"
        .to_owned();
    let files = pool
        .files()
        .filter(|file| file.package_name() == "carnet.v1");
    for file in files {
        let said = comment_of_file(&file);
        let first = said.split("\n\n").next().unwrap_or_default();
        let name = page_name(&file);
        writeln!(index, "| [{name}]({name}.md) | {} |", in_a_cell(first)).unwrap();
        pages.insert(format!("docs/api/{name}.md"), page(&file, &name, &said));
    }
    pages.insert("docs/api/README.md".to_owned(), index);
    pages
}

fn page(file: &FileDescriptor, name: &str, said: &str) -> String {
    let mut page = format!("# {name}\n\n{said}\n");
    for service in file.services() {
        describe_service(&mut page, &service);
    }
    for message in file.messages() {
        describe_message(&mut page, &message);
    }
    for kind in file.enums() {
        describe_enum(&mut page, &kind);
    }
    page
}

fn describe_service(page: &mut String, service: &ServiceDescriptor) {
    let file = service.parent_file();
    let said = comment(&file, service.path());
    writeln!(page, "\n## {}\n\n{said}", service.name()).unwrap();
    for (place, method) in service.methods().enumerate() {
        let said = comment(&file, &below(service.path(), METHOD_OF_SERVICE, place));
        let answers = if method.is_server_streaming() {
            "a stream of "
        } else {
            ""
        };
        let permission = permission(&method);
        writeln!(
            page,
            "\n### {}\n\n{said}\n\nTakes {}, answers {answers}{}. Needs `{permission}`.",
            method.name(),
            link(&file, &method.input()),
            link(&file, &method.output()),
        )
        .unwrap();
    }
}

fn describe_message(page: &mut String, message: &MessageDescriptor) {
    if message.is_map_entry() {
        return;
    }
    let file = message.parent_file();
    let said = comment(&file, message.path());
    writeln!(page, "\n## {}\n\n{said}", title(message.full_name())).unwrap();
    if message.fields().len() > 0 {
        page.push_str("\n| field | type | what it is |\n|---|---|---|\n");
    }
    // In the order of the file, which is that of the paths.
    let fields = message.descriptor_proto().field.iter();
    for (place, field) in fields.enumerate() {
        let Some(field) = message.get_field_by_name(field.name()) else {
            continue;
        };
        let said = in_a_cell(&comment(
            &file,
            &below(message.path(), FIELD_OF_MESSAGE, place),
        ));
        let kind = type_of(&file, &field);
        writeln!(page, "| `{}` | {kind} | {said} |", field.name()).unwrap();
    }
    for inner in message.child_messages() {
        describe_message(page, &inner);
    }
    for inner in message.child_enums() {
        describe_enum(page, &inner);
    }
}

fn describe_enum(page: &mut String, kind: &EnumDescriptor) {
    let file = kind.parent_file();
    let said = comment(&file, kind.path());
    writeln!(page, "\n## {}\n\n{said}", title(kind.full_name())).unwrap();
    page.push_str("\n| value | number | what it means |\n|---|---|---|\n");
    let values = kind.enum_descriptor_proto().value.iter();
    for (place, value) in values.enumerate() {
        let said = in_a_cell(&comment(&file, &below(kind.path(), VALUE_OF_ENUM, place)));
        writeln!(page, "| `{}` | {} | {said} |", value.name(), value.number()).unwrap();
    }
}

fn below(path: &[i32], field: i32, place: usize) -> Vec<i32> {
    let place = i32::try_from(place).unwrap();
    path.iter().copied().chain([field, place]).collect()
}

fn permission(method: &MethodDescriptor) -> &'static str {
    let pool = method.parent_pool();
    let option = pool.get_extension_by_name("carnet.v1.permission").unwrap();
    let number = method.options().get_extension(&option).as_enum_number();
    permission_name(Permission::try_from(number.unwrap()).unwrap())
}

fn type_of(from: &FileDescriptor, field: &FieldDescriptor) -> String {
    if field.is_map() {
        return "map".to_owned();
    }
    let kind = field.kind();
    let name = if let Kind::Message(message) = &kind {
        link(from, message)
    } else if let Kind::Enum(kind) = &kind {
        link_to(from, &kind.parent_file(), kind.full_name())
    } else {
        format!("{kind:?}").to_lowercase()
    };
    if field.is_list() {
        format!("list of {name}")
    } else if let Some(group) = field.containing_oneof().filter(|it| !it.is_synthetic()) {
        format!("{name}, one of `{}`", group.name())
    } else if field.field_descriptor_proto().proto3_optional() {
        format!("{name}, optional")
    } else {
        name
    }
}

fn link(from: &FileDescriptor, message: &MessageDescriptor) -> String {
    link_to(from, &message.parent_file(), message.full_name())
}

fn link_to(from: &FileDescriptor, to: &FileDescriptor, full_name: &str) -> String {
    let Some(name) = full_name.strip_prefix("carnet.v1.") else {
        return format!("`{full_name}`");
    };
    let anchor: String = name.to_lowercase().replace('.', "");
    if from.name() == to.name() {
        format!("[{name}](#{anchor})")
    } else {
        format!("[{name}]({}.md#{anchor})", page_name(to))
    }
}

/// The name as a heading; its anchor is that of [`link_to`].
fn title(full_name: &str) -> &str {
    full_name.strip_prefix("carnet.v1.").unwrap_or(full_name)
}

fn page_name(file: &FileDescriptor) -> String {
    let name = file.name().rsplit('/').next().unwrap_or_default();
    name.trim_end_matches(".proto").to_owned()
}
