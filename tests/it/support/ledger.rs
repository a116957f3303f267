//! Sentences about holds and undoings, for a shop.

use carnet::proto::v1;
use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use tonic::Status;

use crate::support::shop::Shop;

/// An instant on the wire.
pub(crate) fn stamp(at: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: at.timestamp(),
        nanos: at.timestamp_subsec_nanos().try_into().unwrap(),
    }
}

impl Shop {
    /// A request to hold units of the swimming lesson.
    pub(crate) fn hold_lessons(&self, units: &str) -> v1::HoldRequest {
        v1::HoldRequest {
            request_id: self.tenant.request_id(),
            customer_id: self.customer.clone(),
            what: Some(v1::hold_request::What::Item(v1::ItemUnits {
                item_id: self.swim.clone(),
                units: units.to_owned(),
            })),
            ..Default::default()
        }
    }

    /// The same, of this package only.
    pub(crate) fn hold_lessons_of(&self, package_id: &str, units: &str) -> v1::HoldRequest {
        v1::HoldRequest {
            package_ids: vec![package_id.to_owned()],
            ..self.hold_lessons(units)
        }
    }

    /// A hold of units of the swimming lesson that times out at this instant.
    pub(crate) fn hold_lessons_until(&self, units: &str, at: DateTime<Utc>) -> v1::HoldRequest {
        v1::HoldRequest {
            times_out_at: Some(stamp(at)),
            ..self.hold_lessons(units)
        }
    }

    /// Sets credits aside.
    pub(crate) async fn hold(&self, request: v1::HoldRequest) -> Result<v1::HoldResponse, Status> {
        let answer = self.tenant.credits().hold(request).await?;
        Ok(answer.into_inner())
    }

    /// A request to capture all of a hold.
    pub(crate) fn capturing(&self, hold: &v1::HoldResponse) -> v1::CaptureRequest {
        v1::CaptureRequest {
            request_id: self.tenant.request_id(),
            hold_id: hold.hold_id.clone(),
            ..Default::default()
        }
    }

    /// Uses what is held.
    pub(crate) async fn capture(
        &self,
        request: v1::CaptureRequest,
    ) -> Result<v1::CaptureResponse, Status> {
        let answer = self.tenant.credits().capture(request).await?;
        Ok(answer.into_inner())
    }

    /// Frees what is held.
    pub(crate) async fn release(
        &self,
        hold: &v1::HoldResponse,
    ) -> Result<v1::ReleaseResponse, Status> {
        let request = v1::ReleaseRequest {
            request_id: self.tenant.request_id(),
            hold_id: hold.hold_id.clone(),
            ..Default::default()
        };
        let answer = self.tenant.credits().release(request).await?;
        Ok(answer.into_inner())
    }

    /// A request to undo all that is left of a posting.
    pub(crate) fn reversing(&self, posting_id: &str) -> v1::ReverseRequest {
        v1::ReverseRequest {
            request_id: self.tenant.request_id(),
            posting_id: posting_id.to_owned(),
            ..Default::default()
        }
    }

    /// A request to undo so many units of a posting.
    pub(crate) fn reversing_units(&self, posting_id: &str, units: &str) -> v1::ReverseRequest {
        v1::ReverseRequest {
            portion: Some(v1::reverse_request::Portion::Units(units.to_owned())),
            ..self.reversing(posting_id)
        }
    }

    /// Undoes a use.
    pub(crate) async fn reverse(
        &self,
        request: v1::ReverseRequest,
    ) -> Result<v1::ReverseResponse, Status> {
        let answer = self.tenant.credits().reverse(request).await?;
        Ok(answer.into_inner())
    }

    /// Moves a use to another package.
    pub(crate) async fn relocate(
        &self,
        posting_id: &str,
        package_id: &str,
    ) -> Result<v1::MoveConsumptionResponse, Status> {
        let request = v1::MoveConsumptionRequest {
            request_id: self.tenant.request_id(),
            posting_id: posting_id.to_owned(),
            package_ids: vec![package_id.to_owned()],
            ..Default::default()
        };
        let answer = self.tenant.credits().move_consumption(request).await?;
        Ok(answer.into_inner())
    }

    /// Corrects the first line of a package.
    pub(crate) async fn adjust(
        &self,
        package: &v1::Package,
        change: v1::adjust_request::Change,
    ) -> Result<v1::AdjustResponse, Status> {
        let request = v1::AdjustRequest {
            request_id: self.tenant.request_id(),
            package_id: package.id.clone(),
            line_id: package.lines[0].id.clone(),
            change: Some(change),
            reason: "counted again".to_owned(),
            ..Default::default()
        };
        let answer = self.tenant.credits().adjust(request).await?;
        Ok(answer.into_inner())
    }

    /// The balances of a package's first line now.
    pub(crate) async fn balances(&self, package_id: &str) -> v1::Balances {
        let package = self.package(package_id).await;
        package.lines[0].balances.clone().unwrap()
    }

    /// A package's entries, the oldest first.
    pub(crate) async fn entries(&self, package_id: &str) -> Vec<v1::Entry> {
        let request = v1::ListEntriesRequest {
            scope: Some(v1::list_entries_request::Scope::PackageId(
                package_id.to_owned(),
            )),
            page_size: 200,
            ..Default::default()
        };
        let answer = self.tenant.credits().list_entries(request).await.unwrap();
        let mut entries = answer.into_inner().entries;
        entries.sort_by_key(|entry| entry.sequence);
        entries
    }
}
