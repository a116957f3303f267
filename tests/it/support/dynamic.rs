//! Calls of any method by its descriptor, so that a test can go through all of them.

use carnet::cli::call::codec::DynamicCodec;
use carnet::proto::FILE_DESCRIPTOR_SET;
use prost_reflect::{
    DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions, ServiceDescriptor,
};
use prost_types::method_options::IdempotencyLevel;
use serde_json::Value as Json;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// Every method of every service.
pub(crate) fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let services: Vec<_> = pool.services().collect();
    let methods = services.iter().flat_map(ServiceDescriptor::methods);
    methods.collect()
}

/// Whether a method changes nothing.
pub(crate) fn only_reads(method: &MethodDescriptor) -> bool {
    let options = method.method_descriptor_proto().options.as_ref();
    options.is_some_and(|options| options.idempotency_level() == IdempotencyLevel::NoSideEffects)
}

/// The name of the permission that a method needs, without its prefix.
pub(crate) fn permission(method: &MethodDescriptor) -> String {
    let pool = method.parent_pool();
    let option = pool.get_extension_by_name("carnet.v1.permission").unwrap();
    let kind = option.kind();
    let number = method.options().get_extension(&option).as_enum_number();
    let value = kind.as_enum().unwrap().get_value(number.unwrap()).unwrap();
    value.name().strip_prefix("PERMISSION_").unwrap().to_owned()
}

/// Calls a method with a request of protobuf's own JSON, with this token or none. A server stream answers
/// with its first message.
pub(crate) async fn call(
    channel: &Channel,
    token: Option<&str>,
    method: &MethodDescriptor,
    request: &Json,
) -> Result<Json, Status> {
    let message = DynamicMessage::deserialize(method.input(), request)
        .unwrap_or_else(|error| panic!("{}: {error}: {request}", method.full_name()));
    let mut request = Request::new(message);
    if let Some(token) = token {
        let bearer = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
    }
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let (path, codec) = (path.parse().unwrap(), DynamicCodec::new(method.output()));
    let answer = if method.is_server_streaming() {
        let mut stream = client
            .server_streaming(request, path, codec)
            .await?
            .into_inner();
        stream.message().await?
    } else {
        Some(client.unary(request, path, codec).await?.into_inner())
    };
    let options = SerializeOptions::new().use_proto_field_name(true);
    Ok(answer.map_or(Json::Null, |answer| {
        let serializer = serde_json::value::Serializer;
        answer.serialize_with_options(serializer, &options).unwrap()
    }))
}
