//! More sentences of tests that need a field or a page of their own: settings, entries, changes.

use carnet::proto::v1;
use carnet::proto::v1::list_entries_request::Scope;
use prost_types::FieldMask;

use crate::support::tenant::Tenant;

/// The paths of an update mask.
pub(crate) fn mask(paths: &[&str]) -> FieldMask {
    let paths = paths.iter().map(ToString::to_string).collect();
    FieldMask { paths }
}

impl Tenant {
    /// Changes these settings and no others.
    pub(crate) async fn change_settings(&self, settings: v1::Settings, paths: &[&str]) {
        let request = v1::UpdateSettingsRequest {
            settings: Some(settings),
            update_mask: Some(mask(paths)),
            ..Default::default()
        };
        self.business().update_settings(request).await.unwrap();
    }

    /// Changes these fields of a customer and no others.
    pub(crate) async fn change_customer(&self, customer: v1::Customer, paths: &[&str]) {
        let request = v1::UpdateCustomerRequest {
            customer: Some(customer),
            update_mask: Some(mask(paths)),
            ..Default::default()
        };
        self.customers().update_customer(request).await.unwrap();
    }

    /// Adds a member of staff; the answer is the id.
    pub(crate) async fn user(&self, name: &str) -> String {
        let user = v1::User {
            name: name.to_owned(),
            ..Default::default()
        };
        let request = v1::CreateUserRequest {
            user: Some(user),
            ..Default::default()
        };
        let answer = self.business().create_user(request).await.unwrap();
        answer.into_inner().user.unwrap().id
    }

    /// The entries of a page that is asked for in so many words.
    pub(crate) async fn page_of_entries(
        &self,
        request: v1::ListEntriesRequest,
    ) -> v1::ListEntriesResponse {
        let answer = self.credits().list_entries(request).await;
        answer.unwrap().into_inner()
    }

    /// All entries of a scope, newest first, in pages of `page_size`.
    pub(crate) async fn all_entries(&self, scope: Scope, page_size: i32) -> Vec<v1::Entry> {
        let mut request = v1::ListEntriesRequest {
            scope: Some(scope),
            page_size,
            ..Default::default()
        };
        let mut all = Vec::new();
        loop {
            let page = self.page_of_entries(request.clone()).await;
            all.extend(page.entries);
            if page.next_page_token.is_empty() {
                return all;
            }
            request.page_token = page.next_page_token;
        }
    }

    /// All entries of a package, newest first.
    pub(crate) async fn entries_of_package(&self, package_id: &str) -> Vec<v1::Entry> {
        let scope = Scope::PackageId(package_id.to_owned());
        self.all_entries(scope, 200).await
    }

    /// The changes of a package, newest first.
    pub(crate) async fn changes_of(&self, package_id: &str) -> Vec<v1::Change> {
        let request = v1::ListChangesRequest {
            package_id: package_id.to_owned(),
            page_size: 200,
            ..Default::default()
        };
        let answer = self.packages().list_changes(request).await.unwrap();
        answer.into_inner().changes
    }

    /// All packages of the business, newest first.
    pub(crate) async fn all_packages(&self) -> Vec<v1::Package> {
        let request = v1::ListPackagesRequest {
            page_size: 200,
            ..Default::default()
        };
        let answer = self.packages().list_packages(request).await.unwrap();
        answer.into_inner().packages
    }

    /// A sale as it is now.
    pub(crate) async fn sale(&self, sale_id: &str) -> v1::Sale {
        let request = v1::GetSaleRequest {
            sale_id: sale_id.to_owned(),
        };
        let answer = self.packages().get_sale(request).await.unwrap();
        answer.into_inner().sale.unwrap()
    }
}
