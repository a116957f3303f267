//! A script of calls, played through the descriptors: requests in protobuf's own JSON, where `$name` stands for an id
//! that an earlier answer gave.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::MethodDescriptor;
use serde_json::Value as Json;
use tonic::Status;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use crate::support::dynamic::{call, methods, only_reads};
use crate::support::tenant::Tenant;

/// One call: its method, its request, and what is kept of the answer, by the path there.
pub(crate) type Step = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// The published reason of an error.
pub(crate) fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    info.map(|info| info.reason).unwrap_or_default()
}

/// A business that goes through its day.
pub(crate) struct Day {
    channel: Channel,
    tenant: Tenant,
    methods: BTreeMap<String, MethodDescriptor>,
    /// What earlier answers gave, by name.
    pub(crate) known: BTreeMap<&'static str, String>,
}

impl Day {
    pub(crate) fn new(channel: &Channel, tenant: &Tenant) -> Self {
        let methods = methods().into_iter();
        Self {
            channel: channel.clone(),
            tenant: tenant.clone(),
            methods: methods.map(|it| (it.name().to_owned(), it)).collect(),
            known: BTreeMap::new(),
        }
    }

    /// The names of the ids in a request.
    pub(crate) fn names(request: &str) -> BTreeSet<&str> {
        let parts = request.split("\"$").skip(1);
        parts.map(|part| part.split('"').next().unwrap()).collect()
    }

    /// The request of a step, with the ids that `id` gives for their names.
    pub(crate) fn request(&self, step: &Step, id: impl Fn(&str) -> String) -> Json {
        let mut text = step.1.to_owned();
        for name in Self::names(step.1) {
            text = text.replace(&format!("\"${name}\""), &format!("\"{}\"", id(name)));
        }
        let mut request: Json = serde_json::from_str(&text).unwrap();
        if !only_reads(&self.methods[step.0]) {
            request["request_id"] = self.tenant.request_id().into();
        }
        request
    }

    pub(crate) async fn call(&self, step: &Step, request: &Json) -> Result<Json, Status> {
        let token = Some(self.tenant.token.as_str());
        call(&self.channel, token, &self.methods[step.0], request).await
    }

    /// Takes a step; the answer is the request that did it.
    pub(crate) async fn take(&mut self, step: &Step) -> Json {
        let request = self.request(step, |name| self.known[name].clone());
        let answer = self.call(step, &request).await;
        let answer = answer.unwrap_or_else(|error| {
            panic!("{} {request}: {} {error}", step.0, reason(&error));
        });
        for (name, path) in step.2 {
            let id = answer.pointer(path).and_then(Json::as_str);
            let id = id.unwrap_or_else(|| panic!("{} has no {path}: {answer}", step.0));
            self.known.insert(name, id.to_owned());
        }
        request
    }

    /// Takes steps one after the other.
    pub(crate) async fn take_all(&mut self, steps: &'static [Step]) {
        for step in steps {
            self.take(step).await;
        }
    }

    /// What all reads among these steps say now.
    pub(crate) async fn seen(&self, steps: impl Iterator<Item = &Step>) -> Vec<Json> {
        let mut seen = Vec::new();
        for step in steps.filter(|step| only_reads(&self.methods[step.0])) {
            let request = self.request(step, |name| self.known[name].clone());
            seen.push(self.call(step, &request).await.unwrap());
        }
        seen
    }
}
