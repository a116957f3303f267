//! Sentences of tests that are about who may do what.

use carnet::grpc::faults::timestamp;
use carnet::grpc::permission::permission_name;
use carnet::proto::v1;
use carnet::proto::v1::list_audit_events_request::About;
use chrono::TimeDelta;
use tonic::Status;

use crate::support::steps::mask;
use crate::support::tenant::Tenant;

impl Tenant {
    /// Adds a member of staff with this role; the answer is the id.
    pub(crate) async fn user_with_role(&self, name: &str, role_id: &str) -> String {
        self.try_user(name, role_id).await.unwrap().id
    }

    /// Tries to add a member of staff with this role.
    pub(crate) async fn try_user(&self, name: &str, role_id: &str) -> Result<v1::User, Status> {
        let user = v1::User {
            name: name.to_owned(),
            role_id: role_id.to_owned(),
            ..Default::default()
        };
        let request = v1::CreateUserRequest {
            user: Some(user),
            ..Default::default()
        };
        let answer = self.business().create_user(request).await?;
        Ok(answer.into_inner().user.unwrap())
    }

    /// Tries to change these fields of a member of staff.
    pub(crate) async fn change_user(
        &self,
        user: v1::User,
        paths: &[&str],
    ) -> Result<v1::User, Status> {
        let request = v1::UpdateUserRequest {
            user: Some(user),
            update_mask: Some(mask(paths)),
            ..Default::default()
        };
        let answer = self.business().update_user(request).await?;
        Ok(answer.into_inner().user.unwrap())
    }

    /// Says that a member of staff belongs to it no more.
    pub(crate) async fn dismiss(&self, user_id: &str) {
        let user = v1::User {
            id: user_id.to_owned(),
            ..Default::default()
        };
        self.change_user(user, &["active"]).await.unwrap();
    }

    /// Tries to make a role.
    pub(crate) async fn try_role(
        &self,
        name: &str,
        permissions: &[v1::Permission],
    ) -> Result<v1::Role, Status> {
        let role = v1::Role {
            name: name.to_owned(),
            permissions: permissions.iter().copied().map(i32::from).collect(),
            ..Default::default()
        };
        let request = v1::CreateRoleRequest {
            role: Some(role),
            ..Default::default()
        };
        let answer = self.business().create_role(request).await?;
        Ok(answer.into_inner().role.unwrap())
    }

    /// Tries to make a token.
    pub(crate) async fn try_token(
        &self,
        token: v1::Token,
    ) -> Result<v1::CreateTokenResponse, Status> {
        let request = v1::CreateTokenRequest {
            token: Some(token),
            ..Default::default()
        };
        let answer = self.business().create_token(request).await?;
        Ok(answer.into_inner())
    }

    /// Makes a token of a member of staff that may do this at most; the answer calls with it.
    pub(crate) async fn held_by(&self, user_id: &str, permissions: &[v1::Permission]) -> Self {
        let made = self.try_token(token(user_id, permissions)).await.unwrap();
        self.bearing_token(made.secret)
    }

    /// Makes a token of a customer that is good for a month; the answer calls with it.
    pub(crate) async fn held_by_customer(&self, customer_id: &str) -> Self {
        let made = self.try_token(self.customers_token(customer_id)).await;
        self.bearing_token(made.unwrap().secret)
    }

    /// A token of a customer that is good for a month.
    pub(crate) fn customers_token(&self, customer_id: &str) -> v1::Token {
        v1::Token {
            customer_id: customer_id.to_owned(),
            expires_at: Some(timestamp(self.now() + TimeDelta::days(30))),
            ..token("", &[v1::Permission::PortalRead])
        }
    }

    /// The latest events of the audit that are about something.
    pub(crate) async fn audited(&self, about: About) -> Vec<v1::AuditEvent> {
        let request = v1::ListAuditEventsRequest {
            about: Some(about),
            page_size: 200,
            ..Default::default()
        };
        let answer = self.business().list_audit_events(request).await;
        answer.unwrap().into_inner().audit_events
    }

    /// Reads the settings, which every token of the tests may do that holds `SETTINGS_READ`.
    pub(crate) async fn read_settings(&self) -> Result<v1::Settings, Status> {
        let request = v1::GetSettingsRequest {};
        let answer = self.business().get_settings(request).await?;
        Ok(answer.into_inner().settings.unwrap())
    }
}

/// A token that may do this at most, of a user or of nobody.
pub(crate) fn token(user_id: &str, permissions: &[v1::Permission]) -> v1::Token {
    v1::Token {
        name: "The till".to_owned(),
        user_id: user_id.to_owned(),
        permissions: permissions.iter().copied().map(i32::from).collect(),
        ..Default::default()
    }
}

/// All that a token of staff can hold.
pub(crate) fn all_of_staff() -> Vec<v1::Permission> {
    let mut all = carnet::grpc::permission::all_permissions();
    let is_for_customers = |held: &v1::Permission| permission_name(*held).starts_with("PORTAL_");
    all.retain(|held| !is_for_customers(held));
    all
}
