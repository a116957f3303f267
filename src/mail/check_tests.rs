//! What a template may name, and where a fault is.

use super::*;

const WORDS: &str = r#"{
    "format": { "chrono_locale": "en_GB", "date": "%d", "date_this_year": "%d", "money": "{amount}" },
    "phrases": { "a.b": "Only {name}", "c": { "one": "{count} a", "other": "{count} b" } }
}"#;

fn faults(source: &str) -> Vec<Fault> {
    let sample = serde_json::json!({
        "name": "x", "none": null,
        "packages": [{ "name": "y", "lines": [{ "left": "1" }] }],
    });
    let words = Locale::parse("en", WORDS).unwrap();
    let parsed = |source| parse(source).unwrap();
    let partials = Partials::from([
        ("left".to_owned(), parsed("{{left}} of {{@root.name}}")),
        ("nested".to_owned(), parsed("{{> left}}")),
    ]);
    let published = Published {
        sample: &sample,
        words: Some(&words),
        partials: &partials,
    };
    compile(source, published).err().unwrap_or_default()
}

fn reasons(source: &str) -> Vec<String> {
    faults(source)
        .into_iter()
        .map(|fault| fault.reason)
        .collect()
}

#[test]
fn published_names_pass_in_their_places() {
    let good = "{{name}} {{#if none}}{{none}}{{else}}-{{/if}} {{#each packages}}{{name}}{{@index}}\
        {{#unless @first}},{{/unless}}{{../name}}{{#each lines}}{{left}}{{@root.name}}{{../name}}\
        {{> left}}{{/each}}{{#each lines}}{{this.left}}{{/each}}{{/each}}{{t \"a.b\" name=name}}\
        {{t \"c\" count=name}}{{#with @root}}{{name}}{{/with}}";
    assert_eq!(faults(good), []);
}

#[test]
fn a_name_that_nobody_published_is_refused_wherever_it_stands() {
    for source in [
        "{{nmae}}",
        "{{#if missing}}x{{/if}}",
        "{{#if name}}{{missing}}{{/if}}",
        "{{#if name}}{{else}}{{missing}}{{/if}}",
        "{{left}}",
        "{{#each packages}}{{left}}{{/each}}",
        "{{#each packages}}{{../../name}}{{/each}}",
        "{{t \"a.b\" name=missing}}",
        "{{@root.missing}}",
        "{{{missing}}}",
        "{{> left}}",
    ] {
        let refusal = reasons(source).join("\n");
        let expected = "not a published variable";
        assert!(refusal.contains(expected), "{source}: {refusal}");
    }
}

#[test]
fn what_can_run_away_is_refused() {
    for source in [
        "{{> other}}",
        "{{> left name=name}}",
        "{{#each packages}}{{#each lines}}{{> nested}}{{/each}}{{/each}}",
        "{{#> left}}{{/left}}",
        "{{* inline}}",
        "{{#*inline \"a\"}}b{{/inline}}",
        "{{lookup packages 0}}",
        "{{log name}}",
        "{{#raw}}{{/raw}}",
        "{{#each name}}x{{/each}}",
        "{{#each packages as |package|}}x{{/each}}",
        "{{#if name}",
    ] {
        assert_ne!(faults(source), [], "{source}");
    }
    let long = "x".repeat(TEMPLATE_BYTES_MAX + 1);
    assert!(reasons(&long)[0].contains("longer"));
    let deep = format!("{}{}", "{{#with @root}}".repeat(9), "{{/with}}".repeat(9));
    assert!(reasons(&deep)[0].contains("deep"));
}

#[test]
fn no_template_is_so_deep_that_the_parser_runs_out_of_stack() {
    let nested =
        |open: &str, close: &str, times| format!("{}{}", open.repeat(times), close.repeat(times));
    assert_eq!(faults(&nested("{{#if name}}", "{{/if}}", BLOCKS_MAX)), []);
    for source in [
        nested("{{#if name}}", "{{/if}}", 3_000),
        nested("{{~ #if name}}", "{{/if}}", 3_000),
        nested("{{^if name}}", "{{/if}}", 3_000),
        format!("{{{{t {}}}}}", nested("(t ", ")", 15_000)),
        format!("{{{{t \"}}}}\" {}}}}}", nested("(t ", ")", 10_000)),
        format!("{{{{t {}}}}}", nested("[", "]", 30_000)),
        format!("{{{{t {}}}}}", nested("{\"a\":", "}", 10_000)),
    ] {
        let reason = reasons(&source).join("");
        assert!(reason.contains("more than"), "{reason}");
    }
}

#[test]
fn a_loop_goes_over_each_thing_once() {
    for source in [
        "{{#each packages}}{{#each @root.packages}}{{/each}}{{/each}}",
        "{{#each packages}}{{#each ../packages}}{{/each}}{{/each}}",
        "{{#each packages}}{{#with @root}}{{#each packages}}{{/each}}{{/with}}{{/each}}",
        "{{#each packages}}{{#each lines}}{{#each ../lines}}{{/each}}{{/each}}{{/each}}",
        "{{#each packages}}{{#each this/../../packages}}{{/each}}{{/each}}",
    ] {
        assert_ne!(faults(source), [], "{source}");
    }
}

#[test]
fn a_phrase_must_be_there_and_get_what_it_says() {
    for (source, expected) in [
        (
            "{{t \"nope\"}}",
            "names the phrase nope, which there is not",
        ),
        ("{{t \"a.b\"}}", "gives the phrase a.b no value for name"),
        ("{{t \"c\"}}", "gives the phrase c no value for count"),
        ("{{t name}}", "calls t without one phrase in quotes"),
        (
            "{{t \"a.b\" \"c\" name=name}}",
            "calls t without one phrase in quotes",
        ),
    ] {
        assert_eq!(reasons(source), [expected], "{source}");
    }
}

#[test]
fn every_fault_is_told_with_its_line_and_column() {
    let source = "Hi {{name}},\n  {{nmae}}\n{{#each packages}}\n{{name}} {{nam}}\n{{/each}}\n{{#if x}}{{/if}}";
    let places: Vec<(u32, u32)> = faults(source)
        .iter()
        .map(|fault| (fault.line, fault.column))
        .collect();
    assert_eq!(places, [(2, 3), (4, 10), (6, 1)]);
    let [unclosed] = faults("a\n{{#if name}}").try_into().unwrap();
    assert_eq!(unclosed.line, 2, "{unclosed}");
}
