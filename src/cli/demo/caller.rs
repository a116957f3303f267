//! Calls of the demo: each is what `carnet call` does, through a real connection.

use anyhow::Context as _;
use serde_json::{Value, json};
use tonic::Status;

use crate::app::Running;
use crate::cli::call::connection::TlsArgs;
use crate::cli::call::{self, CallArgs, CallError};
use crate::clock::Clock;

/// Calls the demo's server.
pub(super) struct Caller {
    address: String,
    token: String,
    clock: Clock,
}

impl Caller {
    /// Calls `running` with `token`; request ids are made by `clock`.
    pub(super) fn new(running: &Running, token: &str, clock: Clock) -> anyhow::Result<Self> {
        let address = running.grpc_address.context("the demo serves gRPC")?;
        Ok(Self {
            address: format!("http://{address}"),
            token: token.to_owned(),
            clock,
        })
    }

    /// Makes a call that must succeed, and answers with the answer.
    pub(super) async fn call(&self, method: &str, request: &Value) -> anyhow::Result<Value> {
        match self.attempt(method, request).await? {
            Ok(answer) => Ok(answer),
            Err(status) => {
                anyhow::bail!("{method} was refused: {}", status.message())
            }
        }
    }

    /// Makes a template, by its external id, and lets it be sold.
    pub(super) async fn offer(&self, template: &Value) -> anyhow::Result<()> {
        let id = text(template, "/external_id")?;
        let create = json!({ "template": template });
        self.call("CatalogService/CreateTemplate", &create).await?;
        let activate = json!({ "template_id": format!("ext:{id}") });
        self.call("CatalogService/ActivateTemplate", &activate)
            .await?;
        Ok(())
    }

    /// Makes a call that may be refused.
    pub(super) async fn attempt(
        &self,
        method: &str,
        request: &Value,
    ) -> anyhow::Result<Result<Value, Status>> {
        let args = CallArgs {
            method: Some(method.to_owned()),
            json: request.to_string(),
            address: self.address.clone(),
            tls: TlsArgs::default(),
            token: Some(self.token.clone()),
            describe: false,
            all_fields: false,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        match call::run(&args, &self.clock, &mut out, &mut err).await {
            Ok(()) => Ok(Ok(serde_json::from_slice(&out)?)),
            Err(CallError::Refused(status)) => Ok(Err(*status)),
            Err(error) => Err(error).with_context(|| format!("{method} could not be called")),
        }
    }
}

/// A text inside an answer, by its JSON pointer.
pub(super) fn text(answer: &Value, pointer: &str) -> anyhow::Result<String> {
    answer
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .with_context(|| format!("the answer has no {pointer}: {answer}"))
}
