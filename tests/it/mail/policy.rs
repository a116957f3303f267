//! The reminder policy (G2 to G4): read and changed like everything else.

use carnet::proto::v1;
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::tenant::Tenant;

async fn policy(tenant: &Tenant) -> v1::ReminderPolicy {
    let request = v1::GetReminderPolicyRequest {};
    let answer = tenant.emails().get_reminder_policy(request).await;
    answer.unwrap().into_inner().policy.unwrap()
}

async fn update(
    tenant: &Tenant,
    request: v1::UpdateReminderPolicyRequest,
) -> Result<v1::UpdateReminderPolicyResponse, Status> {
    let answer = tenant.emails().update_reminder_policy(request).await?;
    Ok(answer.into_inner())
}

fn to(policy: v1::ReminderPolicy, paths: &[&str]) -> v1::UpdateReminderPolicyRequest {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    v1::UpdateReminderPolicyRequest {
        policy: Some(policy),
        update_mask: Some(prost_types::FieldMask { paths }),
        ..Default::default()
    }
}

#[rstest]
#[tokio::test]
async fn only_what_the_mask_names_is_changed_and_trying_keeps_nothing(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let before = policy(app).await;
        assert_eq!(before.lead_days, [30, 7, 1]);
        assert_eq!(before.local_hour, 9);
        assert!(before.expired_notice && before.confirmation);
        let wanted = v1::ReminderPolicy {
            lead_days: vec![0, 14, 365],
            local_hour: 17,
            ..Default::default()
        };
        let mut request = to(wanted, &["lead_days"]);
        request.validate_only = true;
        let tried = update(app, request.clone()).await.unwrap().policy.unwrap();
        assert_eq!(tried.lead_days, [365, 14, 0]);
        assert_eq!(policy(app).await, before);
        request.validate_only = false;
        let after = update(app, request).await.unwrap().policy.unwrap();
        assert_eq!(after, policy(app).await);
        let expected = v1::ReminderPolicy {
            lead_days: vec![365, 14, 0],
            etag: after.etag.clone(),
            ..before.clone()
        };
        assert_eq!(after, expected);
        assert_ne!(after.etag, before.etag);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn faults_of_a_policy_are_told_by_the_path_of_each_field(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let before = policy(app).await;
        let wrong = v1::ReminderPolicy {
            lead_days: vec![7, 366, 7, -1],
            local_hour: 24,
            ..Default::default()
        };
        let request = to(wrong, &["lead_days", "local_hour", "colour"]);
        let faults = field_faults(update(app, request).await);
        let mut fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
        fields.sort_unstable();
        let expected = [
            "policy.lead_days[1]",
            "policy.lead_days[2]",
            "policy.lead_days[3]",
            "policy.local_hour",
            "update_mask.paths[2]",
        ];
        assert_eq!(fields, expected, "{faults:?}");
        let many = v1::ReminderPolicy {
            lead_days: (0..11).collect(),
            ..Default::default()
        };
        let faults = field_faults(update(app, to(many, &["lead_days"])).await);
        assert_eq!(faults[0].0, "policy.lead_days");
        let none = v1::UpdateReminderPolicyRequest::default();
        let faults = field_faults(update(app, none).await);
        assert_eq!(faults[0].0, "policy");
        assert_eq!(policy(app).await, before);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_policy_that_somebody_else_changed_is_not_overwritten(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let known = policy(app).await;
        let mut first = known.clone();
        first.local_hour = 8;
        update(app, to(first, &["local_hour"])).await.unwrap();
        let mut second = known;
        second.lead_days = vec![3];
        let result = update(app, to(second, &["lead_days"])).await;
        refused(result, Code::Aborted, "ETAG_MISMATCH");
        let now = policy(app).await;
        assert_eq!((now.local_hour, now.lead_days.len()), (8, 3));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_repeated_request_id_changes_once_and_answers_alike(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let wanted = v1::ReminderPolicy {
            lead_days: vec![5],
            ..Default::default()
        };
        let mut request = to(wanted, &["lead_days"]);
        request.request_id = app.request_id();
        let first = update(app, request.clone()).await.unwrap();
        let other = v1::ReminderPolicy {
            local_hour: 6,
            ..Default::default()
        };
        update(app, to(other, &["local_hour"])).await.unwrap();
        let again = update(app, request.clone()).await.unwrap();
        assert!(again.replayed && !first.replayed);
        assert_eq!(again.policy, first.policy);
        assert_eq!(policy(app).await.local_hour, 6);
        request.policy.as_mut().unwrap().lead_days = vec![6];
        let reused = update(app, request).await;
        refused(reused, Code::AlreadyExists, "REQUEST_ID_REUSED");
    })
    .await;
}
