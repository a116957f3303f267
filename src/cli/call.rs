//! `carnet call`: any method of a running server, with JSON in and out.
//!
//! It knows no message by name: everything comes from the descriptors that are built in, so a new
//! method can be called the moment it is in the proto files. JSON is protobuf's own mapping with the
//! field names of the proto files. There is no client streaming, because no service has any.

use std::io::{self, Read, Write};

use clap::Args;
use http::uri::PathAndQuery;
use prost_reflect::{
    DeserializeOptions, DynamicMessage, MethodDescriptor, ReflectMessage, SerializeOptions, Value,
};
use tonic::client::Grpc;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};

use self::codec::DynamicCodec;
use self::connection::{TlsArgs, connect};
use self::methods::Methods;
use crate::clock::Clock;
use crate::ids::new_uuid;

pub mod codec;
pub mod connection;
pub mod methods;
pub mod report;

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What to call, and where.
#[derive(Args, Clone, Debug)]
pub struct CallArgs {
    /// The method, such as CreditService/Consume. Without it, all methods are listed.
    pub method: Option<String>,
    /// The request as JSON; "-" reads it from standard input.
    #[arg(default_value = "{}")]
    pub json: String,
    /// Where the server is: `http://…`, or `https://…` where it is served in TLS.
    #[arg(long, env = "CARNET_ADDRESS", default_value = "http://127.0.0.1:50051")]
    pub address: String,
    /// How the connection is encrypted.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// The API token.
    #[arg(long, env = "CARNET_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Show the fields of the request instead of calling.
    #[arg(long)]
    pub describe: bool,
    /// Show empty fields of the answer as well.
    #[arg(long)]
    pub all_fields: bool,
}

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// What was asked for cannot be called as it is.
    #[error("{0}")]
    Usage(String),
    /// The server could not be reached.
    #[error("cannot reach {address}: {cause}")]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// What went wrong, in words.
        cause: String,
    },
    /// The server refused the call.
    #[error("the call was refused: {}", .0.message())]
    Refused(Box<Status>),
    /// An answer could not be shown as JSON.
    #[error("the answer cannot be shown: {0}")]
    Json(#[from] serde_json::Error),
    /// The output is closed, or the input cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl CallError {
    /// 2 if the call was asked for wrongly, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unreachable { .. } | Self::Refused(_) | Self::Json(_) | Self::Io(_) => 1,
        }
    }
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

/// Makes the call and writes each message of the answer to `out`. Where the method takes a request id
/// and the JSON has none, a new one is used and told on `err`, so that the call can be repeated.
pub async fn run(
    args: &CallArgs,
    clock: &Clock,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<(), CallError> {
    let methods = Methods::read().map_err(|error| CallError::Usage(error.to_string()))?;
    let Some(name) = &args.method else {
        return Ok(methods.write_list(out)?);
    };
    let method = methods.find(name).map_err(CallError::Usage)?;
    if args.describe {
        write!(out, "{}", methods::description(&method.input()))?;
        return Ok(out.flush()?);
    }
    let mut message = read_message(&method, &args.json)?;
    if let Some(request_id) = fill_request_id(&mut message, clock) {
        writeln!(err, "request_id {request_id}")?;
    }
    let request = authorized(message, args.token.as_deref())?;
    let channel = connect(&args.address, &args.tls).await?;
    let sent = send(channel, &method, request, args.all_fields, out).await;
    sent.map_err(|error| args.tls.explain(&args.address, error))
}

fn read_message(method: &MethodDescriptor, json: &str) -> Result<DynamicMessage, CallError> {
    let mut input = String::new();
    let json = if json == "-" {
        io::stdin().read_to_string(&mut input)?;
        &input
    } else {
        json
    };
    let unfit = |error: serde_json::Error| {
        let (name, fields) = (method.input(), methods::description(&method.input()));
        CallError::Usage(format!(
            "this JSON is no {}: {error}\n\n{fields}",
            name.name()
        ))
    };
    let options = DeserializeOptions::new();
    let mut reader = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize_with_options(method.input(), &mut reader, &options)
        .map_err(unfit)?;
    reader.end().map_err(unfit)?;
    Ok(message)
}

/// Gives the message a request id if it takes one and has none; returns it then.
fn fill_request_id(message: &mut DynamicMessage, clock: &Clock) -> Option<String> {
    let field = message.descriptor().get_field_by_name("request_id")?;
    if message.has_field(&field) {
        return None;
    }
    let request_id = new_uuid(clock.now()).to_string();
    message.set_field(&field, Value::String(request_id.clone()));
    Some(request_id)
}

fn authorized(
    message: DynamicMessage,
    token: Option<&str>,
) -> Result<Request<DynamicMessage>, CallError> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        let mut value: AsciiMetadataValue = format!("Bearer {token}")
            .parse()
            .map_err(|_| CallError::Usage("the token has characters that no token has".into()))?;
        value.set_sensitive(true);
        request.metadata_mut().insert("authorization", value);
    }
    Ok(request)
}

async fn send(
    channel: Channel,
    method: &MethodDescriptor,
    request: Request<DynamicMessage>,
    all_fields: bool,
    out: &mut impl Write,
) -> Result<(), CallError> {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let path = PathAndQuery::try_from(path).map_err(|error| CallError::Usage(error.to_string()))?;
    let codec = DynamicCodec::new(method.output());
    let mut client = Grpc::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
    client
        .ready()
        .await
        .map_err(|error| Status::from_error(Box::new(error)))?;
    if method.is_server_streaming() {
        let answer = client.server_streaming(request, path, codec).await?;
        let mut messages = answer.into_inner();
        while let Some(message) = messages.message().await? {
            write_message(&message, all_fields, out)?;
        }
    } else {
        let answer = client.unary(request, path, codec).await?;
        write_message(answer.get_ref(), all_fields, out)?;
    }
    Ok(())
}

fn write_message(
    message: &DynamicMessage,
    all_fields: bool,
    out: &mut impl Write,
) -> Result<(), CallError> {
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .skip_default_fields(!all_fields);
    let mut json = serde_json::Serializer::pretty(Vec::new());
    message.serialize_with_options(&mut json, &options)?;
    let mut json = json.into_inner();
    json.push(b'\n');
    out.write_all(&json)?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests;
