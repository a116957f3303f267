//! The generated protobuf code of `proto/carnet/v1`, and its descriptors.
//!
//! Nothing here is written by hand but this page. What every message and field means is said in the
//! `.proto` files; their comments are the docs of the generated items.

/// The messages, clients and servers of package `carnet.v1`.
#[expect(
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::as_conversions,
    clippy::pedantic,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("carnet.v1");
}

/// All descriptors with their comments and options, as an encoded `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/carnet.bin"));

#[cfg(test)]
mod tests {
    use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};

    use super::FILE_DESCRIPTOR_SET;

    fn methods() -> Vec<MethodDescriptor> {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
        let services: Vec<_> = pool.services().collect();
        let methods: Vec<_> = services
            .iter()
            .flat_map(ServiceDescriptor::methods)
            .collect();
        assert!(!methods.is_empty());
        methods
    }

    fn only_reads(method: &MethodDescriptor) -> bool {
        use prost_types::method_options::IdempotencyLevel;
        let options = method.method_descriptor_proto().options.as_ref();
        options
            .is_some_and(|options| options.idempotency_level() == IdempotencyLevel::NoSideEffects)
    }

    #[test]
    fn every_method_names_a_permission() {
        for method in methods() {
            let pool = method.parent_pool();
            let option = pool.get_extension_by_name("carnet.v1.permission").unwrap();
            let options = method.options();
            assert!(options.has_extension(&option), "{}", method.full_name());
            let permission = options.get_extension(&option).as_enum_number().unwrap();
            assert_ne!(permission, 0, "{}", method.full_name());
        }
    }

    #[test]
    fn every_write_can_be_tried_repeated_and_recognized_as_a_repeat() {
        for method in methods().iter().filter(|method| !only_reads(method)) {
            for field in ["validate_only", "request_id"] {
                let input = method.input();
                assert!(
                    input.get_field_by_name(field).is_some(),
                    "{} lacks {field}",
                    input.name()
                );
            }
            let output = method.output();
            assert!(
                output.get_field_by_name("replayed").is_some(),
                "{} lacks replayed",
                output.name()
            );
        }
    }

    #[test]
    fn every_method_named_as_a_read_only_reads_and_no_other() {
        for method in methods() {
            let verbs = [
                "Get", "List", "Explain", "Quote", "Preview", "Resolve", "Watch",
            ];
            let is_report = method.parent_service().name() == "ReportService";
            let named_so = verbs.iter().any(|verb| method.name().starts_with(verb)) || is_report;
            assert_eq!(only_reads(&method), named_so, "{}", method.full_name());
        }
    }

    #[test]
    fn every_update_has_a_mask_and_every_list_has_pages() {
        for method in methods() {
            let has = |field| method.input().get_field_by_name(field).is_some();
            if method.name().starts_with("Update") {
                assert!(has("update_mask"), "{}", method.full_name());
            }
            if method.name().starts_with("List") {
                assert!(
                    has("page_size") && has("page_token"),
                    "{}",
                    method.full_name()
                );
                let next = method.output().get_field_by_name("next_page_token");
                assert!(next.is_some(), "{}", method.full_name());
            }
        }
    }

    #[test]
    fn nothing_is_imported_but_protobuf_itself() {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
        for file in pool.files() {
            let ours = file.name().starts_with("carnet/v1/");
            assert!(
                ours || file.name().starts_with("google/protobuf/"),
                "{}",
                file.name()
            );
        }
    }
}
