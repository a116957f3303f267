//! The address under which customers reach the HTTP side.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// An http or https URL that paths are added to; without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "must be a URL such as https://carnet.example".to_owned();
        let url = Url::parse(text).map_err(|_| expected())?;
        let is_web = matches!(url.scheme(), "http" | "https");
        let has_account = !url.username().is_empty() || url.password().is_some();
        let has_rest = url.query().is_some() || url.fragment().is_some();
        if !is_web || url.host_str().is_none() || has_account || has_rest {
            return Err(expected());
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_one_that_paths_can_be_added_to() {
        for (text, kept) in [
            ("https://carnet.example", Some("https://carnet.example")),
            ("https://carnet.example/", Some("https://carnet.example")),
            ("http://[::1]:8080", Some("http://[::1]:8080")),
            (
                "https://õpe.example/c/",
                Some("https://xn--pe-bka.example/c"),
            ),
            ("carnet.example", None),
            ("ftp://carnet.example", None),
            ("https://carnet.example?x", None),
            ("https://carnet.example#x", None),
            ("https://me:secret@carnet.example", None),
            ("https://", None),
            ("", None),
        ] {
            let url = text.parse::<PublicUrl>().ok();
            assert_eq!(url.map(|url| url.to_string()).as_deref(), kept, "{text}");
        }
    }
}
