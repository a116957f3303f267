//! The demo of the README: its tour is a story that checks itself.

use crate::support::program::{carnet, err, out};

#[tokio::test]
async fn the_tour_is_played_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let demo = folder.path().join("demo");
    let demo = demo.to_str().unwrap();
    let output = carnet(&["demo", "--tour", "--folder", demo], "sqlite://unused").await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let told = out(&output);
    assert!(told.contains(" 0 faults"), "{told}");
    assert!(
        told.trim_end()
            .ends_with(&format!("All of it is in {demo}.")),
        "{told}"
    );
}
