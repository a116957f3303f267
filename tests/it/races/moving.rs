//! What is undone while the package that it goes back to is moved to somebody else.

use carnet::proto::v1;
use rstest::rstest;
use tokio::sync::oneshot;

use crate::support::app::{Postgres, on};
use crate::support::held::Held;
use crate::support::shop::{Shop, days};

/// How a use is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Undo {
    Reverse,
    ReverseAndRestore,
    Move,
}

#[rstest]
#[tokio::test]
async fn what_is_undone_follows_a_package_that_was_moved_while_that_waited(
    #[values(Undo::Reverse, Undo::ReverseAndRestore, Undo::Move)] undo: Undo,
) {
    on(Postgres, async |app| {
        let shop = Shop::open(app).await;
        let mut template = shop.lessons("8", days(30));
        template.transferable = Some(true);
        let template_id = shop.offer(template).await;
        let package = shop.sell(&template_id).await;
        let used = shop.consume(shop.use_lessons("2")).await.unwrap();
        let other = shop.sell(&template_id).await;
        let receiver = shop.customer("Jaan Kask").await;
        let held = Held::lots_of(app, &package.id).await;
        let transfer = async {
            let request = v1::TransferPackageRequest {
                request_id: app.request_id(),
                package_id: package.id.clone(),
                customer_id: receiver,
                ..Default::default()
            };
            let answer = app.packages().transfer_package(request).await.unwrap();
            answer.into_inner().received.unwrap().id
        };
        let (go, went) = oneshot::channel();
        let undoing = async {
            // Behind the transfer, which has not said yet where the credits go.
            went.await.unwrap();
            match undo {
                Undo::Reverse => {
                    let request = shop.reversing(&used.posting_id);
                    shop.reverse(request).await.map(|_| ())
                }
                Undo::ReverseAndRestore => {
                    let mut request = shop.reversing(&used.posting_id);
                    request.restore_through = "2026-06-30".to_owned();
                    shop.reverse(request).await.map(|_| ())
                }
                Undo::Move => {
                    let moved = shop.relocate(&used.posting_id, &other.id).await;
                    moved.map(|_| ())
                }
            }
        };
        let letting_go = async {
            held.until_so_many_wait(1).await;
            go.send(()).unwrap();
            held.until_so_many_wait(2).await;
            held.let_go().await;
        };
        let (received, undone, ()) = tokio::join!(transfer, undoing, letting_go);
        undone.unwrap();
        assert_eq!(shop.left(&package.id).await, "0");
        assert_eq!(shop.left(&received).await, "8");
        let left = if undo == Undo::Move { "6" } else { "8" };
        assert_eq!(shop.left(&other.id).await, left);
    })
    .await;
}
