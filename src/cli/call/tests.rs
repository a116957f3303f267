//! `carnet call` against a server in this process.

use chrono::DateTime;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Server;
use tonic::{Code, Request, Response};

use super::*;
use crate::grpc::faults::Faults;
use crate::grpc::status::Failure;
use crate::ids::CustomerId;
use crate::proto::v1;
use crate::proto::v1::customer_service_server::{CustomerService, CustomerServiceServer};
use crate::proto::v1::{
    CreateCustomerRequest, CreateCustomerResponse, Customer, GetCustomerRequest,
    GetCustomerResponse, ListCustomersRequest, ListCustomersResponse, Reason,
    ResolveCustomerRequest, ResolveCustomerResponse, UpdateCustomerRequest, UpdateCustomerResponse,
};

/// Knows one customer, whose phone number is the caller's token.
struct OneCustomer;

#[tonic::async_trait]
impl CustomerService for OneCustomer {
    async fn create_customer(
        &self,
        request: Request<CreateCustomerRequest>,
    ) -> Result<Response<CreateCustomerResponse>, Status> {
        let mut customer = request.get_ref().customer.clone().unwrap_or_default();
        customer
            .external_id
            .clone_from(&request.get_ref().request_id);
        Ok(Response::new(CreateCustomerResponse {
            customer: Some(customer),
            replayed: true,
        }))
    }

    async fn get_customer(
        &self,
        request: Request<GetCustomerRequest>,
    ) -> Result<Response<GetCustomerResponse>, Status> {
        let id = &request.get_ref().customer_id;
        let mut faults = Faults::new();
        let read = faults.reference::<CustomerId>("customer_id", id);
        faults.all(read)?;
        if id != "ext:mari" {
            let failure = Failure::new(Code::NotFound, Reason::NotFound, "no such customer");
            return Err(failure.about("customer", id).into_status());
        }
        let token = request.metadata().get("authorization").unwrap();
        let customer = Customer {
            name: "Mari".to_owned(),
            phone: token.to_str().unwrap().to_owned(),
            ..Default::default()
        };
        Ok(Response::new(GetCustomerResponse {
            customer: Some(customer),
        }))
    }

    async fn resolve_customer(
        &self,
        _: Request<ResolveCustomerRequest>,
    ) -> Result<Response<ResolveCustomerResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn list_customers(
        &self,
        _: Request<ListCustomersRequest>,
    ) -> Result<Response<ListCustomersResponse>, Status> {
        Ok(Response::new(ListCustomersResponse::default()))
    }

    async fn update_customer(
        &self,
        _: Request<UpdateCustomerRequest>,
    ) -> Result<Response<UpdateCustomerResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn merge_customers(
        &self,
        _: Request<v1::MergeCustomersRequest>,
    ) -> Result<Response<v1::MergeCustomersResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    type ExportCustomerStream = ReceiverStream<Result<v1::ExportCustomerResponse, Status>>;

    async fn export_customer(
        &self,
        _: Request<v1::ExportCustomerRequest>,
    ) -> Result<Response<Self::ExportCustomerStream>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn erase_customer(
        &self,
        _: Request<v1::EraseCustomerRequest>,
    ) -> Result<Response<v1::EraseCustomerResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn create_group(
        &self,
        _: Request<v1::CreateGroupRequest>,
    ) -> Result<Response<v1::CreateGroupResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn get_group(
        &self,
        _: Request<v1::GetGroupRequest>,
    ) -> Result<Response<v1::GetGroupResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn list_groups(
        &self,
        _: Request<v1::ListGroupsRequest>,
    ) -> Result<Response<v1::ListGroupsResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn update_group(
        &self,
        _: Request<v1::UpdateGroupRequest>,
    ) -> Result<Response<v1::UpdateGroupResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn add_group_member(
        &self,
        _: Request<v1::AddGroupMemberRequest>,
    ) -> Result<Response<v1::AddGroupMemberResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn remove_group_member(
        &self,
        _: Request<v1::RemoveGroupMemberRequest>,
    ) -> Result<Response<v1::RemoveGroupMemberResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (_, health) = tonic_health::server::health_reporter();
    let server = Server::builder()
        .add_service(CustomerServiceServer::new(OneCustomer))
        .add_service(health)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    address
}

/// What a call writes to standard output and to standard error, and whether it went well.
async fn call(address: &str, method: &str, json: &str) -> (String, String, Result<(), u8>) {
    let args = CallArgs {
        method: Some(method.to_owned()),
        json: json.to_owned(),
        address: address.to_owned(),
        tls: TlsArgs::default(),
        token: Some("secret".to_owned()),
        describe: false,
        all_fields: false,
    };
    let clock = Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let done = run(&args, &clock, &mut out, &mut err).await;
    if let Err(error) = &done {
        report::write_error(&mut err, error).unwrap();
    }
    (
        String::from_utf8(out).unwrap(),
        String::from_utf8(err).unwrap(),
        done.map_err(|error| error.exit_code()),
    )
}

#[tokio::test]
async fn an_answer_is_pretty_json_and_the_token_is_sent() {
    let address = serve().await;
    let json = r#"{"customer_id": "ext:mari"}"#;
    let (out, err, done) = call(&address, "CustomerService/GetCustomer", json).await;
    let wanted =
        "{\n  \"customer\": {\n    \"name\": \"Mari\",\n    \"phone\": \"Bearer secret\"\n  }\n}\n";
    assert_eq!((out.as_str(), err.as_str(), done), (wanted, "", Ok(())));
}

#[tokio::test]
async fn a_refusal_shows_code_reason_and_metadata() {
    let address = serve().await;
    let json = r#"{"customerId": "ext:jaan"}"#;
    let (out, err, done) = call(&address, "carnet.v1.CustomerService/getcustomer", json).await;
    let wanted = "NOT_FOUND\nno such customer\n  id: ext:jaan\n  kind: customer\n";
    assert_eq!((out.as_str(), err.as_str(), done), ("", wanted, Err(1)));
}

#[tokio::test]
async fn a_refusal_shows_the_faults_of_fields() {
    let address = serve().await;
    let (_, err, done) = call(&address, "CustomerService/GetCustomer", "{}").await;
    assert!(err.contains("INVALID_ARGUMENT\n"), "{err}");
    assert!(err.contains("\n  customer_id must be given\n"), "{err}");
    assert_eq!(done, Err(1));
}

#[tokio::test]
async fn a_write_without_a_request_id_gets_one_and_shows_it() {
    let address = serve().await;
    let method = "CustomerService/CreateCustomer";
    let (out, err, done) = call(&address, method, r#"{"customer": {"name": "Mari"}}"#).await;
    assert_eq!(done, Ok(()));
    let request_id = err.trim().strip_prefix("request_id ").unwrap();
    assert!(out.contains(request_id), "{out}");

    let json = r#"{"request_id": "mine"}"#;
    let (out, err, _) = call(&address, method, json).await;
    assert_eq!(err, "");
    assert!(out.contains("\"external_id\": \"mine\""), "{out}");
}

#[tokio::test]
async fn messages_of_a_stream_are_shown_as_they_come() {
    let address = serve().await;
    let args = CallArgs {
        method: Some("Health/Watch".to_owned()),
        json: "{}".to_owned(),
        address,
        tls: TlsArgs::default(),
        token: None,
        describe: false,
        all_fields: false,
    };
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let (mut out, mut err) = (Sent(sender), Vec::new());
    let clock = Clock::System;
    tokio::select! {
        // The server goes on watching for ever.
        done = run(&args, &clock, &mut out, &mut err) => panic!("ended: {done:?}"),
        shown = receiver.recv() => assert_eq!(shown.unwrap(), "{\n  \"status\": \"SERVING\"\n}\n"),
    }
}

/// An output that hands on what is written to it.
struct Sent(mpsc::UnboundedSender<String>);

impl Write for Sent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        self.0.send(text).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_wrong_name_suggests_the_nearest() {
    for (wrong, right) in [
        ("CreditService/Consum", "CreditService/Consume"),
        ("consume", "CreditService/Consume"),
        ("PackageService/GetPackages", "PackageService/GetPackage"),
        ("Customers/ListCustomer", "CustomerService/ListCustomers"),
    ] {
        let (_, err, done) = call("http://127.0.0.1:1", wrong, "{}").await;
        assert!(err.contains(&format!("did you mean {right}?")), "{err}");
        assert_eq!(done, Err(2));
    }
    let (_, err, _) = call("http://127.0.0.1:1", "xyzzy", "{}").await;
    assert!(err.contains("CreditService/Consume "), "{err}");
}

#[tokio::test]
async fn json_that_does_not_fit_shows_the_fields() {
    for json in ["{\"customer\": 1}", "{", "[]", "{} {}"] {
        let (_, err, done) = call("http://127.0.0.1:1", "CreditService/Consume", json).await;
        assert!(err.starts_with("this JSON is no ConsumeRequest: "), "{err}");
        assert!(err.contains("  customer_id: string"), "{err}");
        assert_eq!(done, Err(2));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let (_, err, done) = call("http://127.0.0.1:1", "CustomerService/GetCustomer", "{}").await;
    assert!(
        err.starts_with("cannot reach http://127.0.0.1:1: "),
        "{err}"
    );
    assert_eq!(done, Err(1));
}

#[test]
fn without_a_method_all_are_listed_with_their_comments() {
    let mut list = Vec::new();
    Methods::read().unwrap().write_list(&mut list).unwrap();
    let list = String::from_utf8(list).unwrap();
    let row = list
        .lines()
        .find(|line| line.starts_with("BusinessService/GetSettings "));
    assert!(row.unwrap().ends_with("  Reads the settings."), "{list}");
}
