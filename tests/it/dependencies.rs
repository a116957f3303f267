//! What the program is built from: licences, banned crates, and one version of what must be one.
//!
//! It asks `cargo metadata` offline, about this platform only, so it needs nothing that the build
//! itself did not need. All faults are reported at once.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// Licences, by SPDX name, that ask for no more than to be named.
const LICENCES: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that must not come in, not even by a feature of another, and why.
const BANNED: [(&str, &str); 9] = [
    (
        "aws-lc-rs",
        "a second TLS provider panics at the first handshake; ring is ours",
    ),
    (
        "aws-lc-sys",
        "a second TLS provider panics at the first handshake; ring is ours",
    ),
    ("cmake", "the build needs a C compiler and nothing more"),
    ("native-tls", "TLS is rustls"),
    ("openssl", "TLS is rustls"),
    ("openssl-sys", "TLS is rustls"),
    ("protoc-bin-vendored", "protox compiles the protos"),
    ("reqwest", "the program calls nobody by HTTP"),
    ("rsa", "RUSTSEC-2023-0071"),
];

/// Crates whose types meet at our seams, or that keep state of the process: two would not agree.
const SINGLE: [&str; 9] = [
    "chrono",
    "http",
    "hyper",
    "prost",
    "rustls",
    "sea-orm",
    "sqlx-core",
    "tokio",
    "tonic",
];

/// The only place that crates come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A crate of the build.
#[derive(Clone, Debug)]
struct Package {
    name: String,
    version: String,
    licence: String,
    /// `None` for our own.
    source: Option<String>,
}

/// Everything that is wrong with `packages`, one line each.
fn faults(packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        let Package {
            name,
            version,
            licence,
            source,
        } = package;
        if source.as_deref().is_some_and(|source| source != REGISTRY) {
            faults.push(format!("{name} {version} does not come from crates.io"));
        }
        if !is_licence_allowed(licence) {
            faults.push(format!("{name} {version} has the licence `{licence}`"));
        }
        if let Some((_, reason)) = BANNED.iter().find(|(banned, _)| banned == name) {
            faults.push(format!("{name} {version} is banned: {reason}"));
        }
    }
    for single in SINGLE {
        let versions: BTreeSet<&str> = packages
            .iter()
            .filter(|package| package.name == single)
            .map(|package| package.version.as_str())
            .collect();
        if versions.len() != 1 {
            faults.push(format!("{single} must be there once, not as {versions:?}"));
        }
    }
    faults
}

/// Whether an SPDX expression lets us choose allowed licences only; an old "A/B" is "A OR B".
fn is_licence_allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace(" WITH ", "~WITH~");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let allowed = any_of(&mut words);
    allowed && words.is_empty()
}

/// `all OR all …`, from the end of `words`.
fn any_of(words: &mut Vec<&str>) -> bool {
    let mut allowed = all_of(words);
    while words.last() == Some(&"OR") {
        words.pop();
        allowed |= all_of(words);
    }
    allowed
}

/// `one AND one …`, from the end of `words`.
fn all_of(words: &mut Vec<&str>) -> bool {
    let mut allowed = one_of(words);
    while words.last() == Some(&"AND") {
        words.pop();
        allowed &= one_of(words);
    }
    allowed
}

/// A licence, or an expression in brackets, from the end of `words`.
fn one_of(words: &mut Vec<&str>) -> bool {
    match words.pop() {
        Some("(") => {
            let allowed = any_of(words);
            words.pop() == Some(")") && allowed
        }
        Some(licence) => LICENCES.contains(&licence.replace('~', " ").as_str()),
        None => false,
    }
}

/// The crates that this build has, as cargo resolved them.
fn packages() -> Vec<Package> {
    let metadata = cargo_metadata();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let resolved: BTreeSet<String> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| text(&node["id"]))
        .collect();
    list(&metadata["packages"])
        .iter()
        .filter(|package| resolved.contains(&text(&package["id"])))
        .map(|package| Package {
            name: text(&package["name"]),
            version: text(&package["version"]),
            licence: text(&package["license"]),
            source: package["source"].as_str().map(str::to_owned),
        })
        .collect()
}

fn cargo_metadata() -> Value {
    let output = |command: &mut Command| {
        let output = command.output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    };
    let about = output(Command::new(env!("CARGO")).arg("-vV"));
    let host = about
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let json = output(
        Command::new(env!("CARGO"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["metadata", "--format-version", "1", "--locked", "--offline"])
            .args(["--filter-platform", host]),
    );
    serde_json::from_str(&json).unwrap()
}

#[test]
fn the_dependencies_keep_the_rules() {
    let packages = packages();
    assert!(packages.iter().any(|package| package.name == "carnet"));
    let faults = faults(&packages);
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn every_planted_fault_is_reported_at_once() {
    let package = |name: &str, version: &str, licence: &str| Package {
        name: name.to_owned(),
        version: version.to_owned(),
        licence: licence.to_owned(),
        source: Some(REGISTRY.to_owned()),
    };
    let mut good: Vec<Package> = SINGLE.map(|name| package(name, "1.0.0", "MIT")).to_vec();
    good.push(package("syn", "1.0.0", "MIT OR Apache-2.0"));
    good.push(package("syn", "2.0.0", "MIT/Apache-2.0"));
    good.push(Package {
        source: None,
        ..package("carnet", "0.1.0", "Apache-2.0")
    });
    assert_eq!(faults(&good), Vec::<String>::new());
    let git = Some("git+https://example.org/a".to_owned());
    let mut bad = good.clone();
    bad.push(package("openssl-sys", "0.9.0", "MIT"));
    bad.push(package("hyper", "0.14.0", "MIT"));
    bad.push(package("viral", "1.0.0", "GPL-3.0-only"));
    bad.push(package("secret", "1.0.0", ""));
    bad.push(Package {
        source: git,
        ..package("fork", "1.0.0", "MIT")
    });
    assert_eq!(faults(&bad).len(), 5, "{:#?}", faults(&bad));
    assert_eq!(
        faults(&good[1..]).len(),
        1,
        "one of the single ones is gone"
    );
}

#[test]
fn a_licence_expression_is_read_as_spdx_means_it() {
    for (expression, allowed) in [
        ("MIT", true),
        ("MIT OR GPL-3.0-only", true),
        ("GPL-3.0-only/MIT", true),
        ("MIT AND GPL-3.0-only", false),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
        ("GPL-3.0-only OR MIT AND Unicode-3.0", true),
        ("(GPL-3.0-only OR MIT) AND LGPL-2.1", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
        ("GPL-2.0 WITH Classpath-exception-2.0", false),
        ("", false),
        ("(MIT", false),
        ("MIT MIT", false),
    ] {
        assert_eq!(is_licence_allowed(expression), allowed, "{expression}");
    }
}
