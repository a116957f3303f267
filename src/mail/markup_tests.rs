//! What HTML a business may write, and what it may not.

use rstest::rstest;

use super::*;

fn reasons(source: &str) -> Vec<String> {
    faults(source)
        .into_iter()
        .map(|fault| fault.reason)
        .collect()
}

#[test]
fn plain_html_with_variables_in_text_and_in_quotes_passes() {
    for source in [
        "",
        "Just text & more, 2 > 1 {{name}}",
        "<p class='lead' style=\"color: {{@root.business.accent}};\">Hello {{name}},<br>you<br/>there</p>",
        "<a href=\"https://example.com/?q={{name}}\" title=\"{{t \"a\" name=name}}\">go</a>",
        "<a href='{{business.link_url}}/more'>go</a><img src=\"{{../business.logo_url}}\" alt=\"\">",
        "{{#each packages}}<table><tr>{{#if name}}<td>{{name}}</td>{{else}}<td></td>{{/if}}</tr></table>{{/each}}",
        "{{! not shown <b> }}<P ALIGN=\"left\">x</P><td aria-hidden=\"true\"\n class=\"a\">x</td>",
        "<p class=\"{{#if a}}one{{else}}two{{/if}}\">x</p>",
    ] {
        assert_eq!(reasons(source), [""; 0], "{source}");
    }
}

#[rstest]
#[case("<script>alert(1)</script>", "the element <script>")]
#[case(
    "<ScRiPt src=\"https://x.example/a.js\"></ScRiPt>",
    "the element <script>"
)]
#[case("<iframe src=\"https://x.example\"></iframe>", "the element <iframe>")]
#[case("<form></form>", "the element <form>")]
#[case("<style></style>", "the element <style>")]
#[case("<svg></svg>", "the element <svg>")]
#[case("<base href=\"https://x.example\">", "the element <base>")]
#[case("<p onclick=\"x\">a</p>", "the attribute onclick")]
#[case("<p ONMOUSEOVER='x'>a</p>", "the attribute onmouseover")]
#[case(
    "<img src=\"https://x.example/a\" srcset=\"b\">",
    "the attribute srcset"
)]
#[case("<!-- a -->", "an HTML comment")]
#[case("<!--[if mso]><p><![endif]-->", "an HTML comment")]
#[case("<!doctype html>", "a < that begins no element")]
#[case("<?xml?>", "a < that begins no element")]
#[case("1 < 2", "a < that begins no element")]
fn what_is_not_allowed_is_named(#[case] source: &str, #[case] expected: &str) {
    let reasons = reasons(source).join("\n");
    assert!(reasons.contains(expected), "{source}: {reasons}");
}

#[rstest]
#[case("javascript:alert(1)")]
#[case(" javascript:alert(1)")]
#[case("java\nscript:alert(1)")]
#[case("data:text/html,x")]
#[case("mailto:a@example.com")]
#[case("//example.com")]
#[case("/packages")]
#[case("{{customer_name}}")]
#[case("https://{{customer_name}}")]
#[case("{{#if a}}https://example.com{{/if}}")]
#[case("https://")]
#[case("")]
fn a_link_leads_to_a_web_page_that_the_business_named(#[case] link: &str) {
    for source in [
        format!("<a href=\"{link}\">a</a>"),
        format!("<img src='{link}' alt=\"\">"),
    ] {
        let reasons = reasons(&source);
        assert!(
            reasons[0].contains("begins neither"),
            "{source}: {reasons:?}"
        );
    }
}

#[rstest]
#[case("<p title={{name}}>a</p>", "without a value in quotes")]
#[case("<p title=a>b</p>", "without a value in quotes")]
#[case("<td nowrap>b</td>", "without a value in quotes")]
#[case("<p {{name}}>a</p>", "what is not an attribute")]
#[case("<{{name}}>", "a < that begins no element")]
#[case("<p title=\"a", "whose value does not end")]
#[case("<p title=\"a>b</p>", "whose value does not end")]
#[case("<p", "what is not an attribute")]
#[case("<p />", "what is not an attribute")]
#[case("{{{name}}}", "prints without escaping")]
#[case("{{& name}}", "prints without escaping")]
#[case("<p title=\"{{{name}}}\">a</p>", "prints without escaping")]
#[case("\\{{name}}", "a backslash")]
#[case("<p title=\"\\{{\" onclick=\"x\"}}\">a</p>", "a backslash")]
#[case("{{!-- a --}}", "a comment with hyphens")]
#[case("{{!-- }}<script></script>", "the element <script>")]
#[case("{{!-- --~}}<script></script>", "the element <script>")]
#[case("{{t \"a}}<script></script>\"}}", "the element <script>")]
#[case(
    "<p title=\"{{> units}}\">a</p>",
    "includes another template inside a value"
)]
#[case(
    "<p title=\"{{#if a}}\" class=\"{{/if}}\">a</p>",
    "inside a block that began in it"
)]
#[case(
    "{{#if a}}<p title=\"{{else}}\">a</p>{{/if}}",
    "which began outside of it"
)]
fn what_could_be_read_in_two_ways_is_refused(#[case] source: &str, #[case] expected: &str) {
    let reasons = reasons(source).join("\n");
    assert!(reasons.contains(expected), "{source}: {reasons}");
}

#[rstest]
#[case("<p>a", "opens <p> and never ends it")]
#[case("a</td></tr></table>", "ends <td>, which is not open")]
#[case("<b><i>a</b></i>", "ends <b> where <i> is open")]
#[case("{{#if a}}<b>{{/if}}</b>", "does not end it before the block does")]
#[case(
    "<b>{{#if a}}</b>{{/if}}",
    "not open in the block that begins in line 1"
)]
#[case(
    "{{#if a}}<b>{{else}}</b>{{/if}}",
    "does not end it before the block does"
)]
fn every_element_ends_where_it_began(#[case] source: &str, #[case] expected: &str) {
    let reasons = reasons(source).join("\n");
    assert!(reasons.contains(expected), "{source}: {reasons}");
}

#[rstest]
#[case("background: url(https://x.example/a)", "url(")]
#[case("background: URL (x)", "")]
#[case("width: expression(alert(1))", "expression")]
#[case("@import x", "@")]
#[case("back\\67round: x", "\\")]
#[case("background:&#117;rl(https://x.example/a)", "has & in a style")]
#[case("background:&#x75;&#x72;&#x6c;(x)", "has & in a style")]
#[case("font-family: &quot;Arial&quot;", "has & in a style")]
#[case("color: {{customer_name}}", "where only these may stand")]
#[case("color: {{business.accent}}; margin-{{start}}: 2px", "")]
fn a_style_loads_nothing_and_shows_no_words(#[case] style: &str, #[case] expected: &str) {
    let reasons = reasons(&format!("<p style=\"{style}\">a</p>")).join("\n");
    assert!(reasons.contains(expected), "{style}: {reasons}");
    assert_eq!(
        reasons.is_empty(),
        expected.is_empty(),
        "{style}: {reasons}"
    );
}

#[test]
fn every_fault_is_told_with_its_line_and_column() {
    let source = "<p>õ\n  <script>x</script>\n</p>\n<a\n href=\"x\">{{name}}</a></b>";
    let places: Vec<(u32, u32)> = faults(source)
        .iter()
        .map(|fault| (fault.line, fault.column))
        .collect();
    assert_eq!(places, [(2, 3), (5, 2), (5, 23)]);
}
