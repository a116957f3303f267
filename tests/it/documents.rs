//! The documents that are generated say what the program says.
//!
//! `CARNET_WRITE_DOCUMENTS=1 cargo test --locked --test it -- documents` writes them anew; without the variable the
//! test fails where one is not what would be written.

mod comments;
mod errors;
mod reference;
mod settings;
mod variables;

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

use carnet::proto::FILE_DESCRIPTOR_SET;
use prost_reflect::DescriptorPool;

/// What stands at the top of each.
const HEAD: &str = "<!-- Generated: change what it is made from, then \
     `CARNET_WRITE_DOCUMENTS=1 cargo test --locked --test it -- documents`. -->\n\n";

/// Every generated document, by its path from the root of the repository.
fn documents() -> BTreeMap<String, String> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let mut documents = BTreeMap::from([
        ("docs/errors.md".to_owned(), errors::page(&pool)),
        ("docs/settings.md".to_owned(), settings::page()),
        ("docs/email-variables.md".to_owned(), variables::page()),
    ]);
    documents.extend(reference::pages(&pool));
    for text in documents.values_mut() {
        text.insert_str(0, HEAD);
    }
    documents
}

#[test]
fn the_generated_documents_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let writes = env::var_os("CARNET_WRITE_DOCUMENTS").is_some();
    let mut outdated = Vec::new();
    let documents = documents();
    for (path, text) in &documents {
        let file = root.join(path);
        if writes {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
        } else if fs::read_to_string(&file).unwrap_or_default() != *text {
            outdated.push(path.as_str());
        }
    }
    for file in fs::read_dir(root.join("docs/api")).unwrap() {
        let path = format!("docs/api/{}", file.unwrap().file_name().to_string_lossy());
        if !documents.contains_key(&path) {
            outdated.push(Box::leak(path.into_boxed_str()));
        }
    }
    assert!(
        outdated.is_empty(),
        "not what would be written: {outdated:?}; see the head of this file"
    );
}
