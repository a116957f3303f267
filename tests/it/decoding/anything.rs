//! Any request of any method: messages within messages, one of several, instants and amounts, from values that are
//! right, nearly right or nonsense, and bytes that are not what they were. Each is answered, or refused with a
//! published reason; what is wrong with it is told by fields that it has.

use std::collections::BTreeMap;

use carnet::proto::v1::Reason;
use prost::Message;
use prost::bytes::{Buf, BufMut};
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, MethodDescriptor, Value,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rstest::rstest;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::dynamic::methods;
use crate::support::shop::{Shop, never};

/// How often each method is called.
const ROUNDS: u64 = 12;
/// How deep messages lie in each other; what is deeper is left out.
const DEPTH_MAX: usize = 5;

const TEXTS: [&str; 33] = [
    "",
    " ",
    "0",
    "1",
    "2.5",
    "-1",
    "0.0000001",
    "1e9",
    "NaN",
    "00012",
    "9223372036854.775807",
    "9223372036854775808",
    "99999999999999999999999999",
    "1,5",
    "ext:a",
    "ext:",
    "cus_1",
    "cus_01jd0c5hqbf9bvxk2mqnz8s6wt",
    "EUR",
    "eur",
    "Europe/Tallinn",
    "Mars/Phobos",
    "2026-02-28",
    "2026-02-30",
    "9999-12-31",
    "0000-00-00",
    "-262144-01-01",
    "en",
    "a@example.com",
    "Õie \u{1f3ca}\u{200d}\u{2640} \u{202e}x",
    "a\u{0}b",
    "{{#each x}}{{/each}}",
    "https://carnet.example/?a=b",
];
const SECONDS: [i64; 9] = [
    0,
    -1,
    1,
    1_768_471_200,
    1_900_000_000,
    253_402_300_799,
    253_402_300_800,
    i64::MAX,
    i64::MIN,
];
const NUMBERS: [i64; 11] = [
    0,
    1,
    2,
    -1,
    7,
    100,
    201,
    1_000_001,
    2_147_483_647,
    i64::MAX,
    i64::MIN,
];

/// Draws requests.
struct Drawing {
    random: StdRng,
    /// What is there, by what the names of its fields begin with.
    ids: [(&'static str, String); 8],
    /// Of how many values in ten this request has one that is wanted there, and of how many fields one at all.
    fits: u32,
    sets: u32,
}

impl Drawing {
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.random.random_range(0..of.len())]
    }

    fn text(&mut self, field: &FieldDescriptor) -> String {
        let is_fit = self.is_fit();
        match field.name() {
            "request_id" if is_fit => {
                let id = uuid::Builder::from_random_bytes(self.random.random());
                return id.into_uuid().to_string();
            }
            "amount" | "units" | "quantity" | "credits_per_unit" if is_fit => {
                return self.one(&["1", "2", "3"]).to_owned();
            }
            "currency_code" if is_fit => return "EUR".to_owned(),
            "page_token" | "etag" | "external_id" if is_fit => return String::new(),
            name if is_fit => {
                let known = self.ids.iter().find(|(of, _)| name.starts_with(of));
                if let Some((_, id)) = known {
                    return id.clone();
                }
            }
            _ => {}
        }
        match self.random.random_range(0..8) {
            0 => "x".repeat(self.random.random_range(1..5_000)),
            1 => {
                let at = self.random.random_range(0..self.ids.len());
                self.ids[at].1.clone()
            }
            _ => self.one(&TEXTS).to_owned(),
        }
    }

    /// Whether the next value is to be one that is wanted there, as far as that is known.
    fn is_fit(&mut self) -> bool {
        self.random.random_ratio(self.fits, 10)
    }

    fn value(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        let number = if self.is_fit() {
            self.one(&[1, 2, 7, 100])
        } else {
            self.one(&NUMBERS)
        };
        let small = i32::try_from(number).unwrap_or(i32::MIN);
        match field.kind() {
            Kind::Double => Value::F64(self.one(&[0.0, -1.5, 1e300, f64::NAN, f64::INFINITY])),
            Kind::Float => Value::F32(self.one(&[0.0, -1.5, f32::NAN])),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(small),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(small.unsigned_abs()),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(number.unsigned_abs()),
            Kind::Bool => Value::Bool(self.random.random()),
            Kind::String => Value::String(self.text(field)),
            Kind::Bytes => Value::Bytes(vec![0xff; 3].into()),
            Kind::Message(message) => Value::Message(self.message(&message, depth + 1)),
            Kind::Enum(kind) => {
                let known: Vec<i32> = kind.values().map(|it| it.number()).collect();
                let other = self.one(&[-1, 99, i32::MAX]);
                let is_known = self.random.random_ratio(7, 8);
                let is_known = is_known || self.is_fit();
                Value::EnumNumber(if is_known { self.one(&known) } else { other })
            }
        }
    }

    fn message(&mut self, descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        let is_instant = descriptor.full_name() == "google.protobuf.Timestamp";
        for field in descriptor.fields() {
            let is_deep = depth >= DEPTH_MAX && matches!(field.kind(), Kind::Message(_));
            let is_set = field.name() == "request_id" || self.random.random_ratio(self.sets, 10);
            if is_deep || !is_set {
                continue;
            }
            let value = if is_instant && field.name() == "seconds" {
                Value::I64(self.one(&SECONDS))
            } else if is_instant && self.is_fit() {
                Value::I32(0)
            } else if field.is_map() {
                let Kind::Message(entry) = field.kind() else {
                    panic!("{field:?}");
                };
                let value = self.value(&entry.map_entry_value_field(), depth);
                Value::Map([(MapKey::String("a".to_owned()), value)].into())
            } else if field.is_list() {
                let count = self.random.random_range(0..4);
                Value::List((0..count).map(|_| self.value(&field, depth)).collect())
            } else {
                self.value(&field, depth)
            };
            message.set_field(&field, value);
        }
        message
    }

    /// Changes some bytes, or leaves some out.
    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.random.random_range(1..4) {
            if bytes.is_empty() {
                return;
            }
            let at = self.random.random_range(0..bytes.len());
            if self.random.random_ratio(1, 4) {
                bytes.truncate(at);
            } else {
                bytes[at] = self.random.random();
            }
        }
    }
}

/// Bytes as they are.
#[derive(Clone, Copy, Debug)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, bytes: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&bytes);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}

async fn send(app: &TestApp, method: &MethodDescriptor, bytes: Vec<u8>) -> Result<(), Status> {
    let mut request = Request::new(bytes);
    let bearer = format!("Bearer {}", app.token).parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let path = path.parse().unwrap();
    let mut client = Grpc::new(app.channel.clone());
    client.ready().await.unwrap();
    if method.is_server_streaming() {
        let answer = client.server_streaming(request, path, Raw).await?;
        answer.into_inner().message().await.map(|_| ())
    } else {
        client.unary(request, path, Raw).await.map(|_| ())
    }
}

/// A refusal has a published reason, and one for its fields names some that the request has.
fn check(method: &MethodDescriptor, status: &Status, context: &str) {
    let ours = [
        Code::InvalidArgument,
        Code::NotFound,
        Code::AlreadyExists,
        Code::FailedPrecondition,
        Code::OutOfRange,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::Aborted,
    ];
    assert!(ours.contains(&status.code()), "{context}: {status:?}");
    let info = status.get_details_error_info();
    let reason = info.map(|info| info.reason).unwrap_or_default();
    let published = Reason::from_str_name(&format!("REASON_{reason}"));
    assert!(published.is_some(), "{context}: {status:?}");
    if status.code() != Code::InvalidArgument {
        return;
    }
    let named = status.get_details_bad_request();
    let named = named.map(|it| it.field_violations).unwrap_or_default();
    assert!(!named.is_empty(), "{context}: {status:?}");
    let mut inputs = vec![method.input()];
    if method.name() == "Export" {
        // It tells of these what their own methods tell of them.
        let input = method.input();
        let kinds = input.fields().map(|field| field.kind());
        inputs.extend(kinds.filter_map(|kind| kind.as_message().cloned()));
    }
    for fault in named {
        let root = fault.field.split(['.', '[']).next().unwrap();
        let is_there = inputs.iter().any(|input| {
            let mut oneofs = input.oneofs();
            input.get_field_by_name(root).is_some() || oneofs.any(|it| it.name() == root)
        });
        assert!(is_there, "{context}: {fault:?}");
        assert!(!fault.description.is_empty(), "{context}: {fault:?}");
    }
}

#[rstest]
#[tokio::test]
async fn any_request_of_any_method_is_answered_or_refused_for_a_reason(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("1000", never()).await;
        let used = shop.consume(shop.use_lessons("3")).await.unwrap();
        let held = shop.hold(shop.hold_lessons("3")).await.unwrap();
        let mut drawing = Drawing {
            random: StdRng::seed_from_u64(1),
            ids: [
                ("customer_id", shop.customer.clone()),
                ("credit_type_id", shop.lesson.clone()),
                ("item_id", shop.swim.clone()),
                ("template_id", package.template_id.clone()),
                ("line_id", package.lines[0].id.clone()),
                ("package_id", package.id.clone()),
                ("posting_id", used.posting_id),
                ("hold_id", held.hold_id),
            ],
            fits: 0,
            sets: 0,
        };
        let mut codes: BTreeMap<String, usize> = BTreeMap::new();
        for _ in 0..ROUNDS {
            for method in methods() {
                drawing.fits = drawing.one(&[5, 9, 10]);
                drawing.sets = drawing.one(&[1, 3, 5, 9]);
                let request = drawing.message(&method.input(), 0);
                let context = format!("{}: {request}", method.full_name());
                let answer = send(app, &method, request.encode_to_vec()).await;
                if let Err(status) = &answer {
                    check(&method, status, &context);
                }
                let code = answer.err().map_or(Code::Ok, |status| status.code());
                *codes.entry(format!("{code:?}")).or_default() += 1;

                let mut bytes = request.encode_to_vec();
                drawing.spoil(&mut bytes);
                let context = format!("{}: {bytes:?}", method.full_name());
                let is_message = DynamicMessage::decode(method.input(), bytes.as_slice()).is_ok();
                match send(app, &method, bytes).await {
                    Ok(()) => {}
                    // gRPC says so of bytes that are no message.
                    Err(status) if !is_message && status.code() == Code::Internal => {
                        let said = status.message();
                        assert!(said.contains("decode Protobuf"), "{context}: {said}");
                    }
                    Err(status) => check(&method, &status, &context),
                }
            }
        }
        for code in ["Ok", "InvalidArgument", "NotFound", "FailedPrecondition"] {
            assert!(codes.contains_key(code), "{code} is not met: {codes:?}");
        }
    })
    .await;
}
