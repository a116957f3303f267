//! Flight Schedule Pro's package: hours of several kinds at package rates, standard rates afterwards, completed
//! once all of it is used and paid.

use carnet::proto::v1;
use carnet::proto::v1::{InvoiceState, LineKind, PackageStatus};
use rstest::rstest;

use super::desk::{Desk, due};
use super::open;
use super::rates::lines;
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::shop::{covers, euros, never};

/// What a flight school sells by the hour.
struct School {
    desk: Desk,
    aircraft: String,
    instruction: String,
    simulator: String,
}

impl School {
    async fn of(desk: Desk) -> Self {
        Self {
            aircraft: desk.shop.item("Cessna 172", "Aircraft", 18_000).await,
            instruction: desk.shop.item("Instruction", "Instructors", 6_000).await,
            simulator: desk.shop.item("Simulator", "Aircraft", 9_000).await,
            desk,
        }
    }

    /// A private pilot's package: each kind of hours at a rate of its own, and a simulator hour prepaid.
    async fn sell(&self) -> v1::Package {
        let shop = &self.desk.shop;
        let hour = shop.credit_type("hour", 1).await;
        let rated = |item: &str, quantity: &str, cents| v1::TemplateLine {
            kind: LineKind::Rate.into(),
            credit_type_id: hour.clone(),
            quantity: quantity.to_owned(),
            covers: covers(item),
            package_rate: Some(euros(cents)),
            ..Default::default()
        };
        let prepaid = v1::TemplateLine {
            kind: LineKind::Prepaid.into(),
            package_rate: None,
            ..rated(&self.simulator, "1", 0)
        };
        let template = v1::Template {
            name: "Private pilot".to_owned(),
            lines: vec![
                rated(&self.aircraft, "3.5", 15_000),
                rated(&self.instruction, "2", 5_000),
                prepaid,
            ],
            ..shop.lessons("1", never())
        };
        shop.sell(&shop.offer(template).await).await
    }

    /// Flies so many hours with an instructor, all of it on one invoice.
    async fn fly(&self, hours: &str) -> v1::Invoice {
        let line = |item: &str| v1::InvoiceLineInput {
            item_id: item.to_owned(),
            ..self.desk.rated(hours)
        };
        let creating = self
            .desk
            .creating(vec![line(&self.aircraft), line(&self.instruction)]);
        let draft = self.desk.create_invoice(creating).await.unwrap();
        self.desk.issue(&draft).await.unwrap()
    }
}

#[rstest]
#[tokio::test]
async fn flight_schedule_pro_hours_of_several_kinds_are_charged_at_package_rates_then_standard_rates(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let school = School::of(open(app).await).await;
        let desk = &school.desk;
        let package = school.sell().await;
        let counted = async || {
            let seen = desk.shop.package(&package.id).await;
            let lines = seen.lines.iter();
            let used = lines.map(|line| line.balances.as_ref().unwrap().consumed.clone());
            (seen.status(), used.collect::<Vec<_>>())
        };
        let first = school.fly("1.5").await;
        assert_eq!(lines(&first), [("1.5", 15_000), ("1.5", 5_000)]);
        assert_eq!(due(&first), 22_500 + 7_500);
        desk.pay(&first, None).await.unwrap();
        let used = |used: [&str; 3]| used.map(ToOwned::to_owned).to_vec();
        assert_eq!(
            counted().await,
            (PackageStatus::Active, used(["1.5", "1.5", "0"]))
        );
        let second = school.fly("2.5").await;
        assert_eq!(
            lines(&second),
            [("2", 15_000), ("0.5", 18_000), ("0.5", 5_000), ("2", 6_000)]
        );
        let simulated = v1::InvoiceLineInput {
            item_id: school.simulator.clone(),
            ..desk.lessons("1")
        };
        let simulator = desk
            .create_invoice(desk.creating(vec![simulated]))
            .await
            .unwrap();
        desk.apply(&simulator, "1").await.unwrap();
        let simulator = desk.issue(&simulator).await.unwrap();
        assert_eq!(simulator.state(), InvoiceState::Paid);
        // All of it is used once the invoice is paid.
        assert_eq!(counted().await.0, PackageStatus::Active);
        desk.pay(&second, None).await.unwrap();
        assert_eq!(
            counted().await,
            (PackageStatus::Completed, used(["3.5", "2", "1"]))
        );
        let third = school.fly("1").await;
        assert_eq!(lines(&third), [("1", 18_000), ("1", 6_000)]);
        // An invoice that is issued never changes.
        assert_eq!(lines(&desk.get(&first).await), lines(&first));
    })
    .await;
}
