//! The reports that come in pages. What adds up all of a business reads all of it, and is left out.

use carnet::proto::v1;

use super::{Caller, at};

impl Caller<'_> {
    pub(super) async fn reports(&mut self) {
        let tenant = self.large.tenant.clone();
        let seeds = &self.large.seeds;
        let mut reports = tenant.reports();
        let all = v1::OutstandingRequest::default();
        let first = reports.outstanding(all.clone()).await.unwrap().into_inner();
        let next = v1::OutstandingRequest {
            page_token: first.next_page_token,
            ..all
        };
        self.ask("Outstanding", reports.outstanding(next)).await;
        let valid = v1::PackagesRequest::default();
        self.ask("Packages", reports.packages(valid.clone())).await;
        let of_owner = v1::PackagesRequest {
            customer_id: seeds.shop.customer.clone(),
            ..valid
        };
        self.ask("Packages of a customer", reports.packages(of_owner))
            .await;
        let period = v1::TimeRange {
            from: Some(at("2025-12-01T00:00:00Z")),
            before: Some(at("2026-02-01T00:00:00Z")),
        };
        let all = v1::LedgerRequest {
            recorded: Some(v1::ReportPeriod {
                named: Some(v1::report_period::Named::Instants(period)),
            }),
            ..Default::default()
        };
        self.ask("Ledger of a time", reports.ledger(all.clone()))
            .await;
        let of_customer = v1::LedgerRequest {
            customer_id: seeds.shop.customer.clone(),
            ..all.clone()
        };
        self.ask("Ledger of a customer", reports.ledger(of_customer))
            .await;
        let of_package = v1::LedgerRequest {
            package_id: seeds.package.id.clone(),
            ..all
        };
        self.ask("Ledger of a package", reports.ledger(of_package))
            .await;
        let now = v1::WatchChangesRequest::default();
        let mut feed = tenant.credits().watch_changes(now).await.unwrap();
        // The first message stands for where the feed begins, and what comes later for a look at it.
        feed.get_mut().message().await.unwrap();
        self.heard.take(self.target);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        self.keep("WatchChanges");
    }
}
