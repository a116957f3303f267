//! How files may be written, and what is refused of them as a whole.

use rstest::rstest;

use super::{CUSTOMERS, Move, PACKAGES};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;

#[tokio::test]
async fn a_mark_of_utf_8_tabs_and_blank_lines_are_taken() {
    on(Sqlite, async |app| {
        let it = Move::prepare(app).await;
        let customers = format!("\u{feff}{}", CUSTOMERS.replace('\n', "\r\n\r\n"));
        let packages = PACKAGES.replace(',', "\t");
        it.done(&it.files(&customers, &packages)).await;
        assert_eq!(it.count().await, (3, 3));
    })
    .await;
}

#[tokio::test]
async fn other_encodings_are_told_by_byte_and_line_and_nothing_is_imported() {
    on(Sqlite, async |app| {
        let it = Move::prepare(app).await;
        let latin_1 = b"external_id,name\nc1,Mari\nc2,M\xE4rt\nc3,Jaan\n".to_vec();
        let words = "external_id,name\nc1,Mari\n".encode_utf16();
        let utf_16: Vec<u8> = [0xFEFF]
            .into_iter()
            .chain(words)
            .flat_map(u16::to_le_bytes)
            .collect();
        let unmarked = utf_16[2..].to_vec();
        let open = b"external_id,name\nc1,\"Mari\nc2,Jaan\n".to_vec();
        for (bytes, wanted) in [
            (
                latin_1,
                ":3: row: `byte 0xE4 at offset 29` must be UTF-8; this looks like Latin-1",
            ),
            (
                utf_16,
                ":1: row: `byte 0xFF at offset 0` must be UTF-8; this is the mark of UTF-16",
            ),
            (
                unmarked,
                ":1: row: `byte 0x00 at offset 1` must be UTF-8; this looks like UTF-16",
            ),
            (open, ":2: row: `\"` must be closed by another quote"),
        ] {
            let path = it.write("customers.csv", bytes);
            let told = it.import(&["--customers".to_owned(), path]).await;
            assert_eq!(told.code, Some(1));
            assert!(told.err.contains(wanted), "{}", told.err);
        }
        assert_eq!(it.count().await.0, 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_check_does_all_of_it_and_writes_nothing(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let it = Move::prepare(app).await;
        let mut files = it.files(CUSTOMERS, PACKAGES);
        files.push("--check".to_owned());
        let told = it.done(&files).await;
        assert_eq!(told.row("lesson: left"), ["13", "-", "-"]);
        let sentence =
            "2 customers and 3 packages are new, 0 and 0 are here already. Nothing was written.\n";
        assert!(told.out.ends_with(sentence), "{}", told.out);
        assert_eq!(it.count().await, (1, 0));
    })
    .await;
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_refused_before_anything_is_read() {
    on(Sqlite, async |app| {
        let it = Move::prepare(app).await;
        assert_eq!(it.import(&[]).await.code, Some(2), "no file at all");
        let files = it.files(CUSTOMERS, PACKAGES);
        let ahead = [
            files.clone(),
            ["--cut-over", "2999-01-01"].map(str::to_owned).to_vec(),
        ];
        let arguments: Vec<&str> = ["import"]
            .into_iter()
            .chain(ahead.iter().flatten().map(String::as_str))
            .collect();
        let output = crate::support::program::carnet(&arguments, app.database_url()).await;
        let said = crate::support::program::err(&output);
        assert!(
            said.contains("the cut-over day, 2999-01-01, lies ahead"),
            "{said}"
        );
        app.second_business().await;
        let told = it.import(&files).await;
        assert!(
            told.err.contains("name one with --business"),
            "{}",
            told.err
        );
        let named = ["--business".to_owned(), app.business_id.to_string()];
        it.done(&[files, named.to_vec()].concat()).await;
    })
    .await;
}
