//! A business that switched the feature off is told so by every service but the one that switches it on.

use carnet::proto::v1;
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days};

#[rstest]
#[tokio::test]
async fn switched_off_everything_but_the_business_itself_says_so(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        app.change_settings(v1::Settings::default(), &["feature_enabled"])
            .await;
        macro_rules! off {
            ($($client:ident: $($method:ident $request:ident),+;)+) => {$($(
                let result = app.$client().$method(v1::$request::default()).await;
                refused(result, Code::FailedPrecondition, "FEATURE_OFF");
            )+)+};
        }
        off! {
            catalog: create_credit_type CreateCreditTypeRequest, get_credit_type GetCreditTypeRequest,
                list_credit_types ListCreditTypesRequest, update_credit_type UpdateCreditTypeRequest,
                archive_credit_type ArchiveCreditTypeRequest, create_item CreateItemRequest,
                get_item GetItemRequest, list_items ListItemsRequest, update_item UpdateItemRequest,
                archive_item ArchiveItemRequest, create_template CreateTemplateRequest,
                get_template GetTemplateRequest, list_templates ListTemplatesRequest,
                update_template UpdateTemplateRequest, activate_template ActivateTemplateRequest,
                archive_template ArchiveTemplateRequest, unarchive_template UnarchiveTemplateRequest;
            customers: create_customer CreateCustomerRequest, get_customer GetCustomerRequest,
                list_customers ListCustomersRequest, update_customer UpdateCustomerRequest,
                resolve_customer ResolveCustomerRequest, create_group CreateGroupRequest,
                merge_customers MergeCustomersRequest,
                get_group GetGroupRequest, list_groups ListGroupsRequest, update_group UpdateGroupRequest,
                add_group_member AddGroupMemberRequest,
                remove_group_member RemoveGroupMemberRequest;
            packages: sell_packages SellPackagesRequest, get_sale GetSaleRequest,
                get_package GetPackageRequest, list_packages ListPackagesRequest,
                extend_package ExtendPackageRequest, list_changes ListChangesRequest,
                add_member AddMemberRequest, remove_member RemoveMemberRequest;
            credits: issue IssueRequest, consume ConsumeRequest, get_balance GetBalanceRequest,
                list_usable_packages ListUsablePackagesRequest, list_entries ListEntriesRequest;
            emails: list_emails ListEmailsRequest, get_email GetEmailRequest,
                list_suppressions ListSuppressionsRequest, add_suppression AddSuppressionRequest,
                remove_suppression RemoveSuppressionRequest, report_bounce ReportBounceRequest,
                retry_email RetryEmailRequest, cancel_email CancelEmailRequest,
                list_upcoming ListUpcomingRequest,
                get_reminder_policy GetReminderPolicyRequest,
                update_reminder_policy UpdateReminderPolicyRequest;
        }
        let mut business = app.business();
        business
            .get_settings(v1::GetSettingsRequest {})
            .await
            .unwrap();
        business
            .list_tokens(v1::ListTokensRequest::default())
            .await
            .unwrap();
        app.user("Coach Kati").await;
        // Time goes on.
        app.clock.advance(chrono::TimeDelta::days(31));
        let settings = v1::Settings {
            feature_enabled: true,
            ..Default::default()
        };
        app.change_settings(settings, &["feature_enabled"]).await;
        let expired = shop.package(&package.id).await.status();
        assert_eq!(expired, v1::PackageStatus::Expired);
    })
    .await;
}
